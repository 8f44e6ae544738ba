"""Pages to which a new member may be sent: paths of this site only.

A path comes from a member's form or from code of the site. It stays in a row for weeks. It is
checked when it is written, and again before a browser is redirected.
"""

from __future__ import annotations

from urllib.parse import unquote

from django.utils.http import url_has_allowed_host_and_scheme

from invitation.exceptions import DestinationRefused

LENGTH_MAX = 200


def check(path: object) -> str:
    """Return the path if a new member may be sent there, or raise ``DestinationRefused``.

    The path begins with one slash. It contains no double slash, no backslash, no blank and no
    invisible character, not even percent-encoded (``%2f``). Browsers, proxies and web servers read
    these in different ways. An empty path means no page, and is accepted.
    """
    if path == "":
        return ""
    if not isinstance(path, str) or len(path) > LENGTH_MAX or not _is_local(path):
        raise DestinationRefused()
    return path


def safe(path: str) -> str:
    """Return the path if a browser may be redirected there, else an empty string."""
    try:
        return check(path)
    except DestinationRefused:
        return ""


def _is_local(path: str) -> bool:
    """Return whether a path, as written and as decoded, leads only to this site."""
    return all(
        text.startswith("/")
        and "//" not in text
        and "\\" not in text
        and text.isprintable()
        and not any(char.isspace() for char in text)
        and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
        for text in (path, unquote(path))
    )
