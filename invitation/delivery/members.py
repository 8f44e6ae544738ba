"""Knowledge about invited people who already have an account."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from operator import attrgetter
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models import F, UniqueConstraint, Value
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower, Upper
from django.utils import translation

from invitation import addresses
from invitation.exceptions import AddressRefused

#: Maximum number of accounts that are checked for one address: a site may allow several.
ACCOUNTS_MAX = 10
#: Maximum length of a language code.
LANGUAGE_MAX = 35

#: Values of ``email_index``, with the function of the address that each index has.
INDEXES: dict[str, Any] = {"upper": Upper, "lower": Lower, "exact": None}


class MemberKnowledge:
    """Access to the data of the user model that emails need.

    Override it for a site's own user model.
    """

    #: Field of the user model with the member's language, a code such as "de".
    member_language_field: str = "language"
    #: Whether an invited person with an account gets a different email that says so. It needs an
    #: index of the user table that finds an address.
    recognises_members: bool = True
    #: Index of the user table that finds an address: "upper", "lower" or "exact". Set it if a
    #: migration made the index. ``None`` is the index that the user model declares, if any.
    email_index: str | None = None

    def language_of(self, member: Any) -> str:
        """Return the member's language if the site supports it, else an empty string."""
        language = str(getattr(member, self.member_language_field, None) or "")[:LANGUAGE_MAX]
        try:
            code = language.lower().replace("_", "-")
            return translation.get_supported_language_variant(code)
        except LookupError:
            return ""

    #: Accounts that a batch of emails is for, by canonical address.
    _members: dict[str, Any] | None = None

    def get_member(self, email: str) -> Any | None:
        """Return an active account with this address, or ``None``; one query at most.

        Without an index that finds the address, it makes no query and returns ``None``. After
        ``know_members``, it makes no query either. Use the result only for the email to this very
        address. Nobody else may learn whether there is an account.
        """
        if not email or not self.recognises_members:
            return None
        known = self._members
        if known is None or _key(email) not in known:
            known = self._find_members([email])
        return known[_key(email)]

    def know_members(self, emails: Collection[str]) -> None:
        """Find the accounts with these addresses in one query, before many emails are sent."""
        if emails and self.recognises_members:
            self._members = self._find_members(emails)

    def _find_members(self, emails: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {_key(email): None for email in emails}
        model: Any = get_user_model()
        index = self.email_index or declared_index(model)
        if index is None:
            return found
        field, function = model.get_email_field_name(), INDEXES[index] or (lambda one: one)
        # A member may have typed a domain in its Unicode form. Python compares the addresses here.
        # Addresses that are equal for a database can be different mailboxes (CVE-2019-19844).
        spellings = {
            text
            for email in emails
            for written in (email, addresses.display(email))
            for text in (written, written.lower())
        }
        accounts = model._default_manager.annotate(invitation_address=function(F(field)))
        wanted = [function(Value(text)) for text in sorted(spellings)]
        accounts = accounts.filter(invitation_address__in=wanted)
        if "is_active" in {field.name for field in model._meta.get_fields()}:
            accounts = accounts.filter(is_active=True)
        # In the order of that index. To get the first rows in the order of another index, a
        # database may read that one as a whole.
        some = accounts.order_by("invitation_address")[: ACCOUNTS_MAX * len(emails)]
        for account in sorted(some, key=attrgetter("pk")):
            with suppress(AddressRefused):
                address = addresses.canonical(getattr(account, field) or "")
                if address in found and found[address] is None:
                    found[address] = account
        return found


def declared_index(model: Any) -> str | None:
    """Return the index by which a user model finds an address, as in ``email_index``.

    The field of the address may be unique or have an index. An index or a constraint may begin with
    it, or with its upper or lower case. Return ``None`` without such an index, or without such a
    field.
    """
    name = model.get_email_field_name()
    field = next((field for field in model._meta.get_fields() if field.name == name), None)
    if field is None:
        return None
    opts = model._meta.concrete_model._meta
    begins = [_begin_of(index) for index in (*opts.constraints, *opts.indexes)]
    begins += [(None, fields[0]) for fields in opts.unique_together]
    if field.unique or field.db_index:
        begins.append((None, name))
    if not connections[router.db_for_read(model)].features.supports_expression_indexes:
        begins = [begin for begin in begins if begin[0] is None]
    return next((index for index in INDEXES if (INDEXES[index], name) in begins), None)


def _begin_of(index: Any) -> tuple[Any, str]:
    """Return the function and the name of the first field of an index over all rows."""
    sorts = isinstance(index, UniqueConstraint) or type(index).__name__ in ("Index", "BTreeIndex")
    # Not every database makes a deferrable constraint.
    if not sorts or index.condition is not None or getattr(index, "deferrable", None) is not None:
        return None, ""
    expression = index.expressions[0] if index.expressions else F(index.fields[0].lstrip("-"))
    if isinstance(expression, OrderBy):
        expression = expression.expression
    function = None
    if isinstance(expression, (Upper, Lower)):
        function, expression = type(expression), expression.get_source_expressions()[0]
    return function, getattr(expression, "name", "")


def _key(email: str) -> str:
    """Return the form for comparing addresses; a refused address in lower case."""
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.lower()
