"""Find out what the site knows of people who have an account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import translation

from invitation import addresses

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

    def get_member(self, email: str) -> Any | None:
        """Return an active account that has this address, or ``None``; one query at most.

        Only for the mail to that very address: nobody else may learn what it finds.
        """
        model: Any = get_user_model()
        names = {field.name for field in model._meta.get_fields()}
        field = model.get_email_field_name()
        if not self.recognises_members or not email or field not in names:
            return None
        # Who registered may have typed a domain as people read it. Comparing is ours: what a
        # database takes for the same letters is not the same mailbox (CVE-2019-19844).
        spellings = (email, addresses.display(email))
        alike = Q(*((f"{field}__iexact", one) for one in spellings), _connector=Q.OR)
        accounts = model._default_manager.filter(alike)
        if "is_active" in names:
            accounts = accounts.filter(is_active=True)
        for account in accounts.order_by("pk")[:ACCOUNTS_MAX]:
            if addresses.same(getattr(account, field) or "", email):
                return account
        return None
