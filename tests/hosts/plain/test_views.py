"""Sign-up views of a site's own behind the gate: class, function, asynchronous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_save, pre_save
from django.test import AsyncClient, Client

from invitation import gate, keys, signals
from invitation.backends import passwords
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.hosts.plain import urls
from tests.scenes import LANDING, NEWCOMER, Crash, answers

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

CLASS, FUNCTION, ASYNC = "/accounts/register/", "/accounts/function/", "/accounts/async/"
ASYNC_CLASS, WITHOUT_EMAIL = "/accounts/async-class/", "/accounts/without-email/"
EVERY = [CLASS, FUNCTION, ASYNC, ASYNC_CLASS, WITHOUT_EMAIL]
WITH_EMAIL = EVERY[:-1]
BARE = "/accounts/bare/"

every = pytest.mark.parametrize("address", EVERY)
with_email = pytest.mark.parametrize("address", WITH_EMAIL)
functions = pytest.mark.parametrize("address", [FUNCTION, ASYNC])


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation)


@pytest.fixture
def before_claim(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Call it with what somebody else does between the check of a form and the claim."""

    def set_up(happens: Callable[[], Any]) -> None:
        def clean(form: Any) -> None:
            happens()
            original(form)

        original = urls.UserCreationForm._post_clean
        monkeypatch.setattr(urls.UserCreationForm, "_post_clean", clean)

    return set_up


# The gate


@every
def test_without_a_key_it_is_closed(address: str) -> None:
    before = scenes.dump()
    for response in (Client().get(address), Client().post(address, answers())):
        assert response.status_code == 403
        assert scenes.flags(response) == {"no_key"}
        assert "no-store" in response["Cache-Control"]
    assert scenes.dump() == before


@every
@pytest.mark.parametrize("end", scenes.ENDS)
def test_a_key_that_opens_nothing_is_told_why(
    address: str, end: str, visitor: Client, invitation: InvitationKey
) -> None:
    scenes.end(invitation, end)
    code, status = scenes.ENDS[end]
    for response in (visitor.get(address), visitor.post(address, answers())):
        assert (response.status_code, scenes.flags(response)) == (status, {code})
    assert not scenes.accounts().exists()


@every
def test_with_a_key_an_account_is_made(
    address: str, visitor: Client, invitation: InvitationKey, commit: Commit
) -> None:
    page = visitor.get(address)
    assert page.status_code == 200
    assert page.context["invitation"] == invitation
    assert "no-store" in page["Cache-Control"]
    with scenes.received(signals.invitation_accepted) as accepted, commit():
        response = visitor.post(address, answers())
    assert (response.status_code, response["Location"]) == (302, "/")
    account = scenes.accounts().get()
    assert account.check_password(scenes.PASSWORD)
    assert Acceptance.objects.get().user == account
    assert [sent["address_proven"] for sent in accepted] == [True]
    assert visitor.cookies["invitation_key"].value == ""
    assert (SESSION_KEY in visitor.session) is (address != WITHOUT_EMAIL)
    response = Client().post(address, answers(name="b", invitation_key=invitation.key))
    assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})


@every
def test_a_key_in_the_address_is_carried_from_then_on(
    address: str, invitation: InvitationKey
) -> None:
    client = Client()
    assert client.get(address, {"invitation_key": invitation.key}).status_code == 200
    assert client.post(address, answers()).status_code == 302


@every
def test_a_wrong_key_in_the_address_is_not_carried(address: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    client = Client()
    assert client.get(address, {"invitation_key": "x"}).status_code == 200
    assert "invitation_key" not in client.cookies


@pytest.mark.parametrize("address", [*EVERY, "/api/drf/", "/api/ninja/sign-up/"])
def test_a_key_of_another_site_is_refused(address: str, invitation: InvitationKey) -> None:
    InvitationKey.objects.update(site_id=invitation.site_id + 1)
    response = Client().post(address, answers(), headers={"X-Invitation-Key": invitation.key})
    assert response.status_code in (400, 403, 404, 422)
    assert not scenes.accounts().exists()


@every
def test_it_is_open_where_all_other_pages_need_a_login(
    address: str, visitor: Client, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert Client().get(address).status_code == 403
    assert visitor.get(address).status_code == 200


@every
def test_who_is_logged_in_is_led_to_the_invitation(
    address: str, visitor: Client, member: Any
) -> None:
    visitor.force_login(member)
    before = scenes.dump()
    for response in (visitor.get(address), visitor.post(address, answers())):
        assert (response.status_code, response["Location"]) == (302, LANDING)
    assert scenes.dump() == before


@every
def test_who_is_logged_in_without_an_invitation_is_led_into_the_site(
    address: str, member_client: Client
) -> None:
    response = member_client.get(address)
    assert (response.status_code, response["Location"]) == (302, "/")


def test_a_site_may_close_the_page(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls.SignUpView, "registration_allowed", lambda view: False)
    for response in (visitor.get(CLASS), visitor.post(CLASS, answers())):
        assert response.status_code == 403
        assert "registration/registration_closed.html" in [t.name for t in response.templates]
    assert not scenes.accounts().exists()


@every
def test_where_the_site_is_not_known_a_page_says_so(
    address: str, visitor: Client, settings: Any
) -> None:
    settings.SITE_ID = 99
    assert visitor.get(address).status_code == 503


# The address


@with_email
def test_the_address_is_filled_in_and_locked(address: str, visitor: Client) -> None:
    field = visitor.get(address).context["form"]["email"]
    assert field.value() == NEWCOMER
    assert "readonly" in str(field)


@with_email
def test_another_address_is_a_form_error(address: str, visitor: Client) -> None:
    before = scenes.dump()
    response = visitor.post(address, answers("x@example.org"))
    assert response.status_code == 200
    [error] = response.context["form"].errors["email"]
    assert NEWCOMER in error
    assert scenes.dump() == before


@with_email
def test_with_the_policy_any_another_address_signs_up(
    address: str, visitor: Client, settings: Any
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    assert visitor.post(address, answers("x@example.org")).status_code == 302
    assert scenes.accounts("x@example.org").exists()


def test_a_form_without_an_address_makes_an_account_without_one_where_any_will_do(
    visitor: Client, settings: Any
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    assert visitor.post(WITHOUT_EMAIL, answers("x@example.org")).status_code == 302
    assert Acceptance.objects.get().user.email == ""


def test_a_form_of_our_own_without_an_address_gives_the_account_the_invited_one(
    invitation: InvitationKey, rf: Any
) -> None:
    class OurForm(urls.FUNCTION["InvitationFormMixin"], urls.UserCreationForm):  # type: ignore[misc]
        pass

    typed = answers(invitation_key=invitation.mail_key)
    form = OurForm(typed, request=rf.post("/", typed))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["email"] == NEWCOMER
    assert form.save(commit=False).email == NEWCOMER


@with_email
def test_the_form_of_another_tab_is_shown_again(address: str, member: Any) -> None:
    first, second = (scenes.invite(member, f"{n}@example.com") for n in ("first", "second"))
    browser = scenes.visit(first)
    browser.get(address)
    browser.get(scenes.link(second.mail_key))
    typed = answers("first@example.com", invitation_hint=first.key_hint)
    form = browser.post(address, typed).context["form"]
    assert form.has_error("__all__", code="another_invitation")
    assert not Acceptance.objects.exists()


def test_a_view_and_its_form_may_both_be_ours(
    visitor: Client, member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls.SignUpView, "form_class", urls.FUNCTION["SignUpForm"])
    kwargs = urls.SignUpView.get_form_kwargs
    monkeypatch.setattr(
        urls.SignUpView, "get_form_kwargs", lambda view: kwargs(view) | {"request": view.request}
    )
    other = scenes.invite(member, "other@example.com")
    response = visitor.post(CLASS, answers(invitation_hint=other.key_hint))
    assert response.context["form"].has_error("__all__", code="another_invitation")
    assert visitor.post(CLASS, answers()).status_code == 302


# Both or neither


@every
@pytest.mark.parametrize("end", [end for end in scenes.ENDS if end != "inactive"])
def test_who_loses_a_race_gets_a_page_and_no_session(
    address: str, visitor: Client, invitation: InvitationKey, before_claim: Any, end: str
) -> None:
    before_claim(lambda: scenes.end(invitation, end))
    code, status = scenes.ENDS[end]
    response = visitor.post(address, answers())
    assert (response.status_code, scenes.flags(response)) == (status, {code})
    assert not scenes.accounts().exists()
    assert "sessionid" not in visitor.cookies


def steps() -> dict[str, Any]:
    return {
        "before the account": (pre_save, get_user_model()),
        "after the account": (post_save, get_user_model()),
        "before the acceptance": (pre_save, Acceptance),
        "after the acceptance": (post_save, Acceptance),
    }


@every
@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("step", list(steps()))
def test_what_goes_wrong_leaves_nothing(
    address: str, step: str, visitor: Client, commit: Commit, atomic: bool, monkeypatch: Any
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    signal, sender = steps()[step]
    before = scenes.dump()
    with (
        scenes.received(signals.invitation_accepted) as accepted,
        commit(),
        scenes.crashing(signal, sender=sender),
        pytest.raises(Crash),
    ):
        visitor.post(address, answers())
    assert scenes.dump() == before
    assert accepted == []
    assert "sessionid" not in visitor.cookies


@every
def test_it_works_with_atomic_requests(address: str, visitor: Client, monkeypatch: Any) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert visitor.get(address).status_code == 200
    assert visitor.post(address, answers()).status_code == 302
    assert Acceptance.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refusal_rolls_back_what_the_request_wrote(
    invitation: InvitationKey, rf: Any, monkeypatch: Any
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    @urls.invitation_required
    def view(request: Any) -> None:
        Group.objects.create(name="written")
        scenes.end(invitation, "revoked")
        gate.carried(request)
        with gate.claiming(request, NEWCOMER):
            pytest.fail("The block ran.")

    request = rf.post("/", {"invitation_key": invitation.key})
    request.user = AnonymousUser()
    assert view(request).status_code == 410
    assert not Group.objects.exists()
    assert transaction.get_autocommit()


@pytest.mark.django_db(transaction=True)
@every
def test_a_database_that_undoes_the_account_asks_to_try_again(
    address: str, visitor: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    monkeypatch.setattr("invitation.flows.after_commit.transactions.PAUSE_MAX", 0)
    busy = OperationalError("database is locked")

    def receiver(**arguments: Any) -> None:
        raise busy

    pre_save.connect(receiver, sender=get_user_model())
    try:
        response = visitor.post(address, answers())
    finally:
        pre_save.disconnect(receiver, sender=get_user_model())
    assert response.status_code == 503
    assert response["Retry-After"]
    assert not scenes.accounts().exists()
    assert visitor.post(address, answers()).status_code == 302


@every
def test_another_error_of_the_database_is_not_hidden(address: str, visitor: Client) -> None:
    with (
        scenes.crashing(pre_save, OperationalError, sender=get_user_model()),
        pytest.raises(OperationalError),
    ):
        visitor.post(address, answers())


def test_an_address_that_the_form_did_not_check_is_a_page(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls.FUNCTION["SignUpForm"], "clean", lambda form: form.cleaned_data)
    response = visitor.post(FUNCTION, answers("x@example.org"))
    assert response.status_code == 403
    assert "invitation/wrong_address.html" in [t.name for t in response.templates]
    assert not scenes.accounts("x@example.org").exists()


def test_the_clean_of_another_form_may_return_nothing_or_another_dictionary(
    invitation: InvitationKey, rf: Any
) -> None:
    class Sites(urls.UserCreationForm):  # type: ignore[type-arg]
        answer: Any = None

        def clean(self) -> Any:
            super().clean()
            return self.answer

    class OurForm(urls.FUNCTION["InvitationFormMixin"], Sites):  # type: ignore[misc]
        pass

    typed = answers(invitation_key=invitation.mail_key)
    for answer in (None, {"username": "other"}):
        form = OurForm(typed, request=rf.post("/", typed))
        form.answer = answer
        form.full_clean()
        expected = "newcomer" if answer is None else "other"
        assert form.cleaned_data["username"] == expected
        assert form.cleaned_data["email"] == NEWCOMER


# Open on purpose


def test_a_view_may_say_that_it_is_open() -> None:
    assert urls.BareView.open_registration
    assert urls.printed("open")["CustomerSignUpView"].open_registration
    assert urls.SignUpView.as_view().view_class.invitation_required
    assert urls.FUNCTION["sign_up"].invitation_required


# A view that forgets to claim


@pytest.mark.parametrize("address", ["/accounts/forgetful/", "/accounts/forgetful-class/"])
def test_a_gated_view_makes_no_account_without_a_claim(address: str, visitor: Client) -> None:
    with pytest.raises(ImproperlyConfigured, match="claims no invitation"):
        visitor.post(address, answers())
    assert not scenes.accounts().exists()


@pytest.mark.parametrize("address", ["/accounts/forgetful/", "/accounts/forgetful-class/"])
def test_without_invite_mode_it_does(address: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    assert Client().post(address, answers()).content == b"signed up"
    scenes.make_user("another")


def test_after_a_gated_view_other_code_makes_accounts(visitor: Client) -> None:
    with pytest.raises(ImproperlyConfigured):
        visitor.post("/accounts/forgetful/", answers())
    scenes.make_user("another")


# Open registration


@every
def test_without_invite_mode_anybody_signs_up(address: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    assert Client().get(address).status_code == 200
    assert Client().post(address, answers()).status_code == 302
    assert not Acceptance.objects.exists()


@every
def test_without_invite_mode_a_carried_invitation_is_recorded(
    address: str, visitor: Client, settings: Any
) -> None:
    settings.INVITE_MODE = False
    assert visitor.post(address, answers()).status_code == 302
    assert Acceptance.objects.count() == (address != WITHOUT_EMAIL)


# What it costs


def statements(do: Callable[[], Any]) -> int:
    with scenes.statements() as asked:
        assert do().status_code in (200, 302)
    return len(asked)


@every
def test_the_page_costs_one_query(address: str, visitor: Client) -> None:
    visitor.get(address)
    assert statements(lambda: visitor.get(address)) == 1


def test_signing_up_costs_four_more_than_the_view_alone(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation, channel=keys.COPY)
    alone = statements(lambda: Client().post(BARE, answers("bare@example.com", "bare")))
    assert statements(lambda: visitor.post(WITHOUT_EMAIL, answers())) - alone <= 4


@pytest.mark.parametrize("address", [CLASS, FUNCTION, WITHOUT_EMAIL])
def test_the_password_is_hashed_before_the_transaction(
    address: str, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    hasher = passwords.get_hasher()
    encode = type(hasher).encode

    def note(*arguments: Any, **named: Any) -> Any:
        seen.append(gate.is_claiming(requests[-1]))
        return encode(*arguments, **named)

    requests: list[Any] = []
    carried = gate.carried
    monkeypatch.setattr(
        gate, "carried", lambda request: requests.append(request) or carried(request)
    )
    monkeypatch.setattr(type(hasher), "encode", note)
    assert visitor.post(address, answers()).status_code == 302
    assert seen
    assert not any(seen)


# Asynchronously


@pytest.mark.parametrize("address", [ASYNC, ASYNC_CLASS, FUNCTION, CLASS])
def test_over_asgi(address: str, invitation: InvitationKey) -> None:
    client = AsyncClient()

    async def come() -> None:
        assert (await client.get(address)).status_code == 403
        page = await client.get(address, {"invitation_key": invitation.key})
        assert page.status_code == 200
        assert (await client.post(address, answers())).status_code == 302
        assert (await client.get(address)).status_code == 302

    async_to_sync(come)()
    assert Acceptance.objects.get().user == scenes.accounts().get()
