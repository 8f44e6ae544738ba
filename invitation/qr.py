"""Draw a link as a QR code, where the extra ``qr`` is installed."""

from __future__ import annotations

from invitation import keys


def svg(text: str) -> keys.SecretMarkup:
    """Return the code as an ``<svg>`` element, or nothing without segno.

    Dark on light in any colour scheme, with the margin of four modules that the standard asks for
    (ISO/IEC 18004): some readers find no other.
    """
    try:
        import segno
    except ImportError:
        return keys.SecretMarkup()
    code = segno.make_qr(text, error="m")
    drawn: str = code.svg_inline(border=4, light="#fff", dark="#000", omitsize=True)
    return keys.SecretMarkup(drawn)  # safe: drawn by segno, of squares alone
