"""Deletion of an account that was created with another person's address."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db.models import ProtectedError, RestrictedError

from invitation.flows.after_commit import in_transaction
from invitation.flows.arriving.opening import release

logger = logging.getLogger(__name__)


def disown(user: Any) -> bool:
    """Delete a never usable account that the owner of its address did not create.

    Its invitation works again. Returns whether this was done. An account that is active or has
    logged in is not changed. If the site's own rows protect the account from deletion, it stays
    inactive and loses its password.
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
