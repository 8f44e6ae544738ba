"""Check of the address from which a site sends."""

from __future__ import annotations

import re
from email.utils import getaddresses
from functools import lru_cache

#: Quoted text, which may contain anything.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@lru_cache(maxsize=64)
def is_sender(text: str) -> bool:
    """Return whether the text is one address, with or without a name: ``Club <me@localhost>``.

    An unquoted comma or colon in the name makes several addresses or a group of it. No mail backend
    sends from these.
    """
    if not text.isprintable() or ":" in _QUOTED.sub("", text):
        return False
    found = [address for _name, address in getaddresses([text])]
    local, _at, domain = found[0].rpartition("@") if len(found) == 1 else ("", "", "")
    return bool(local and domain)
