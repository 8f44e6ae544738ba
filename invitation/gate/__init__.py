"""Find the key that a request carries, and know who stands at the gate."""

from invitation.gate.carried_keys import (
    NO_SITE_TEMPLATE,
    PARAMETERS,
    REFUSAL_TEMPLATE,
    REFUSALS,
    ProtectedMixin,
    View,
    all_on_a_site,
    carried_key,
    ended_key,
    given_key,
    login_url,
    on_a_site,
    open_carried,
    protect,
    refuse,
    remember,
)

__all__ = [
    "NO_SITE_TEMPLATE",
    "PARAMETERS",
    "REFUSALS",
    "REFUSAL_TEMPLATE",
    "ProtectedMixin",
    "View",
    "all_on_a_site",
    "carried_key",
    "ended_key",
    "given_key",
    "login_url",
    "on_a_site",
    "open_carried",
    "protect",
    "refuse",
    "remember",
]
