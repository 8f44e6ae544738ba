"""Delete an account that somebody made with the address of somebody else."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db.models import ProtectedError, RestrictedError

from invitation.flows.deadlocks import in_transaction
from invitation.flows.opening import release

logger = logging.getLogger(__name__)


def disown(user: Any) -> bool:
    """Delete an account that was never usable, as the owner of its address did not make it.

    Its invitation works again. Returns whether that was done: an account that is active, or has
    logged in, is left as it is. Where the site's own rows protect the account from deletion, it
    stays inactive and loses its password.
    """
    return in_transaction(partial(_disown, user))


def _disown(user: Any) -> bool:
    rows = type(user)._base_manager.select_for_update().filter(pk=user.pk)
    account = rows.first()
    if account is None or account.is_active or account.last_login is not None:
        return False
    try:
        account.delete()
    except (ProtectedError, RestrictedError):
        logger.warning("Account %s is protected from deletion and stays inactive.", user.pk)
        release(account)
        account.set_unusable_password()
        account.save(update_fields=["password"])
    return True
