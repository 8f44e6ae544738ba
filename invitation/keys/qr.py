"""QR codes of links, where the extra ``qr`` is installed."""

from __future__ import annotations

from invitation.keys import written


def svg(text: str) -> written.SecretMarkup:
    """Return the QR code as an ``<svg>`` element, or an empty string without segno.

    It is dark on light in any colour scheme. The margin has the four modules that the standard
    requires (ISO/IEC 18004). Some readers find no code without it.
    """
    try:
        import segno
    except ImportError:
        return written.SecretMarkup()
    code = segno.make_qr(text, error="m")
    drawn: str = code.svg_inline(border=4, light="#fff", dark="#000", omitsize=True)
    return written.SecretMarkup(drawn)  # safe: segno drew it, only squares
