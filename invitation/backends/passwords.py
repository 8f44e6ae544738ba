"""Password hashing before the transaction that creates the account.

Hashing takes a hundred milliseconds or more by design. A registration through a shared link locks
the row of the link from the claim to the commit. On SQLite it locks the whole database. So without
this module, other people would wait for each hashing, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.hashers import get_hasher
from django.views.decorators.debug import sensitive_variables


class Ahead:
    """Passwords that are already hashed, with their hashes, for one block."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.salts: list[Any] = []


#: Passwords hashed ahead in this thread or task.
_ahead: ContextVar[Ahead | None] = ContextVar("invitation_passwords_ahead", default=None)


@contextmanager
@sensitive_variables()
def hashed_password(form: Any) -> Iterator[None]:
    """Hash the passwords in a valid form now, so that the block does not hash them again.

    This works wherever Django's ``make_password`` uses the site's first hasher: in a form, in
    ``set_password``, in a site's own manager. In the block, ``check_password`` recognises such a
    hash without hashing. Any other password is hashed when it is used. A nested block hashes only
    new passwords.
    """
    passwords = _passwords_in(form)
    outer = _ahead.get()
    hasher: Any = get_hasher()
    _prepare(hasher)
    ahead = Ahead()
    for password in passwords:
        known = outer.hashes.get(password) if outer is not None else None
        ahead.hashes[password] = known or hasher.encode(password, hasher.salt())
    token = _ahead.set(ahead)
    try:
        yield
    finally:
        _ahead.reset(token)
        ahead.hashes.clear()


def _passwords_in(form: Any) -> set[str]:
    """Return the text of all password fields, each text once."""
    fields: Mapping[str, Any] = getattr(form, "fields", {})
    found: set[str] = set()
    for name, value in form.cleaned_data.items():
        widget = getattr(fields.get(name), "widget", None)
        secret = "password" in name.lower() or getattr(widget, "input_type", "") == "password"
        if secret and isinstance(value, str) and value:
            found.add(value)
    return found


def _prepare(hasher: Any) -> None:
    """Make this process's hasher look for passwords hashed ahead; one call is enough.

    Every way to hash a password uses a hasher. Django keeps one instance of each hasher, so this
    changes the instance. A new value of PASSWORD_HASHERS creates new instances.
    """
    kind = type(hasher)

    def new_salt() -> Any:
        made = kind.salt(hasher)
        ahead = _ahead.get()
        if ahead is not None:
            ahead.salts.append(made)
        return made

    @sensitive_variables()
    def encode_or_reuse(password: Any, salt: Any, *args: Any, **kwargs: Any) -> Any:
        ahead = _ahead.get()
        # Only with a salt made for a new hash, not with the salt of a hash to compare with.
        if ahead is not None and salt in ahead.salts and password in ahead.hashes:
            return ahead.hashes[password]
        return kind.encode(hasher, password, salt, *args, **kwargs)

    @sensitive_variables()
    def verify_or_know(password: Any, encoded: Any) -> bool:
        ahead = _ahead.get()
        if ahead is not None and ahead.hashes.get(password) == encoded:
            return True
        return bool(kind.verify(hasher, password, encoded))

    vars(hasher).update(salt=new_salt, encode=encode_or_reuse, verify=verify_or_know)
