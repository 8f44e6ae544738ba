"""Say which pages a newcomer may be led to: those of this site, named by their path.

A path comes from a member's form or from code of the site, and lies in a row for weeks. It is
looked at when it is written, and again before a browser is sent there.
"""

from __future__ import annotations

from urllib.parse import unquote

from django.utils.http import url_has_allowed_host_and_scheme

from invitation.exceptions import DestinationRefused

LENGTH_MAX = 200


def check(path: object) -> str:
    """Return the path if a newcomer may be led there, or raise ``DestinationRefused``.

    It begins with one slash. It holds no second one after another, no backslash, no blank and
    nothing invisible, also not in the form ``%2f``: what browsers, proxies and web servers make of
    these differs. Empty is no page at all, and fine.
    """
    if path == "":
        return ""
    if not isinstance(path, str) or len(path) > LENGTH_MAX or not _is_local(path):
        raise DestinationRefused()
    return path


def safe(path: str) -> str:
    """Return the path if a browser may be sent there, else an empty string."""
    try:
        return check(path)
    except DestinationRefused:
        return ""


def _is_local(path: str) -> bool:
    """Tell whether a path leads nowhere but to this site, as it stands and decoded."""
    return all(
        text.startswith("/")
        and "//" not in text
        and "\\" not in text
        and text.isprintable()
        and not any(char.isspace() for char in text)
        and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
        for text in (path, unquote(path))
    )
