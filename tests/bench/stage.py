"""The site at one size: members, invitations with an email and a ledger entry each, and the floor.

Of a hundred invitations, ten are overdue, four are accepted, two each declined, revoked and
expired, and eighty are pending. They are those of a thousand members and of one "lister" with 500;
one member "many" has ten thousand more.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import count, islice
from secrets import token_urlsafe
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db.models import Max
from django.test import Client, override_settings
from django.utils import timezone

from invitation.flows import inviting
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota, QuotaEntry
from tests.bench import seeding
from tests.bench.floor import models as floor

MEMBERS, OWN = 1000, 500
OUTBOX = "invitation.delivery.outbox.OutboxDelivery"
DAY = timedelta(days=1)
#: Endings of every hundred rows, by the number's last two digits; the others are pending.
ENDINGS = {0: "accepted", 1: "accepted", 2: "accepted", 3: "accepted"}
ENDINGS |= {4: "declined", 5: "declined", 6: "revoked", 7: "revoked", 8: "expired", 9: "expired"}
OVERDUE = range(10, 20)
#: First primary key of the rows that are written here; the real verbs write below it.
FIRST = 10_000_000
#: Numbers of rows that do not belong to the site's size.
MANY_OWN = range(20_000_000, 20_010_000)
OVERDUE_FROM, SPARE_FROM = 30_000_000, 40_000_000
#: So many rows are made here, one by one. PostgreSQL itself makes more of them. A multiple of the
#: number of members and of domains.
BLOCK = 100_000
#: ``Stage.email_of`` in PostgreSQL.
EMAIL_SQL = "lpad(to_hex({number} * 2654435761 % 4294967296), 8, '0') || '@s' || "
EMAIL_SQL += "{number} % 1000 || '.example.org'"


class Stage:
    """The rows of the site, and browsers of its members."""

    def __init__(self) -> None:
        self.size = 0
        self.random = random.Random(11)  # noqa: S311 (the same rows in each run)
        self.now = timezone.now()
        self.user_model: Any = get_user_model()
        self.member = self._user("member")
        self.lister = self._user("lister")
        self.many = self._user("many")
        self.boss = self._user("boss", is_staff=True, is_superuser=True)
        self.inviters = self._members()
        template = self._template()
        self.invitation = template
        self.mail = InvitationEmail.objects.get(invitation=template)
        self.mail.state = InvitationEmail.State.SENT
        self.mail.sent_at, self.mail.tried_at, self.mail.attempts = self.now, self.now, 1
        self.entry = QuotaEntry.objects.latest("pk")
        self.floor_row = floor.Invitation.objects.create(
            inviter=self.member, email="template@x.org"
        )
        self.spared = 0
        #: Numbers of the rows that were written together, and what their primary keys add to them.
        self._parts: list[tuple[range, int]] = []
        self._next_pk = FIRST

    def _user(self, name: str, **fields: Any) -> Any:
        fields = {"email": f"{name}@example.com", "password": "secret"} | fields
        return self.user_model._default_manager.create_user(name, **fields)

    def _members(self) -> list[int]:
        password = make_password("secret")
        made = [
            self.user_model(username=f"m{n}", email=f"m{n}@example.net", password=password)
            for n in range(MEMBERS)
        ]
        self.user_model._default_manager.bulk_create(made)
        names = [user.username for user in made]
        rows = self.user_model._default_manager.filter(username__in=names)
        pks = list(rows.order_by("pk").values_list("pk", flat=True))
        InvitationQuota.objects.bulk_create(
            [InvitationQuota(inviter_id=pk, spent=10**6) for pk in pks]
        )
        everyone = [self.member.pk, *pks]
        floor.Counter.objects.bulk_create([floor.Counter(pk=pk, left=10**6) for pk in everyone])
        return pks

    def _template(self) -> InvitationKey:
        with override_settings(INVITATION_DELIVERY=OUTBOX):
            return inviting.invite(self.member, "template@example.org").invitation

    # -- rows --

    def grow(self, size: int) -> None:
        """Write rows until there are so many invitations, and as many of the floor's."""
        # The lister's are not repeated.
        source = max(self.size, OWN)
        single = min(size, source + BLOCK) if seeding.can_repeat() else size
        numbers = range(self.size, single)
        self._write(numbers, self.invitation_of)
        seeding.write(self.floor_row, numbers, self._floor_of)
        if single < size:
            with seeding.without_constraints(floor.Invitation):
                self._repeat(range(source, single), range(single, size))
        self.size = size
        seeding.settle()

    def _repeat(self, source: range, numbers: range) -> None:
        """Let the server write the rows of these numbers. They are like those of ``source``."""
        pks = range(self.pk_of(source[0]), self.pk_of(source[-1]) + 1)
        more = self._add_part(numbers)
        for begin in range(numbers.start, numbers.stop, len(source)):
            count = min(len(source), numbers.stop - begin)
            pk = f"id + {begin + more - pks.start}"
            email = EMAIL_SQL.format(number=f"(id + {begin - pks.start})")
            later = f"+ interval '{begin - source.start} seconds'"
            slot = f"CASE WHEN pending_slot IS NOT NULL THEN substr({seeding.RANDOM_16}, 1, 15) END"
            of_invitation = {
                "id": pk,
                "locator": seeding.TOKEN_16,
                "email": email,
                "email_key": email,
                "date_invited": f"date_invited {later}",
                "mail_requested_at": f"mail_requested_at {later}",
                "ended_at": f"ended_at {later}",
                "pending_slot": slot,
            }
            of_floor = {"id": pk, "key": seeding.TOKEN_32, "email": email}
            hanging = {"id": pk, "invitation_id": pk}
            seeding.repeat(InvitationKey, pks, count, of_invitation)
            seeding.repeat(InvitationEmail, pks, count, hanging)
            seeding.repeat(QuotaEntry, pks, count, hanging)
            seeding.repeat(floor.Invitation, pks, count, of_floor)

    def write_many_own(self) -> None:
        """Write the ten thousand invitations of one member."""
        self._write(MANY_OWN, self.invitation_of)
        seeding.settle()

    def write_overdue(self, turn: int, number: int) -> list[int]:
        """Write so many overdue invitations; return their primary keys."""
        begin = OVERDUE_FROM + turn * number
        numbers = range(begin, begin + number)
        first = numbers[: BLOCK // 10] if seeding.can_repeat() else numbers
        self._write(first, partial(self.invitation_of, overdue=True))
        if len(first) < number:
            self._repeat(first, numbers[len(first) :])
        seeding.settle()
        return [self.pk_of(n) for n in numbers]

    def spare(self, number: int) -> list[tuple[str, str]]:
        """Write so many pending invitations to be used up; return their keys and addresses."""
        begin = SPARE_FROM + 100 * self.spared
        numbers = list(islice((n for n in count(begin) if n % 100 > OVERDUE[-1]), number))
        self.spared += number
        self._write(numbers, self.invitation_of)
        return self._keys_of(numbers)

    def pending(self, number: int) -> list[tuple[str, str]]:
        """Return keys and addresses of so many pending invitations, at random from all."""
        numbers = [n for n in range(100) if n > OVERDUE[-1]]
        picked = {
            self.random.randrange(self.size // 100) * 100 + self.random.choice(numbers)
            for _ in range(number)
        }
        return self._keys_of(sorted(picked))

    def _keys_of(self, numbers: list[int]) -> list[tuple[str, str]]:
        rows = InvitationKey.objects.filter(pk__in=[self.pk_of(n) for n in numbers])
        found = [(str(row.mail_key), row.email) for row in rows]
        self.random.shuffle(found)
        return found

    def floor_keys(self, number: int) -> list[str]:
        """Return keys of so many of the floor's invitations, at random from all."""
        numbers = [self.random.randrange(self.size // 100) * 100 + 51 for _ in range(number)]
        rows = floor.Invitation.objects.filter(pk__in=[self.pk_of(n) for n in numbers])
        found = list(rows.values_list("key", flat=True))
        self.random.shuffle(found)
        return found

    def browser(self, user: Any) -> Client:
        """Return a browser in which somebody is logged in."""
        client = Client()
        client.force_login(user)
        return client

    def _write(self, numbers: Sequence[int], varying: Any) -> None:
        # Primary keys grow in the order of writing, as on a site: else their indexes would be half
        # empty.
        self._add_part(range(numbers[0], numbers[-1] + 1))
        seeding.write(self.invitation, numbers, varying)
        seeding.write(self.mail, numbers, self._mail_of)
        seeding.write(self.entry, numbers, self._entry_of)

    def _add_part(self, part: range) -> int:
        """Reserve primary keys for these numbers; return what to add to a number."""
        # SQLite goes on after the largest key, also for rows that were measured in between.
        for model in (InvitationKey, InvitationEmail, QuotaEntry):
            largest = model._default_manager.aggregate(largest=Max("pk"))["largest"] or 0
            self._next_pk = max(self._next_pk, largest + 1)
        self._parts.append((part, self._next_pk - part.start))
        self._next_pk += len(part)
        return self._parts[-1][1]

    def inviter_of(self, number: int) -> int:
        """Return whose invitation this is: the first 500 are the lister's."""
        if number in MANY_OWN:
            return int(self.many.pk)
        return int(self.lister.pk) if number < OWN else self.inviters[number % MEMBERS]

    def email_of(self, number: int) -> str:
        """Return the address of an invitation: in no order, and of a thousand domains."""
        # An odd factor gives each number below 2**32 another one.
        return f"{number * 2654435761 % 2**32:08x}@s{number % 1000}.example.org"

    def pk_of(self, number: int) -> int:
        """Return the primary key of an invitation."""
        for part, more in reversed(self._parts):
            if number in part:
                return number + more
        return number  # only for the names of the columns

    def invitation_of(self, number: int, *, overdue: bool = False) -> Mapping[str, Any]:
        """Return what an invitation has of its own."""
        row, email = self.invitation, self.email_of(number)
        ending = None if overdue else ENDINGS.get(number % 100)
        late = overdue or number % 100 in OVERDUE
        row.email, row.email_key, row.from_user_id = email, email, self.inviter_of(number)
        invited = self.now - timedelta(days=300) + timedelta(seconds=number % MANY_OWN[0])
        return {
            "id": self.pk_of(number),
            "locator": token_urlsafe(16),
            "from_user_id": row.from_user_id,
            "email": email,
            "email_key": email,
            "date_invited": invited,
            "mail_requested_at": invited,
            "expires_at": self.now - DAY if late else self.now + 30 * DAY,
            "status": ending or "pending",
            "uses": 1 if ending == "accepted" else 0,
            "ended_at": invited + DAY if ending else None,
            "quota_held": 0 if ending == "expired" else 1,
            "pending_slot": None if ending else row.slot(),
        }

    def _mail_of(self, number: int) -> Mapping[str, Any]:
        pk = self.pk_of(number)
        return {"id": pk, "invitation_id": pk}

    def _entry_of(self, number: int) -> Mapping[str, Any]:
        pk = self.pk_of(number)
        return {"id": pk, "inviter_id": self.inviter_of(number), "invitation_id": pk}

    def _floor_of(self, number: int) -> Mapping[str, Any]:
        late = number % 100 in OVERDUE
        return {
            "id": self.pk_of(number),
            "key": token_urlsafe(32),
            "inviter_id": self.inviter_of(number),
            "email": self.email_of(number),
            "expires": self.now - DAY if late else self.now + 30 * DAY,
        }
