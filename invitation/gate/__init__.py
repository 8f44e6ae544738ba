"""Find the key that a request carries, and know who stands at the gate."""

from invitation.gate.busy import ask_again_later, note_busy, repeat_visit
from invitation.gate.carried_keys import (
    NO_SITE_TEMPLATE,
    PARAMETERS,
    REFUSAL_TEMPLATE,
    REFUSALS,
    View,
    all_on_a_site,
    carried_key,
    ended_key,
    given_key,
    login_url,
    on_a_site,
    open_carried,
    page_url,
    refuse,
    remember,
)
from invitation.gate.signing_up import carried, claimed, claiming, may_sign_up
from invitation.gate.protecting import ProtectedMixin, protect

__all__ = [
    "NO_SITE_TEMPLATE",
    "PARAMETERS",
    "REFUSALS",
    "REFUSAL_TEMPLATE",
    "ProtectedMixin",
    "View",
    "all_on_a_site",
    "ask_again_later",
    "carried",
    "carried_key",
    "claimed",
    "claiming",
    "ended_key",
    "given_key",
    "login_url",
    "may_sign_up",
    "note_busy",
    "on_a_site",
    "open_carried",
    "page_url",
    "protect",
    "refuse",
    "remember",
    "repeat_visit",
]
