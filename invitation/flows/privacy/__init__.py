"""Forget people, and give them what is kept about them."""

from invitation.flows.privacy.forgetting import Forgotten, count_forgettable, forget, forget_ended
from invitation.flows.privacy.personal_data import export, has_account

__all__ = [
    "Forgotten",
    "count_forgettable",
    "export",
    "forget",
    "forget_ended",
    "has_account",
]
