"""What every delivery must do, whoever writes it: inherit ``DeliveryContract`` and see."""

from __future__ import annotations

import abc
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from invitation import keys
from invitation.addresses.recipients import Recipient
from invitation.delivery.base import BaseDelivery, get_delivery
from invitation.delivery.dummy import DummyDelivery
from invitation.delivery.email import EmailDelivery
from invitation.delivery.outbox import OutboxDelivery
from invitation.exceptions import DeliveryFailed
from invitation.flows import inviting, lists
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail
from tests.factories import ADDRESS, make_invitation, make_mail

pytestmark = pytest.mark.django_db


class DeliveryContract(abc.ABC):
    """Inherit this in the tests of a delivery; ``path`` names it and ``sent`` looks at it."""

    path: str

    @abc.abstractmethod
    def sent(self) -> list[str]:
        """Return the addresses of the emails that have left the house."""

    @pytest.fixture(autouse=True)
    def _chosen(self, settings: Any) -> Any:
        settings.INVITATION_DELIVERY = self.path
        DummyDelivery.outbox.clear()
        yield
        DummyDelivery.outbox.clear()

    @pytest.fixture
    def delivery(self) -> BaseDelivery:
        """Return the delivery as the site gets it."""
        return get_delivery()

    def test_the_setting_names_it(self, delivery: BaseDelivery) -> None:
        kind = type(delivery)
        assert f"{kind.__module__}.{kind.__qualname__}" == self.path

    def test_it_finds_nothing_wrong_with_a_sound_site(self, delivery: BaseDelivery) -> None:
        assert delivery.check() == []

    def test_it_sends_a_mail(self, delivery: BaseDelivery) -> None:
        delivery.send(make_mail())
        assert self.sent() == [ADDRESS]

    def test_it_sends_to_the_stored_address(self, delivery: BaseDelivery) -> None:
        delivery.send(make_mail(make_invitation(email="Bob@xn--strae-oqa.de")))
        assert self.sent() == ["Bob@xn--strae-oqa.de"]

    def test_it_sends_what_has_no_inviter(self, delivery: BaseDelivery) -> None:
        delivery.send(make_mail(make_invitation(None)))
        assert self.sent() == [ADDRESS]

    def test_it_sends_a_request_for_a_new_link_to_the_inviter(self, delivery: BaseDelivery) -> None:
        delivery.send(make_mail(kind="renewal"))
        assert self.sent() == ["inviter@example.com"]

    @pytest.mark.parametrize("kind", InvitationEmail.Kind.values)
    def test_it_writes_no_row(
        self, delivery: BaseDelivery, django_assert_max_num_queries: Any, kind: str
    ) -> None:
        mail = make_mail(kind=kind)
        before = InvitationEmail.objects.values().get()
        # The site; and the account of who is invited, or what has expired.
        with django_assert_max_num_queries(2) as queries:
            delivery.send(mail)
        assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
        assert InvitationEmail.objects.values().get() == before

    # -- a batch --

    def test_it_sends_a_batch(self, delivery: BaseDelivery) -> None:
        addresses = ["a@example.org", "b@example.org"]
        with delivery as entered:
            assert entered is delivery
            for address in addresses:
                delivery.send(make_mail(make_invitation(email=address)))
        assert self.sent() == addresses

    def test_an_empty_batch_is_nothing(self, delivery: BaseDelivery) -> None:
        with delivery:
            pass
        assert self.sent() == []

    def test_the_end_of_a_batch_hides_no_error(self, delivery: BaseDelivery) -> None:
        def batch() -> None:
            with delivery:
                delivery.send(make_mail())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            batch()
        assert self.sent() == [ADDRESS]

    def test_it_can_be_used_again_after_a_batch(self, delivery: BaseDelivery) -> None:
        with delivery:
            delivery.send(make_mail(make_invitation(email="a@example.org")))
        delivery.send(make_mail(make_invitation(email="b@example.org")))
        assert self.sent() == ["a@example.org", "b@example.org"]

    # -- who sends in its place --

    def test_who_sends_is_told_after_the_commit(
        self,
        member: Any,
        commit: Any,
        settings: Any,
        delivery: BaseDelivery,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        told: list[tuple[list[int], Any]] = []

        def hand_over(self: BaseDelivery, pks: Any, not_before: Any = None) -> None:
            told.append((list(pks), not_before))

        monkeypatch.setattr(type(delivery), "hand_over", hand_over)
        with commit():
            one = inviting.invite(member, ADDRESS).invitation
            lists.invite_many(member, [Recipient(row, f"g{row}@example.org") for row in (1, 2)])
            assert told == []
        first, *others = InvitationEmail.objects.order_by("pk").values_list("pk", flat=True)
        expected = [] if delivery.immediate else [([first], None), (others, None)]
        assert told == expected
        told.clear()
        settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
        InvitationEmail.objects.filter(invitation=one).update(state="failed")
        with commit():
            inviting.resend(one)
        assert told == expected[:1]

    def test_to_be_told_does_no_harm(self, delivery: BaseDelivery) -> None:
        delivery.hand_over([])
        delivery.hand_over([make_mail().pk, 10**6], timezone.now())

    def test_nothing_leaves_before_the_commit(self, member: Any, commit: Any) -> None:
        with commit():
            inviting.invite(member, ADDRESS)
            assert self.sent() == []

    def test_it_leaves_after_the_commit_or_by_cron(
        self, member: Any, commit: Any, delivery: BaseDelivery
    ) -> None:
        with commit():
            inviting.invite(member, ADDRESS)
        assert self.sent() == ([ADDRESS] if delivery.immediate else [])
        with commit():
            deliver_due()
        assert self.sent() == [ADDRESS]
        assert InvitationEmail.objects.get().state == "sent"


class MailContract(DeliveryContract):
    """What a delivery by email must do besides."""

    def sent(self) -> list[str]:
        return [address for message in django_mail.outbox for address in message.to]

    def test_a_failing_mail_server_is_a_delivery_that_failed(
        self, delivery: BaseDelivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any) -> int:
            raise ConnectionRefusedError("no mail server")

        backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
        monkeypatch.setattr(backend, refuse)
        with pytest.raises(DeliveryFailed, match="no mail server") as failed:
            delivery.send(make_mail())
        assert not failed.value.permanent
        assert isinstance(failed.value.__cause__, ConnectionRefusedError)

    def test_a_request_to_nobody_is_a_delivery_that_failed_for_good(
        self, delivery: BaseDelivery
    ) -> None:
        with pytest.raises(DeliveryFailed, match="no address") as failed:
            delivery.send(make_mail(make_invitation(None), kind="renewal"))
        assert failed.value.permanent
        assert self.sent() == []

    def test_a_request_for_a_new_link_holds_no_key(self, delivery: BaseDelivery) -> None:
        mail = make_mail(kind="renewal")
        delivery.send(mail)
        raw = django_mail.outbox[0].message().as_string()
        assert keys.PATTERN.findall(raw) == []
        assert mail.invitation.locator not in raw

    def test_the_link_is_the_mailed_one(self, delivery: BaseDelivery) -> None:
        mail = make_mail()
        delivery.send(mail)
        body = django_mail.outbox[0].body
        assert set(keys.PATTERN.findall(str(body))) == {mail.invitation.mail_key}


class TestEmailDelivery(MailContract):
    path = "invitation.delivery.email.EmailDelivery"


class TestOutboxDelivery(MailContract):
    path = "invitation.delivery.outbox.OutboxDelivery"

    def test_it_waits_for_cron(self, delivery: BaseDelivery) -> None:
        assert not delivery.immediate


class TestTaskDelivery(MailContract):
    path = "invitation.delivery.tasks.TaskDelivery"

    @pytest.fixture(autouse=True)
    def _queue(self, task_queue: Any) -> None:
        """Let a queue keep what is handed over."""


class TestCeleryDelivery(MailContract):
    path = "invitation.delivery.celery.CeleryDelivery"

    @pytest.fixture(autouse=True)
    def _queue(self, celery_queue: Any) -> None:
        """Let a queue keep what is handed over."""


def recipient(mail: InvitationEmail) -> str:
    """Return to whom an email that was kept would have gone."""
    inviter: Any = mail.invitation.from_user
    return inviter.email if mail.kind == "renewal" else mail.invitation.email


class TestDummyDelivery(DeliveryContract):
    path = "invitation.delivery.dummy.DummyDelivery"

    def sent(self) -> list[str]:
        return [recipient(mail) for mail in DummyDelivery.outbox]

    def test_no_mail_leaves(self, delivery: BaseDelivery) -> None:
        delivery.send(make_mail())
        assert django_mail.outbox == []


# -- how it is found --


class NoDelivery:
    """Stand for a class that is none."""


def test_by_default_it_is_mail_at_once(settings: Any) -> None:
    assert type(get_delivery()) is EmailDelivery
    assert get_delivery().immediate
    assert issubclass(OutboxDelivery, EmailDelivery)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "cannot be imported"),
        ("nodots", "cannot be imported"),
        ("tests.nowhere.Delivery", "cannot be imported"),
        ("tests.factories.Missing", "cannot be imported"),
        ("invitation.delivery.base.BaseDelivery", r"defines no send\(\)"),
        (None, "is no dotted path"),
        ("tests.delivery.test_contract.NoDelivery", "no subclass of BaseDelivery"),
        ("tests.factories.make_mail", "no subclass of BaseDelivery"),
    ],
)
def test_a_path_that_names_no_delivery_says_so(settings: Any, path: Any, words: str) -> None:
    settings.INVITATION_DELIVERY = path
    with pytest.raises(ImproperlyConfigured, match=words):
        get_delivery()
