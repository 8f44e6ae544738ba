"""Draw a link as a QR code, where the extra ``qr`` is installed."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe


def svg(text: str) -> SafeString:
    """Return the code as an ``<svg>`` element, or nothing without segno.

    Dark on light in any colour scheme, with the margin of four modules that the standard asks for
    (ISO/IEC 18004): some readers find no other.
    """
    try:
        import segno
    except ImportError:
        return SafeString()
    code = segno.make_qr(text, error="m")
    drawn: str = code.svg_inline(border=4, light="#fff", dark="#000", omitsize=True)
    return mark_safe(drawn)  # noqa: S308 (drawn by segno, of squares alone)
