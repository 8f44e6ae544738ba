"""Hash the password of a new account before the transaction that makes the account.

Hashing takes a hundred milliseconds or more by design. Whoever comes by a shared link holds its row
from the claim to the commit, and on SQLite the whole database: the others would wait for each
other's hashing, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.hashers import get_hasher
from django.views.decorators.debug import sensitive_variables


class Ahead:
    """Passwords that are hashed already, with their hashes, for one block."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.salts: list[Any] = []


#: What is hashed ahead in this thread, or in this task.
_ahead: ContextVar[Ahead | None] = ContextVar("invitation_passwords_ahead", default=None)


@contextmanager
@sensitive_variables()
def hashed_password(form: Any) -> Iterator[None]:
    """Hash the passwords in a valid form now, and let nobody hash them again in the block.

    It works wherever Django's ``make_password`` hashes with the site's first hasher: in a form, in
    ``set_password``, in a manager of the site's own. In the block, ``check_password`` knows such a
    hash without hashing. Another password is hashed when it comes. A block within another one
    hashes what is new.
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
    """Return what was typed into the fields for passwords, each text once."""
    fields: Mapping[str, Any] = getattr(form, "fields", {})
    found: set[str] = set()
    for name, value in form.cleaned_data.items():
        widget = getattr(fields.get(name), "widget", None)
        secret = "password" in name.lower() or getattr(widget, "input_type", "") == "password"
        if secret and isinstance(value, str) and value:
            found.add(value)
    return found


def _prepare(hasher: Any) -> None:
    """Let a hasher of this process look first for what is hashed ahead; once is enough.

    A hasher is what every way to hash a password comes by. Django keeps one instance of each, so
    that this is on the instance: a new value of PASSWORD_HASHERS makes new ones.
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
        # With a salt that was made for a new hash, and not with that of a hash to compare with.
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
