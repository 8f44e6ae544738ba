"""Knowledge about invited people who already have an account."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.functions import Lower
from django.utils import translation

from invitation import addresses
from invitation.exceptions import AddressRefused

#: Maximum number of accounts that are checked for one address: a site may allow several.
ACCOUNTS_MAX = 10
#: Maximum length of a language code.
LANGUAGE_MAX = 35


class MemberKnowledge:
    """Access to the data of the user model that emails need.

    Override it for a site's own user model.
    """

    #: Field of the user model with the member's language, a code such as "de".
    member_language_field: str = "language"
    #: Whether an invited person with an account gets a different email that says so.
    recognises_members: bool = True

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

        After ``know_members``, it makes no query. Use the result only for the email to this very
        address. Nobody else may learn whether there is an account.
        """
        if not email or not self.recognises_members:
            return None
        known = self._members
        if known is None or _key(email) not in known:
            known = self._find_members([email])
        return known[_key(email)]

    def know_members(self, emails: Collection[str]) -> None:
        """Find the accounts with these addresses in one query, before many emails are sent.

        Few sites have an index that finds an address in any case.
        """
        if emails and self.recognises_members:
            self._members = self._find_members(emails)

    def _find_members(self, emails: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {_key(email): None for email in emails}
        model: Any = get_user_model()
        names = {field.name for field in model._meta.get_fields()}
        field = model.get_email_field_name()
        if field not in names:
            return found
        # A member may have typed a domain in its Unicode form. Python compares the addresses here.
        # Addresses that are equal for a database can be different mailboxes (CVE-2019-19844).
        spellings = {text.lower() for email in emails for text in (email, addresses.display(email))}
        accounts = model._default_manager.annotate(invitation_address=Lower(field))
        accounts = accounts.filter(invitation_address__in=sorted(spellings))
        if "is_active" in names:
            accounts = accounts.filter(is_active=True)
        for account in accounts.order_by("pk")[: ACCOUNTS_MAX * len(emails)]:
            with suppress(AddressRefused):
                address = addresses.canonical(getattr(account, field) or "")
                if address in found and found[address] is None:
                    found[address] = account
        return found


def _key(email: str) -> str:
    """Return the form for comparing addresses; a refused address in lower case."""
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.lower()
