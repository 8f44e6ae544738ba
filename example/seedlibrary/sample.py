"""Fill the library with a few members, packets, and invitations in every state."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sites.models import Site
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation.addresses.recipients import Recipient
from invitation.flows import arriving, inviting, lists, mail, quota, sharing, upkeep
from invitation.models import InvitationEmail, InvitationKey
from seedlibrary.hosts import host
from seedlibrary.models import Packet

PASSWORD = "let-it-grow"


class Account(NamedTuple):
    """Account of the sample, and what the demonstration says about it."""

    login: str
    first_name: str
    last_name: str
    remark: str | Promise

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


MEMBERS = [
    Account("rosa", "Rosa", "Whitfield", _("The librarian, who may enter the admin")),
    Account("amir", "Amir", "Haddad", _("Invited several people")),
    Account("june", "June", "Okafor", _("One invitation was declined, one expired")),
    Account("tomas", "Tomáš", "Novák", _("Has no invitations left")),
    Account("nadia", "Nadia", "Rossi", _("Invited by Rosa, with another invitation waiting")),
]

PACKETS = [
    (Packet.Plant.BEAN, "Blue Lake", 2025, 6, "Climbs to two metres. Pick them young.", "amir"),
    (Packet.Plant.TOMATO, "Harbinger", 2025, 3, "Ripens early, even on a north wall.", "june"),
    (Packet.Plant.SQUASH, "Uchiki Kuri", 2024, 2, "Small, sweet, keeps until March.", "tomas"),
    (Packet.Plant.SUNFLOWER, "Velvet Queen", 2025, 9, "Tall and dark. Bees adore it.", "rosa"),
    (Packet.Plant.KALE, "Hungry Gap", 2024, 4, "Feeds you when nothing else does.", "nadia"),
    (Packet.Plant.POPPY, "Ladybird", 2025, 12, "Scatter it and forget about it.", "june"),
]


def accounts() -> list[Account]:
    """Return the accounts that the demonstration shows."""
    return MEMBERS


def name_site(url: str) -> None:
    """Tell the sites framework what this site is called and where it is."""
    domain = url.split("//", 1)[1].rstrip("/")
    Site.objects.update_or_create(
        pk=settings.SITE_ID, defaults={"domain": domain, "name": "Linden Row Seed Library"}
    )


def fill() -> bool:
    """Make everything, once; return whether there was anything to make."""
    if Packet.objects.exists():
        return False
    members = {login: _member(login, first, last) for login, first, last, _remark in MEMBERS[:4]}
    members["nadia"] = _invitations(**members)
    for plant, variety, harvested, left, note, login in PACKETS:
        Packet.objects.create(
            plant=plant,
            variety=variety,
            harvested=harvested,
            left=left,
            note=note,
            shared_by=members[login],
        )
    return True


def _member(login: str, first: str, last: str) -> Any:
    users = get_user_model().objects
    existing = users.filter(username=login).first()
    if existing is not None:
        return existing
    make = users.create_superuser if login == "rosa" else users.create_user
    return make(login, f"{login}@lindenrow.example", PASSWORD, first_name=first, last_name=last)


def _invitations(rosa: Any, amir: Any, june: Any, tomas: Any) -> Any:
    """Make invitations in every state; return the member who came by one."""
    ends = _nearly_over(june, "walter@lindenrow.example", "Walter")

    inviting.invite(
        amir,
        "priya@lindenrow.example",
        recipient_name="Priya",
        note="You asked where my beans come from. From here!\n\nCome along on Saturday.",
    )

    used = inviting.invite(
        rosa,
        "nadia@lindenrow.example",
        recipient_name="Nadia",
        note="We could use somebody who understands kale.",
    ).invitation
    nadia = arriving.claim(
        arriving.open_invitation(used.mail_key),
        lambda: _member("nadia", "Nadia", "Rossi"),
        email=used.email,
    )

    _another_for(nadia, rosa)

    waiting = inviting.invite(amir, "leon@lindenrow.example", recipient_name="Leon").invitation
    with arriving.claiming(arriving.open_invitation(waiting.key), email=waiting.email) as claim:
        claim.user = _not_activated("leon", waiting.email)
        claim.usable = False

    declined = inviting.invite(june, "edith@lindenrow.example", recipient_name="Edith").invitation
    arriving.decline(arriving.open_invitation(declined.mail_key))

    revoked = inviting.invite(amir, "max@lindenrow.example", recipient_name="Max").invitation
    inviting.revoke(revoked)

    _shared_links(rosa)

    # They have none left: all of them went to one list.
    neighbours = ("ada", "bruno", "carla", "dmitri", "esra")[: settings.INVITATIONS_PER_USER]
    people = [Recipient(at, f"{name}@lindenrow.example") for at, name in enumerate(neighbours, 1)]
    lists.invite_many(tomas, people)

    time.sleep(max(0.0, (ends - timezone.now()).total_seconds()))
    upkeep.expire()
    _nearly_forgotten("priya@lindenrow.example")
    # As cron would do: send the reminder, and the news to June about Walter's invitation.
    mail.remind()
    mail.deliver_due()
    return nadia


def _another_for(member: Any, inviter: Any) -> None:
    """Invite a member again, into a group: it waits among the invitations for her."""
    table, _created = Group.objects.get_or_create(name="Saturday table")
    # Staff who may change groups can give the groups that they are in.
    inviter.groups.add(table)
    arriving.prove(member)
    inviting.invite(
        inviter,
        member.email,
        recipient_name=member.first_name,
        note="Would you look after the table on Saturdays with us?",
        groups=[table],
    )


def _shared_links(rosa: Any) -> None:
    """Make links for several people: one that some have used, one paused, one closed."""
    until = timezone.now() + timedelta(days=60)
    quota.grant(rosa, 40)
    fair = sharing.share(
        rosa, label="Seed swap on Saturday", max_uses=20, expires_at=until, word="seed-swap"
    )
    for login, first, last in (("ines", "Ines", "Duarte"), ("kofi", "Kofi", "Mensah")):
        arriving.claim(
            sharing.open_code(fair.code),
            partial(_member, login, first, last),
            email=f"{login}@lindenrow.example",
        )
    school = sharing.share(
        rosa,
        label="Linden Row School, class 4b",
        max_uses=10,
        expires_at=until,
        allowed_domains=["school.lindenrow.example"],
    )
    sharing.pause(school)
    sharing.close(sharing.share(rosa, label="Last year's poster", max_uses=None, expires_at=None))


def _nearly_over(inviter: Any, email: str, name: str) -> Any:
    """Invite somebody with an invitation that ends in a moment; return that moment."""
    ends = timezone.now() + timedelta(seconds=2)
    with transaction.atomic():
        # The email is sent after the commit and says when the invitation expires.
        invitation = inviting.invite(inviter, email, recipient_name=name).invitation
        invitation.date_invited = ends - timedelta(days=settings.ACCOUNT_INVITATION_DAYS)
        # So that it can be renewed at once, in the minutes after the start.
        invitation.mail_requested_at = invitation.date_invited
        invitation.expires_at = ends
        invitation.save(update_fields=["date_invited", "mail_requested_at", "expires_at"])
    return ends


def _nearly_forgotten(email: str) -> None:
    """Let an invitation be pending for so long that its reminder is due."""
    mailed = timezone.now() - timedelta(days=settings.ACCOUNT_INVITATION_DAYS - 2)
    InvitationKey.objects.filter(email=email).update(
        date_invited=mailed, mail_requested_at=mailed, expires_at=timezone.now() + timedelta(days=2)
    )
    InvitationEmail.objects.filter(invitation__email=email).update(sent_at=mailed)


def _not_activated(login: str, email: str) -> Any:
    """Register a person who has not yet opened the link in the second email."""
    existing = get_user_model().objects.filter(username=login).first()
    if existing is not None:
        return existing
    user = get_user_model()(username=login, email=email, first_name=login.title())
    user.set_password(PASSWORD)
    return host().save_waiting(user)


def invitations_in_words() -> dict[str, int]:
    """Return how many invitations there are in each state."""
    counts = {}
    for status in InvitationKey.Status:
        counts[str(status.label)] = InvitationKey.objects.filter(status=status).count()
    return counts
