"""Make links for several people, look after them, and open them."""

from invitation.flows.sharing.shared_links import (
    close,
    edit_shared,
    join,
    may_share,
    may_share_unlimited,
    open_code,
    open_word,
    pause,
    resume,
    share,
    sharing_refusal,
)

__all__ = [
    "close",
    "edit_shared",
    "join",
    "may_share",
    "may_share_unlimited",
    "open_code",
    "open_word",
    "pause",
    "resume",
    "share",
    "sharing_refusal",
]
