"""Tell whether mail can come from what a site has set as its sender."""

from __future__ import annotations

import re
from email.utils import getaddresses
from functools import lru_cache

#: What stands in quotation marks may hold anything.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@lru_cache(maxsize=64)
def is_sender(text: str) -> bool:
    """Tell whether this is one address, with or without a name, such as ``Club <me@localhost>``.

    A comma or a colon in a name that is not quoted makes several of it, or a group: no mail
    backend sends in its name.
    """
    if not text.isprintable() or ":" in _QUOTED.sub("", text):
        return False
    found = [address for _name, address in getaddresses([text])]
    local, _at, domain = found[0].rpartition("@") if len(found) == 1 else ("", "", "")
    return bool(local and domain)
