"""Measure what the work of this app costs beside the same thing without it: ``make bench``.

Each line is a ratio of two medians, taken in turns in one run: absolute times say more about the
machine than about the code. Nothing here is a test.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from registration.backends.default.views import RegistrationView as PlainView  # noqa: E402

from invitation import keys  # noqa: E402
from invitation.flows import arriving  # noqa: E402
from invitation.models import InvitationKey, InvitationQuota  # noqa: E402
from tests import scenes  # noqa: E402
from tests.bench_sending import throughput  # noqa: E402

ROUNDS = 21

urlpatterns = [path("plain/", PlainView.as_view()), path("", include("tests.urls"))]


def seconds_each(action: Callable[[], Any], times: int) -> float:
    """Return the seconds that one call takes, in a batch of so many."""
    started = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - started) / times


def compare(
    what: str,
    ours: Callable[[], Any],
    plain: Callable[[], Any],
    than: str,
    *,
    times: int = 10,
    rounds: int = ROUNDS,
) -> None:
    """Print how much longer ours takes than the plain thing, by the medians of rounds in turn."""
    ours(), plain()
    gc.disable()
    pairs = [(seconds_each(ours, times), seconds_each(plain, times)) for _ in range(rounds)]
    gc.enable()
    mine, other = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    print(f"{what:<44} {mine * 1000:9.3f} ms {mine / other:8.2f} x  {than}")  # noqa: T201


def rows(count: int, **fields: Any) -> list[InvitationKey]:
    """Write so many open invitations of nobody in particular."""
    made = [
        InvitationKey(email=f"{number}@bench.example", site_id=1, quota_held=1, **fields)
        for number in range(count)
    ]
    return InvitationKey.objects.bulk_create(made, batch_size=2000)


def main() -> None:
    """Run every comparison, on whichever database the tests would use."""
    member = scenes.make_user("bench")
    user_model = get_user_model()
    settings.INVITATIONS_PER_USER = None
    invitation = scenes.invite(member, "guest@bench.example")
    key, locator = invitation.mail_key, invitation.locator
    table = InvitationKey.objects.select_related("from_user")

    compare(
        "open an invitation with its key",
        lambda: arriving.open_invitation(key, invitation.site_id),
        lambda: table.filter(locator=locator).first(),
        "than the bare look-up of the row",
        times=100,
    )
    compare(
        "refuse a forged key",
        lambda: keys.resolve("x" * 22 + "." + "y" * 43, InvitationKey.objects.find, 1),
        lambda: table.filter(locator="x" * 22).first(),
        "than a look-up that finds nothing",
        times=100,
    )
    visitor, link = Client(), scenes.link(key)
    compare(
        "follow the link to the landing page",
        lambda: visitor.get(link, follow=True),
        lambda: [visitor.get("/accounts/login/"), visitor.get("/accounts/login/")],
        "than two requests of the login page",
    )

    number = iter(range(10**9))

    plain = Client()

    def register(client: Client, address: str, email: str) -> None:
        name = email.partition("@")[0]
        assert client.post(address, scenes.answers(email, name)).status_code == 302
        user_model._default_manager.filter(email=email).delete()

    def register_plainly() -> None:
        register(plain, "/plain/", f"n{next(number)}@bench.example")

    def register_by_invitation() -> None:
        row = scenes.invite(member, f"n{next(number)}@bench.example")
        client = Client()
        client.cookies["invitation_key"] = row.mail_key
        register(client, scenes.REGISTER, row.email)

    compare(
        "be invited, register, be deleted",
        register_by_invitation,
        register_plainly,
        "than to register and be deleted in plain redux",
        times=2,
    )

    inviter = Client()
    inviter.force_login(member)
    compare(
        "invite by the form",
        lambda: inviter.post(scenes.INVITE, {"email": f"i{next(number)}@bench.example"}),
        lambda: inviter.get(scenes.INVITE),
        "than to look at the form",
    )

    boss = Client()
    boss.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
    changelist = "/admin/invitation/invitationkey/"
    few = seconds_each(lambda: boss.get(changelist), 10)
    rows(100_000, from_user=member)
    many = seconds_each(lambda: boss.get(changelist), 10)
    print(  # noqa: T201
        f"{'the admin list with 100,000 rows':<44} {many * 1000:9.3f} ms {many / few:8.2f} x"
        "  than with the few from above"
    )

    late = timezone.now() - timedelta(days=1)
    InvitationKey.objects.filter(email__endswith="@bench.example").update(expires_at=late)
    count = InvitationKey.objects.overdue().count()
    started = time.perf_counter()
    call_command("cleanupinvitation", verbosity=0)
    cleaned = time.perf_counter() - started
    rows(count, from_user=member)
    started = time.perf_counter()
    InvitationKey.objects.filter(email__endswith="@bench.example").delete()
    deleted = time.perf_counter() - started
    print(  # noqa: T201
        f"{f'clean up {count:,} expired invitations':<44} {cleaned * 1000:9.0f} ms"
        f" {cleaned / deleted:8.2f} x  than to delete as many in one statement"
    )
    throughput(member)
    InvitationQuota.objects.all().delete()


if __name__ == "__main__":
    logging.disable()
    setup_test_environment()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    quick = "django.contrib.auth.hashers.MD5PasswordHasher"
    with override_settings(PASSWORD_HASHERS=[quick], ROOT_URLCONF=__name__):
        main()
