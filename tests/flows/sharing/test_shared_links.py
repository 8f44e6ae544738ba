"""Shared links: paid by their uses, found by code and word, changed, paused and closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import IntegrityError, connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation import exceptions, keys
from invitation.flows import arriving, inviting, quota, sharing, upkeep
from invitation.flows.quota import spending
from invitation.flows.sharing import shared_links
from invitation.models import Acceptance, InvitationKey, InvitationQuota, QuotaEntry
from tests import scenes
from tests.factories import DAY, make_user, spent
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Any:
    """Return a member who may make shared links, of whichever user model the site has."""
    return make_user("owner", is_superuser=True)


@pytest.fixture
def limited() -> Any:
    """Return a member who may make shared links, but none without a limit."""
    return scenes.may_share(make_user("limited"))


@pytest.fixture
def link(owner: Any) -> InvitationKey:
    return share(owner)


def share(owner: Any, **fields: Any) -> InvitationKey:
    given = {"label": "Spring fair", "max_uses": 3, "expires_at": timezone.now() + DAY}
    return sharing.share(owner, **given | fields)


def edit(link: InvitationKey, **fields: Any) -> None:
    terms = {name: getattr(link, name) for name in ("label", "max_uses", "expires_at")}
    sharing.edit_shared(link, **terms | fields)


def come(link: InvitationKey, name: str = "bob", **fields: Any) -> Any:
    email = fields.pop("email", f"{name}@example.com")
    opened = arriving.open_invitation(link.key, link.site_id)
    return arriving.claim(opened, lambda: make_user(name, email=email, **fields), email=email)


def balance(user: Any) -> int:
    """Return the sum of a member's ledger, which is what their counter says."""
    written = QuotaEntry.objects.filter(inviter=user).aggregate(sum=Sum("change"))["sum"] or 0
    assert written == -spent(user)
    return int(written)


def entries(link: InvitationKey) -> list[tuple[str, int]]:
    rows = QuotaEntry.objects.filter(invitation=link).order_by("pk")
    return [(row.reason, row.change) for row in rows]


class TestWhoMay:
    @pytest.mark.anywhere
    def test_who_has_the_permission(self, owner: Any) -> None:
        assert sharing.may_share(owner)
        assert sharing.may_share_unlimited(owner)

    @pytest.mark.anywhere
    def test_nobody_else(self, member: Any) -> None:
        assert not sharing.may_share(member)
        with pytest.raises(exceptions.SharingForbidden) as refused:
            share(member)
        assert refused.value.code == "sharing_forbidden"
        assert not InvitationKey.objects.exists()
        assert not sharing.may_share(AnonymousUser())

    def test_not_without_the_right_to_invite(self, settings: Any, limited: Any) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        assert not sharing.may_share(limited)

    def test_not_with_a_user_model_that_knows_no_permissions(
        self, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Plain:
            is_authenticated = is_active = True

        assert not sharing.may_share(Plain())

    def test_any_number_is_a_right_of_its_own(self, limited: Any) -> None:
        assert sharing.may_share(limited)
        assert not sharing.may_share_unlimited(limited)
        with pytest.raises(exceptions.SharingForbidden):
            share(limited, max_uses=None)
        link = share(limited)
        with pytest.raises(exceptions.SharingForbidden):
            edit(link, max_uses=None)
        link.refresh_from_db()
        assert (link.max_uses, spent(limited)) == (3, 3)

    def test_who_has_lost_that_right_keeps_what_he_has(self, limited: Any) -> None:
        link = share(limited)
        InvitationKey.objects.update(max_uses=None)
        edit(link, max_uses=None, label="Other")
        link.refresh_from_db()
        assert (link.max_uses, link.label) == (None, "Other")


class TestMaking:
    @pytest.mark.anywhere
    def test_it_costs_its_uses(self, owner: Any, heard: Heard) -> None:
        link = share(owner, label="  Spring \n fair ")
        link.refresh_from_db()
        assert (link.shared, link.email, link.pending_slot) == (True, "", None)
        assert (link.label, link.max_uses, link.quota_held) == ("Spring fair", 3, 3)
        assert entries(link) == [("shared", -3)]
        assert balance(owner) == -3

    @pytest.mark.anywhere
    def test_any_number_costs_nothing(self, owner: Any) -> None:
        link = share(owner, max_uses=None)
        assert (link.max_uses, link.quota_held, entries(link)) == (None, 0, [])
        assert balance(owner) == 0

    def test_receivers_are_told(self, owner: Any, heard: Heard, commit: Any) -> None:
        with commit():
            link = share(owner)
        assert heard.last("invitation_created")["invitation"] == link

    def test_with_too_few_left_nothing_happens(self, owner: Any) -> None:
        with pytest.raises(exceptions.QuotaExceeded):
            share(owner, max_uses=11)
        assert (InvitationKey.objects.count(), balance(owner)) == (0, 0)

    @pytest.mark.parametrize("number", [0, -1])
    def test_a_link_for_nobody_is_a_mistake(self, owner: Any, number: int) -> None:
        with pytest.raises(ValueError, match="one person"):
            share(owner, max_uses=number)

    def test_a_domain_that_is_none_is_refused(self, owner: Any) -> None:
        with pytest.raises(exceptions.AddressRefused):
            share(owner, allowed_domains=["localhost"])

    def test_domains_are_kept_as_they_are_compared(self, owner: Any) -> None:
        link = share(owner, allowed_domains=["Bücher.example", "@B.org", "a.org", "A.ORG"])
        assert link.allowed_domains == ["a.org", "b.org", "xn--bcher-kva.example"]
        assert link.domains == ["a.org", "b.org", "bücher.example"]

    def test_groups_are_those_that_the_owner_may_give(self, owner: Any, settings: Any) -> None:
        mine, other = (Group.objects.create(name=name) for name in ("mine", "other"))
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: [mine]
        with pytest.raises(exceptions.GroupRefused):
            share(owner, groups=[other])
        assert (InvitationKey.objects.count(), balance(owner)) == (0, 0)
        link = share(owner, groups=[mine])
        user = come(link)
        assert list(user.groups.all()) == [mine]
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: [other]
        assert not come(link, "eve").groups.exists()

    def test_a_word_is_taken_once_on_each_site(self, owner: Any) -> None:
        share(owner, word="Spring-Fair")
        with pytest.raises(exceptions.WordRefused) as refused:
            share(owner, word="spring-fair")
        assert refused.value.code == "word_taken"
        assert balance(owner) == -3
        InvitationKey.objects.update(site_id=7)
        assert share(owner, word="spring-fair").word == "spring-fair"

    def test_also_if_it_is_taken_in_this_very_moment(
        self, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = share(owner, word="spring-fair")
        monkeypatch.setattr(shared_links, "_check_word_free", lambda row: None)
        with pytest.raises(exceptions.WordRefused) as refused:
            share(owner, word="spring-fair")
        assert isinstance(refused.value.__cause__, IntegrityError)
        other = share(owner, word="autumn")
        with pytest.raises(exceptions.WordRefused):
            edit(other, word="spring-fair")
        assert (link.word, balance(owner)) == ("spring-fair", -6)

    def test_words_are_checked(self, owner: Any) -> None:
        with pytest.raises(exceptions.WordRefused):
            share(owner, word="no!word")

    @pytest.mark.anywhere
    def test_it_costs_nine_statements_at_most(self, owner: Any) -> None:
        with CaptureQueriesContext(connection) as queries:
            share(owner, word="spring-fair")
        asked = [x["sql"] for x in queries if not x["sql"].startswith(("SAVE", "RELEASE"))]
        assert len(asked) <= 9, "\n".join(asked)


class TestOpening:
    @pytest.mark.anywhere
    def test_a_code_opens_it_without_proving_anything(self, link: InvitationKey) -> None:
        with CaptureQueriesContext(connection) as queries:
            opened = sharing.open_code(link.code.lower().replace("-", " "))
        assert len(queries) == 1
        assert (opened.invitation, opened.channel) == (link, keys.COPY)
        assert arriving.open_invitation(opened.key, link.site_id).invitation == link

    @pytest.mark.anywhere
    def test_so_does_a_word(self, owner: Any) -> None:
        link = share(owner, word="spring-fair")
        share(owner, word="autumn")
        with CaptureQueriesContext(connection) as queries:
            assert sharing.open_code("Spring-Fair").invitation == link
        assert len(queries) == 1
        assert sharing.open_word(" SPRING-FAIR").invitation == link

    @pytest.mark.parametrize("text", ["Spring Fair", " spring  fair ", "SPRING - FAIR"])
    def test_a_word_opens_it_as_it_is_said(self, owner: Any, text: str) -> None:
        link = share(owner, word="spring-fair")
        assert sharing.open_code(text).invitation == link

    @pytest.mark.parametrize("text", ["0000-0000-0000", "autumn", "springfair"])
    def test_nothing_else_does(self, owner: Any, text: str) -> None:
        share(owner, word="spring-fair")
        with pytest.raises(exceptions.CodeNotFound):
            sharing.open_code(text)

    @pytest.mark.parametrize("text", ["", "x", "two/words", None, 7, "x" * 99, "a\0b"])
    def test_what_can_be_neither_costs_no_query(self, text: Any) -> None:
        with CaptureQueriesContext(connection) as queries, pytest.raises(exceptions.CodeNotFound):
            sharing.open_code(text, 1)
        with CaptureQueriesContext(connection) as more, pytest.raises(exceptions.CodeNotFound):
            sharing.join(text, [quota.Limit("x", 1, DAY)], 1)
        assert len(queries) == len(more) == 0

    def test_a_code_is_no_word(self, link: InvitationKey) -> None:
        with pytest.raises(exceptions.CodeNotFound):
            sharing.open_word(link.code)

    def test_a_word_with_an_accent_is_another_word(self, owner: Any) -> None:
        share(owner, word="resume")
        with pytest.raises(exceptions.CodeNotFound):
            sharing.open_word("résumé")

    def test_a_code_and_a_word_are_of_one_site(self, owner: Any) -> None:
        link = share(owner, word="spring-fair")
        for text in (link.code, "spring-fair"):
            with pytest.raises(exceptions.CodeNotFound):
                sharing.open_code(text, link.site_id + 1)

    def test_also_after_a_rotation_of_the_signing_keys(self, owner: Any, settings: Any) -> None:
        first, second = "a" * 40, "b" * 40
        settings.INVITATION_SIGNING_KEYS = [first]
        link = share(owner)
        code = link.code
        settings.INVITATION_SIGNING_KEYS = [second, first]
        assert link.code == code
        with CaptureQueriesContext(connection) as queries:
            assert sharing.open_code(code).invitation == link
        assert len(queries) == 1
        settings.INVITATION_SIGNING_KEYS = [second]
        with pytest.raises(exceptions.CodeNotFound):
            sharing.open_code(code)

    def test_a_mailed_key_of_it_proves_nothing_either(self, link: InvitationKey) -> None:
        InvitationKey.objects.update(email="bob@example.com", email_key="bob@example.com")
        opened = arriving.open_invitation(link.mail_key, link.site_id)
        assert opened.channel == keys.MAIL
        assert not opened.proves("bob@example.com")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"paused_at": timezone.now()}, "paused_key"),
            ({"expires_at": timezone.now() - DAY}, "expired_key"),
            ({"status": "revoked"}, "revoked_key"),
            ({"uses": 3}, "no_uses_left_key"),
        ],
    )
    def test_it_says_why_not(self, link: InvitationKey, change: dict[str, Any], code: str) -> None:
        InvitationKey.objects.update(**change)
        for open_it in (lambda: sharing.open_code(link.code), lambda: come(link)):
            with pytest.raises(exceptions.KeyRefused) as refused:
                open_it()
            assert (refused.value.code, refused.value.shared) == (code, True)
        assert not InvitationKey.objects.usable().exists()

    def test_of_one_that_is_used_up_it_does_not_say_that_it_was_for_one(
        self, link: InvitationKey
    ) -> None:
        InvitationKey.objects.update(uses=3)
        with pytest.raises(exceptions.KeyUsedUp, match="no uses left"):
            sharing.open_code(link.code)

    @pytest.mark.anywhere
    def test_attempts_are_counted_unless_they_were_right(self, link: InvitationKey) -> None:
        limits = [quota.Limit("somebody", 2, DAY), quota.Limit("all", 9, DAY)]
        for _ in range(5):
            assert sharing.join(link.code, limits).invitation == link
        for _ in range(2):
            with pytest.raises(exceptions.CodeNotFound):
                sharing.join("0000-0000-0000", limits)
        with pytest.raises(exceptions.TooManyAttempts), CaptureQueriesContext(connection) as asked:
            sharing.join(link.code, limits)
        assert not any("invitation_invitationkey" in query["sql"] for query in asked)


class TestClaiming:
    @pytest.mark.anywhere
    def test_each_takes_one_use(self, link: InvitationKey) -> None:
        for name in ("a", "b"):
            come(link, name)
        link.refresh_from_db()
        assert (link.uses, link.status) == (2, "pending")
        come(link, "c")
        link.refresh_from_db()
        assert (link.uses, link.status) == (3, "accepted")
        assert link.ended_at is not None
        assert Acceptance.objects.filter(invitation=link).count() == 3
        with pytest.raises(exceptions.KeyUsedUp):
            come(link, "d")

    @pytest.mark.anywhere
    def test_any_number_is_never_used_up(self, owner: Any) -> None:
        link = share(owner, max_uses=None)
        for name in "abcd":
            come(link, name)
        link.refresh_from_db()
        assert (link.uses, link.status, link.max_uses) == (4, "pending", None)

    def test_receivers_see_how_many_have_come(
        self, link: InvitationKey, heard: Heard, commit: Any
    ) -> None:
        opened = arriving.open_invitation(link.key, link.site_id)
        come(link, "a")
        with commit():
            arriving.claim(opened, lambda: make_user("b"), email="b@example.com")
        told = heard.last("invitation_accepted")
        assert (told["invitation"].uses, told["status"]) == (2, "pending")
        assert told["address_proven"] is False

    def test_also_if_the_link_is_gone_by_then(
        self, link: InvitationKey, heard: Heard, commit: Any
    ) -> None:
        opened = arriving.open_invitation(link.key, link.site_id)
        with commit():
            arriving.claim(opened, lambda: make_user("b"), email="b@example.com")
            InvitationKey.objects.all().delete()
        assert "invitation_accepted" in heard.names()

    def test_a_link_that_is_paused_meanwhile_is_not_claimed(self, link: InvitationKey) -> None:
        opened = arriving.open_invitation(link.key, link.site_id)
        sharing.pause(link)
        with pytest.raises(exceptions.KeyPaused):
            arriving.claim(opened, lambda: make_user("b"), email="b@example.com")
        assert not Acceptance.objects.exists()

    @pytest.mark.parametrize("policy", ["exact", "any"])
    @pytest.mark.parametrize(
        ("email", "admitted"),
        [
            ("bob@example.org", True),
            ("bob@EXAMPLE.org", True),
            ("bob@bücher.example", True),
            ("bob@xn--bcher-kva.example", True),
            ("bob@bucher.example", False),
            ("bob@sub.example.org", False),
            ("bob@notexample.org", False),
            ("bob@example.org.evil.com", False),
            ("bob@example.com", False),
            ("bob@example.org@evil.com", False),
            ("bob@evil.com,x@example.org", False),
            ("bob%example.org@evil.com", False),
            ("example.org", False),
            ("@example.org", False),
            ("bob@example.org\n", False),
            ("bob@\uff45xample.org", False),
            ("bob@exаmple.org", False),
            ("", False),
        ],
    )
    def test_only_from_these_domains_exactly(
        self, owner: Any, settings: Any, policy: str, email: str, admitted: bool
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = policy
        link = share(owner, allowed_domains=["example.org", "bücher.example"])
        opened = arriving.open_invitation(link.key, link.site_id)
        assert opened.admits(email) is admitted
        if not admitted:
            with pytest.raises(exceptions.AddressNotAllowed) as refused:
                come(link, email=email)
            assert refused.value.code == "domain_not_allowed"
            assert str(refused.value).endswith("at example.org, bücher.example.")
            assert not Acceptance.objects.exists()

    def test_without_domains_any_address_may_come(self, link: InvitationKey) -> None:
        opened = arriving.open_invitation(link.key, link.site_id)
        assert opened.admits("bob@example.net")
        assert opened.admits("")

    def test_a_no_ends_it_for_nobody(self, link: InvitationKey) -> None:
        arriving.decline(arriving.open_invitation(link.key, link.site_id))
        assert sharing.open_code(link.code).invitation.status == "pending"

    @pytest.mark.anywhere
    def test_an_account_that_was_never_usable_gives_its_use_back(self, link: InvitationKey) -> None:
        users = [come(link, name, is_active=False) for name in ("a", "b", "c")]
        link.refresh_from_db()
        assert link.status == "accepted"
        arriving.release(users[0])
        link.refresh_from_db()
        assert (link.uses, link.status, link.ended_at) == (2, "pending", None)


class TestEditing:
    @pytest.mark.anywhere
    def test_all_of_it_can_be_changed(self, owner: Any, link: InvitationKey) -> None:
        until = timezone.now() + 9 * DAY
        key, code = link.key, link.code
        edit(link, label="Other", expires_at=until, allowed_domains=["a.org"], word="autumn")
        link.refresh_from_db()
        assert (link.label, link.expires_at, link.word) == ("Other", until, "autumn")
        assert link.allowed_domains == ["a.org"]
        assert (link.key, link.code, balance(owner)) == (key, code, -3)

    @pytest.mark.parametrize(
        ("came", "before", "after", "held", "left", "said"),
        [
            (0, 3, 5, 5, -5, [("shared", -2)]),
            (0, 3, 1, 1, -1, [("returned", 2)]),
            (1, 3, 3, 3, -3, []),
            (2, 3, 5, 5, -5, [("shared", -2)]),
            (1, 3, None, 1, -1, [("returned", 2)]),
            (0, 3, None, 0, 0, [("returned", 3)]),
            (1, None, None, 0, 0, []),
            (1, None, 4, 3, -3, [("shared", -3)]),
            (0, None, 4, 4, -4, [("shared", -4)]),
        ],
    )
    def test_the_difference_is_spent_or_given_back(
        self,
        owner: Any,
        came: int,
        before: int | None,
        after: int | None,
        held: int,
        left: int,
        said: list[tuple[str, int]],
    ) -> None:
        link = share(owner, max_uses=before)
        made = len(entries(link))
        for number in range(came):
            come(link, f"guest{number}")
        edit(link, max_uses=after)
        assert (link.max_uses, link.quota_held, link.uses) == (after, held, came)
        assert entries(link)[made:] == said
        assert balance(owner) == left
        sharing.close(link)
        assert balance(owner) == -link.quota_held
        assert link.quota_held <= came

    def test_with_too_few_left_nothing_changes(self, owner: Any, link: InvitationKey) -> None:
        with pytest.raises(exceptions.QuotaExceeded):
            edit(link, max_uses=11, label="Other")
        link.refresh_from_db()
        assert (link.label, link.max_uses, balance(owner)) == ("Spring fair", 3, -3)

    def test_not_below_those_who_have_come(self, owner: Any, link: InvitationKey) -> None:
        for name in ("a", "b"):
            come(link, name)
        with pytest.raises(exceptions.TooFewUses):
            edit(link, max_uses=1)
        assert balance(owner) == -3

    def test_with_as_many_as_have_come_it_is_used_up(self, owner: Any, link: InvitationKey) -> None:
        come(link)
        edit(link, max_uses=1)
        assert (link.status, link.uses, link.quota_held) == ("accepted", 1, 1)
        assert link.ended_at is not None
        assert balance(owner) == -1

    @pytest.mark.parametrize("end", ["closed", "expired", "used", "gone"])
    def test_not_after_its_end(self, link: InvitationKey, end: str) -> None:
        if end == "closed":
            sharing.close(link)
        elif end == "expired":
            InvitationKey.objects.update(expires_at=timezone.now() - DAY)
        elif end == "used":
            InvitationKey.objects.update(status="accepted", uses=3)
        else:
            InvitationKey.objects.all().delete()
        with pytest.raises(exceptions.NotPending):
            edit(link, label="Other", expires_at=timezone.now() + DAY)

    def test_no_personal_invitation_is_made_a_shared_one(self, owner: Any) -> None:
        invitation = inviting.invite(owner, "bob@example.org").invitation
        for verb in (edit, sharing.pause, sharing.resume):
            with pytest.raises(exceptions.NotPending):
                verb(invitation)
        invitation.refresh_from_db()
        assert (invitation.label, invitation.paused_at) == ("", None)

    def test_its_own_word_may_stay_and_that_of_another_is_taken(
        self, owner: Any, link: InvitationKey
    ) -> None:
        share(owner, word="autumn")
        edit(link, word="spring-fair")
        edit(link, word="spring-fair")
        with pytest.raises(exceptions.WordRefused):
            edit(link, word="autumn")
        edit(link)
        assert link.word is None

    def test_groups_stay_unless_they_are_named(self, owner: Any, settings: Any) -> None:
        a, b = (Group.objects.create(name=name) for name in "ab")
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: [a, b]
        link = share(owner, groups=[a])
        edit(link)
        assert list(link.groups.all()) == [a]
        edit(link, groups=[b])
        assert list(link.groups.all()) == [b]
        edit(link, groups=[])
        assert not link.groups.exists()

    def test_without_an_owner_there_is_nothing_to_pay(self, link: InvitationKey) -> None:
        InvitationKey.objects.update(from_user=None)
        edit(link, max_uses=9)
        assert (link.max_uses, link.quota_held) == (9, 3)


class TestPausing:
    @pytest.mark.anywhere
    def test_until_it_is_resumed_it_opens_nothing(self, link: InvitationKey) -> None:
        sharing.pause(link)
        assert link.refusal() is not None
        assert InvitationKey.objects.in_state("pending").get() == link
        sharing.resume(link)
        assert sharing.open_code(link.code).invitation == link

    def test_twice_is_once(self, link: InvitationKey) -> None:
        sharing.pause(link)
        since = link.paused_at
        sharing.pause(link)
        assert link.paused_at == since
        for _ in range(2):
            sharing.resume(link)
        assert link.paused_at is None

    @pytest.mark.parametrize("verb", [sharing.pause, sharing.resume])
    def test_not_after_its_end(self, link: InvitationKey, verb: Any) -> None:
        InvitationKey.objects.update(expires_at=timezone.now() - DAY)
        with pytest.raises(exceptions.NotPending):
            verb(link)
        InvitationKey.objects.update(expires_at=None, status="revoked")
        with pytest.raises(exceptions.NotPending):
            verb(link)


class TestEnding:
    @pytest.mark.anywhere
    @pytest.mark.parametrize("verb", [sharing.close, inviting.revoke])
    def test_what_was_not_used_comes_back_once(
        self, owner: Any, link: InvitationKey, verb: Any
    ) -> None:
        come(link)
        verb(link)
        link.refresh_from_db()
        assert (link.status, link.quota_held) == ("revoked", 1)
        assert entries(link) == [("shared", -3), ("returned", 2)]
        assert balance(owner) == -1
        with pytest.raises(exceptions.NotPending):
            verb(link)
        upkeep.expire()
        assert balance(owner) == -1

    def test_it_stays_open_where_nothing_can_be_given_back(
        self, link: InvitationKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("invitation.flows.quota.give_back", lambda *held: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sharing.close(link)
        assert InvitationKey.objects.get().status == InvitationKey.Status.PENDING

    def test_of_any_number_nothing_comes_back(self, owner: Any) -> None:
        link = share(owner, max_uses=None)
        come(link)
        sharing.close(link)
        assert (link.status, balance(owner)) == ("revoked", 0)

    def test_receivers_are_told(self, link: InvitationKey, heard: Heard, commit: Any) -> None:
        with commit():
            sharing.close(link)
        assert heard.last("invitation_revoked")["status"] == "revoked"

    def test_without_an_owner_nothing_comes_back(self, link: InvitationKey) -> None:
        InvitationKey.objects.update(from_user=None)
        sharing.close(link)
        assert [reason for reason, _ in entries(link)] == ["shared"]

    def test_one_that_is_gone_is_not_pending(self, link: InvitationKey) -> None:
        InvitationKey.objects.all().delete()
        with pytest.raises(exceptions.NotPending):
            sharing.close(link)

    @pytest.mark.anywhere
    def test_when_it_expires_cleanup_gives_the_rest_back(
        self, owner: Any, link: InvitationKey
    ) -> None:
        come(link)
        InvitationKey.objects.update(expires_at=timezone.now() - DAY)
        upkeep.expire()
        assert entries(link) == [("shared", -3), ("expired", 2)]
        assert balance(owner) == -1
        assert upkeep.purge() == 0  # somebody has come through it

    def test_where_nothing_expired_comes_back_it_does_not(
        self, owner: Any, link: InvitationKey, settings: Any
    ) -> None:
        settings.INVITATION_REFUND_EXPIRED = False
        InvitationKey.objects.update(expires_at=timezone.now() - DAY)
        upkeep.expire()
        assert balance(owner) == -3

    def test_it_is_not_opened_again(self, owner: Any, link: InvitationKey) -> None:
        InvitationKey.objects.update(expires_at=timezone.now() - DAY)
        upkeep.expire()
        for verb in (inviting.extend, inviting.resend, inviting.change_link):
            with pytest.raises(exceptions.NotPending):
                verb(link)
        assert balance(owner) == 0

    def test_what_was_spent_in_a_period_that_is_over_does_not_come_back_twice(
        self, owner: Any, link: InvitationKey
    ) -> None:
        InvitationQuota.objects.update(period_start=timezone.now() + timedelta(seconds=1), spent=0)
        QuotaEntry.objects.create(inviter=owner, change=3, reason=spending.Reason.REFILLED)
        sharing.close(link)
        assert balance(owner) == 0


class TestOtherVerbs:
    def test_a_new_link_has_a_new_code_and_keeps_its_word(self, owner: Any) -> None:
        link = share(owner, word="spring-fair")
        key, code = link.key, link.code
        inviting.change_link(link)
        assert link.key != key
        assert link.code not in ("", code)
        assert sharing.open_code(link.code).invitation == link
        assert sharing.open_word("spring-fair").key == link.key
        for old in (lambda: sharing.open_code(code), lambda: arriving.open_invitation(key)):
            with pytest.raises(exceptions.KeyNotFound):
                old()

    def test_it_is_never_mailed(self, link: InvitationKey) -> None:
        with pytest.raises(exceptions.NotPending):
            inviting.resend(link)
        with pytest.raises(exceptions.NotPending):
            inviting.send_to(link, "bob@example.org")
        link.refresh_from_db()
        assert link.email == ""

    def test_it_is_called_by_its_label(self, link: InvitationKey) -> None:
        assert str(link) == f"Spring fair ({link.key_hint})"
        assert link.code not in f"{link} {link!r} {vars(link)}"
