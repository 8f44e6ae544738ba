"""Find out what the site knows of people who have an account."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.functions import Lower
from django.utils import translation

from invitation import addresses
from invitation.exceptions import AddressRefused

#: How many accounts with one address are looked at: a site may allow several.
ACCOUNTS_MAX = 10
#: More is no code of a language.
LANGUAGE_MAX = 35


class MemberKnowledge:
    """Say where the user model keeps what mails depend on; override it for yours."""

    #: What the user model calls the language of a member, if it knows it: a code such as "de".
    member_language_field: str = "language"
    #: Whether an invited person who has an account already gets a mail that says so.
    recognises_members: bool = True

    def language_of(self, member: Any) -> str:
        """Return a member's language if the account names one of the site's, else nothing."""
        language = str(getattr(member, self.member_language_field, None) or "")[:LANGUAGE_MAX]
        try:
            code = language.lower().replace("_", "-")
            return translation.get_supported_language_variant(code)
        except LookupError:
            return ""

    #: The accounts of those whom a batch of mails is for, by their canonical addresses.
    _members: dict[str, Any] | None = None

    def get_member(self, email: str) -> Any | None:
        """Return an active account that has this address, or ``None``; one query at most.

        None after ``know_members``. Only for the mail to that very address: nobody else may learn
        what it finds.
        """
        if not email or not self.recognises_members:
            return None
        known = self._members
        if known is None or _key(email) not in known:
            known = self._find_members([email])
        return known[_key(email)]

    def know_members(self, emails: Collection[str]) -> None:
        """Find the accounts with these addresses by one query, where many mails are to be sent.

        Few sites have an index by which a database finds an address in letters of any case.
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
        # Who registered may have typed a domain as people read it. Comparing is ours: what a
        # database takes for the same letters is not the same mailbox (CVE-2019-19844).
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
    """Return by what an address is compared; one that nobody could be invited by is itself."""
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.lower()
