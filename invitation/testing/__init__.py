"""Functions for a site's own tests: make an invitation, follow its link, read what was sent.

Use them in a test case of Django or unittest with ``InvitationTestMixin``, in pytest with the
fixtures of ``invitation.testing.pytest``, or as they are::

    class SignUpTests(InvitationTestMixin, TestCase):
        def test_an_invited_person_signs_up(self):
            self.client.get(self.invitation_link(self.make_invitation("ann@example.com")))
            self.client.post("/accounts/register/", ANSWERS)
            self.assertTrue(User.objects.filter(username="ann").exists())

Django's ``TestCase`` rolls its transaction back, so nothing is ever committed. These functions do
their own work that waits for the commit, such as sending the email. For that of a site's views
there is Django's ``captureOnCommitCallbacks(execute=True)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from invitation.models import InvitationKey

# Models are imported when a function is called. So pytest can load its plugin before Django is set
# up.


class SentInvitation(NamedTuple):
    """Email with an invitation that was sent in a test."""

    invitation: InvitationKey
    #: Address of the invited person.
    email: str
    #: Path of the link in the email.
    link: str
    #: Email in ``django.core.mail.outbox``; ``None`` if Django's test outbox does not have it.
    message: EmailMessage | None


def make_invitation(
    email: str = "invited@example.com", inviter: Any = None, **options: Any
) -> InvitationKey:
    """Invite an address, send the email, and return the invitation.

    Without ``inviter``, the site itself invites. ``options`` are those of ``inviting.invite``, such
    as ``groups``, ``data`` or ``days``. Raises what ``inviting.invite`` raises.
    """
    from invitation.flows import inviting

    with _committed():
        return inviting.invite(inviter, email, **options).invitation


def invitation_link(invitation: InvitationKey, *, copied: bool = False) -> str:
    """Return the path of an invitation's link, for a test client or a browser.

    It is the link in the email, which proves the address. With ``copied``, it is the link that the
    inviter sees and passes on, which proves nothing. A shared link has only that one.
    """
    from django.urls import reverse

    key = invitation.key if copied or invitation.shared else invitation.mail_key
    return reverse("invitation_invited", kwargs={"invitation_key": key})


def sent_invitations() -> list[SentInvitation]:
    """Send the emails that wait, and return all sent invitations, oldest first.

    An email that its recipient does not want is not sent, so it is not among them.
    """
    from django.core import mail as django_mail
    from django.db import connections

    from invitation.flows import mail
    from invitation.flows.after_commit import database
    from invitation.models import InvitationEmail

    rows = InvitationEmail.objects.of_invitations().select_related("invitation").order_by("pk")
    with _committed():
        if connections[database()].in_atomic_block:
            # Only this process can hold them: it waits for a commit that never comes.
            for row in rows.filter(state=InvitationEmail.State.SENDING):
                mail.deliver(row)
        # For a delivery that leaves the sending to a worker.
        mail.deliver_due()
    messages = {
        message.extra_headers.get("Message-ID"): message
        for message in getattr(django_mail, "outbox", [])
    }
    return [
        SentInvitation(
            row.invitation,
            row.invitation.email,
            invitation_link(row.invitation),
            messages.get(row.header_id),
        )
        for row in rows.filter(state=InvitationEmail.State.SENT)
    ]


@contextmanager
def _committed() -> Iterator[None]:
    """Do what the block leaves for the commit, at its end and only once."""
    from django.db import connections

    from invitation.flows.after_commit import database

    connection: Any = connections[database()]
    before = len(connection.run_on_commit)
    yield
    while len(connection.run_on_commit) > before:
        # A step may leave other steps, and a rollback replaces the list.
        _savepoints, step, *_robust = connection.run_on_commit.pop(before)
        step()


class InvitationTestMixin:
    """Mixin for test cases of Django, with the functions of this module as methods."""

    make_invitation = staticmethod(make_invitation)
    invitation_link = staticmethod(invitation_link)
    sent_invitations = staticmethod(sent_invitations)
