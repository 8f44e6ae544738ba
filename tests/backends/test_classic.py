"""The registration backend API of django-registration 0.8, its views, and the gate for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from smtplib import SMTPServerDisconnected
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from django import forms
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail import EmailMessage
from django.db import IntegrityError, connection, models
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from django.views.debug import ExceptionReporter
from registration import signals as redux_signals
from registration.forms import RegistrationForm, RegistrationFormUniqueEmail
from registration.models import RegistrationProfile

from invitation import signals
from invitation.backends import classic
from invitation.backends.classic import (
    AccountBackend,
    DefaultBackend,
    InvitationBackend,
    SimpleBackend,
    get_backend,
    views,
)
from invitation.backends.classic.urls import patterns
from invitation.flows import arriving, inviting
from invitation.flows.arriving import claims
from invitation.models import Acceptance, InvitationKey, managers
from tests import scenes
from tests.backends import classic_thirdparty
from tests.backends.classic_thirdparty import ImmediateBackend, OldForm, TwoStepBackend

User = get_user_model()

ADDRESS = "newcomer@example.com"
PASSWORD = "correct horse battery"
FORM = {
    "username": "newcomer",
    "email": ADDRESS,
    "password1": PASSWORD,
    "password2": PASSWORD,
}

BACKENDS = {
    "default": "invitation.backends.classic.DefaultBackend",
    "simple": "invitation.backends.classic.SimpleBackend",
    "two_step": "tests.backends.classic_thirdparty.TwoStepBackend",
    "immediate": "tests.backends.classic_thirdparty.ImmediateBackend",
}
CLASSES: dict[str, type] = {
    "default": DefaultBackend,
    "simple": SimpleBackend,
    "two_step": TwoStepBackend,
    "immediate": ImmediateBackend,
}
TWO_STEP = ("default", "two_step")
AT_ONCE = ("simple", "immediate")

each_backend = pytest.mark.parametrize("kind", BACKENDS)


class RacingForm(RegistrationForm):
    """Let ``before_saving`` happen when everything has been checked and nothing is done yet."""

    before_saving: Any = staticmethod(lambda: None)

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.is_valid():
            type(self).before_saving()


class UncheckedForm(forms.Form):
    """Ask for what an account needs and look up nothing."""

    username = forms.CharField()
    email = forms.EmailField()
    password1 = forms.CharField()


class NamelessForm(forms.Form):
    """Ask for an address only."""

    email = forms.EmailField()


class AddresslessForm(forms.Form):
    """Ask for no address."""

    username = forms.CharField()
    password1 = forms.CharField()


class PickyBackend(DefaultBackend):
    """Say no in its own words, as our views allow, and mark what it answers."""

    def registration_allowed(self, request: Any) -> bool:
        return "open" in request.GET

    def refusal(self, request: Any) -> HttpResponse:
        return HttpResponse("Not today", status=403)

    def registration_context(self, request: Any) -> dict[str, Any]:
        return {"form": "not this one"}

    def finish_registration(self, request: Any, response: Any, user: Any) -> None:
        response["X-Account"] = str(user)


class BlindBackend(DefaultBackend):
    """Take another address than the form's ``email``, and no address at all."""

    def register(self, request: Any, **kwargs: Any) -> Any:
        kwargs["email"] = request.GET.get("really", "")
        return super().register(request, **kwargs)


class BrokenBackend(TwoStepBackend):
    def register(self, request: Any, **kwargs: Any) -> Any:
        raise IntegrityError("no name is in question here")


class NeedsArguments:
    def __init__(self, needed: str) -> None: ...


def some_function() -> NoReturn:
    raise AssertionError("A backend is not called, it is instantiated.")


class RequestBackend(ModelBackend):
    """Refuse to authenticate without a request, as backends that count attempts do."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]
        assert request is not None
        return super().authenticate(request, **credentials)


class RefusingBackend(ModelBackend):
    def authenticate(self, request: Any, **credentials: Any) -> None:  # type: ignore[override]
        return None


class MistakenBackend(ModelBackend):
    """Recognise somebody else."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]
        return User._default_manager.first()


class Interrupted(Exception):
    """Stand for anything that goes wrong at one step."""


class Urls:
    """Name every backend's addresses: ``<kind>/...`` as it is, ``invited-<kind>/...`` gated."""

    urlpatterns = [
        path("", include("tests.urls_common")),
        path(
            "options/register/",
            views.register,
            {
                "backend": BACKENDS["two_step"],
                "success_url": "/thanks/",
                "form_class": UncheckedForm,
                "template_name": "registration/login.html",
                "extra_context": {"plain": "as it is", "called": lambda: ""},
            },
        ),
        path(
            "options/closed/",
            views.register,
            {"backend": BACKENDS["two_step"], "disallowed_url": "/later/"},
        ),
        path(
            "options/activate/<activation_key>/",
            views.activate,
            {
                "backend": BACKENDS["two_step"],
                "success_url": "/thanks/",
                "template_name": "registration/login.html",
                "extra_context": {"plain": "as it is", "called": lambda: ""},
            },
        ),
        path("picky/register/", views.register, {"backend": PickyBackend}),
        path("broken/register/", views.register, {"backend": BrokenBackend}),
        path(
            "broken/nameless/register/",
            views.register,
            {"backend": BrokenBackend, "form_class": NamelessForm},
        ),
        path("nothing/register/", views.register, {"backend": None}),
        path("nothing/activate/<activation_key>/", views.activate, {"backend": "no.such.Thing"}),
        path(
            "blind/register/",
            views.register,
            {"backend": InvitationBackend.wrapping(BlindBackend)},
        ),
        path(
            "addressless/register/",
            views.register,
            {"backend": InvitationBackend, "form_class": AddresslessForm},
        ),
        path(
            "blind/addressless/register/",
            views.register,
            {"backend": InvitationBackend.wrapping(BlindBackend), "form_class": AddresslessForm},
        ),
        path(
            "unlocked/register/",
            views.register,
            {"backend": InvitationBackend, "form_class": RegistrationForm},
        ),
        *(
            path(f"race/{kind}/register/", views.register, {"backend": b, "form_class": f})
            for kind, b, f in [
                ("plain", BACKENDS["default"], RacingForm),
                ("invited", InvitationBackend, RacingForm),
                ("unchecked", BACKENDS["two_step"], UncheckedForm),
            ]
        ),
        *(
            path(f"{prefix}{kind}/{page}", view, {"backend": wrap(backend)})
            for kind, backend in BACKENDS.items()
            for prefix, wrap in (("", str), ("invited-", InvitationBackend.wrapping))
            for page, view in (
                ("register/", views.register),
                ("activate/<activation_key>/", views.activate),
            )
        ),
        path("accounts/", include("invitation.urls")),
    ]


class IncludedUrls:
    """Include what the package offers for its own backend."""

    urlpatterns = [
        path("", include("tests.urls_common")),
        path("accounts/", include("invitation.backends.classic.urls")),
    ]


class PatternsUrls:
    """Include the addresses of a wrapped backend whose accounts are active at once."""

    urlpatterns = [
        path("", include("tests.urls_common")),
        path(
            "accounts/",
            include(patterns(InvitationBackend.wrapping(ImmediateBackend), activation=False)),
        ),
    ]


pytestmark = [pytest.mark.django_db, pytest.mark.urls.with_args(Urls)]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return inviting.invite(member, ADDRESS).invitation


@pytest.fixture
def invited_client(invitation: InvitationKey) -> Client:
    """Return a browser that has followed the link in the invitation's email."""
    client = Client()
    client.cookies["invitation_key"] = invitation.mail_key
    return client


@pytest.fixture
def failing_client() -> Client:
    """Return a browser that is shown the error page."""
    return Client(raise_request_exception=False)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any, Any]]]:
    """Collect redux's signals: the name, the sender and the account."""
    got: list[tuple[str, Any, Any]] = []

    def registered(sender: Any, user: Any, request: Any, **kwargs: Any) -> None:
        got.append(("registered", sender, user))

    def activated(sender: Any, user: Any, request: Any, **kwargs: Any) -> None:
        got.append(("activated", sender, user))

    with (
        connected(redux_signals.user_registered, registered),
        connected(redux_signals.user_activated, activated),
    ):
        yield got


@contextmanager
def connected(signal: Any, receiver: Any) -> Iterator[None]:
    signal.connect(receiver)
    try:
        yield
    finally:
        assert signal.disconnect(receiver)


def newcomer() -> Any:
    return User._default_manager.get(**{User.get_email_field_name(): ADDRESS})


def newcomers() -> int:
    return User._default_manager.exclude(
        **{User.get_email_field_name(): "member@example.com"}
    ).count()


def activation_key() -> str:
    """Return the activation key in the last email, of redux or of the old backend."""
    text = str(mail.outbox[-1].body)
    found = re.search(r"/activate/(\w+)/|Your key: (\S+)", text)
    assert found, text
    return found[1] or found[2]


def logged_in(client: Client) -> bool:
    return SESSION_KEY in client.session


# A backend is a class, named by a dotted path


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_dotted_path_gives_an_instance_of_the_class(kind: str) -> None:
    assert type(get_backend(BACKENDS[kind])) is CLASSES[kind]


def test_a_class_is_taken_as_it_is() -> None:
    assert type(get_backend(TwoStepBackend)) is TwoStepBackend


@pytest.mark.parametrize(
    ("backend", "chained"),
    [
        ("no.such.module.Backend", True),
        ("tests.backends.classic_thirdparty.Missing", True),
        ("tests.backends.test_classic.NeedsArguments", True),
        (NeedsArguments, True),
        ("nodots", True),
        ("", True),
        (".Backend", True),
        ("..Backend", True),
        ("tests.backends.test_classic.some_function", False),
        ("tests.backends.test_classic.FORM", False),
        (some_function, False),
        (TwoStepBackend(), False),
        (None, False),
    ],
)
def test_what_is_no_backend_is_a_mistake_in_the_configuration(
    backend: object, chained: bool
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        get_backend(backend)
    assert (caught.value.__cause__ is not None) is chained


def test_the_views_say_so_too(client: Client) -> None:
    with pytest.raises(ImproperlyConfigured):
        client.get("/nothing/register/")
    with pytest.raises(ImproperlyConfigured):
        client.post("/nothing/activate/key/")


# The views, with any backend


@each_backend
def test_the_form_is_shown_with_the_class_of_the_backend(client: Client, kind: str) -> None:
    response = client.get(f"/{kind}/register/")
    assert response.status_code == 200
    assert response.templates[0].name == "registration/registration_form.html"
    form_class = CLASSES[kind]().get_form_class(None)
    assert type(response.context["form"]) is form_class
    assert not response.context["form"].is_bound


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/default/register/", "Email address"),
        ("/race/plain/register/", "Email address"),
        ("/options/register/", "Email"),
    ],
    ids=["redux", "made of redux's", "the site's"],
)
def test_the_address_is_labelled_as_on_all_pages(client: Client, path: str, label: str) -> None:
    for response in (client.get(path), client.post(path, {})):
        assert response.context["form"]["email"].label == label


@each_backend
def test_a_post_registers_and_goes_where_the_backend_says(
    client: Client, kind: str, commit: Any, heard: list[Any]
) -> None:
    with commit():
        response = client.post(f"/{kind}/register/", FORM)
    user = newcomer()
    to = {
        "default": "/accounts/register/complete/",
        "simple": "/",
        "two_step": "/accounts/register/complete/",
        "immediate": "/?welcome=newcomer",
    }
    assert (response.status_code, response["Location"]) == (302, to[kind])
    assert (user.username, user.check_password(PASSWORD)) == ("newcomer", True)
    assert user.is_active is (kind in AT_ONCE)
    assert logged_in(client) is (kind in AT_ONCE)
    assert heard == [("registered", CLASSES[kind], user)]


@pytest.mark.parametrize("kind", TWO_STEP)
def test_the_mailed_key_activates(client: Client, kind: str, commit: Any, heard: list[Any]) -> None:
    with commit():
        client.post(f"/{kind}/register/", FORM)
    response = scenes.activate(client, f"/{kind}/activate/{activation_key()}/", PASSWORD)
    assert response["Location"] == "/accounts/activate/complete/"
    assert newcomer().is_active
    assert heard[1:] == [("activated", CLASSES[kind], newcomer())]


@pytest.mark.parametrize("kind", TWO_STEP)
def test_a_wrong_activation_key_is_said_on_a_page_with_the_key(client: Client, kind: str) -> None:
    response = client.post(f"/{kind}/activate/wrong/")
    assert response.status_code == 200
    assert response.templates[0].name == "registration/activate.html"
    assert response.context["activation_key"] == "wrong"


@pytest.mark.parametrize("kind", AT_ONCE)
def test_what_is_active_at_once_has_no_activation(kind: str) -> None:
    for prefix in ("", "invited-"):
        with pytest.raises((NotImplementedError, TypeError)):
            Client().post(f"/{prefix}{kind}/activate/key/")
    with pytest.raises(NotImplementedError):
        CLASSES[kind]().post_activation_redirect(None, None)


def test_simple_backend_has_no_activation() -> None:
    with pytest.raises(NotImplementedError):
        SimpleBackend().activate(RequestFactory().get("/"), activation_key="key")


@each_backend
def test_an_invalid_form_is_shown_again(client: Client, kind: str) -> None:
    response = client.post(f"/{kind}/register/", FORM | {"password2": "something else"})
    assert response.status_code == 200
    assert response.context["form"].errors
    assert not newcomers()


@each_backend
def test_a_closed_backend_sends_to_the_closed_page(
    client: Client, settings: Any, kind: str
) -> None:
    settings.REGISTRATION_OPEN = False
    for prefix in ("", "invited-"):
        for response in (
            client.get(f"/{prefix}{kind}/register/"),
            client.post(f"/{prefix}{kind}/register/", FORM),
        ):
            assert response["Location"] == "/accounts/register/closed/"
    assert not newcomers()


def test_the_closed_page_is_an_option(client: Client, settings: Any) -> None:
    settings.REGISTRATION_OPEN = False
    assert client.get("/options/closed/")["Location"] == "/later/"


def test_options_of_the_view_go_before_what_the_backend_says(client: Client) -> None:
    response = client.get("/options/register/")
    assert type(response.context["form"]) is UncheckedForm
    assert response.templates[0].name == "registration/login.html"
    assert client.post("/options/register/", FORM)["Location"] == "/thanks/"
    assert newcomer()


def test_callables_in_the_extra_context_are_called(client: Client) -> None:
    for url in ("/options/register/", "/options/activate/wrong/"):
        response = client.post(url)
        assert (response.context["plain"], response.context["called"]) == ("as it is", "")


def test_activation_takes_the_success_url(client: Client) -> None:
    client.post("/two_step/register/", FORM)
    response = scenes.activate(client, f"/options/activate/{activation_key()}/", PASSWORD)
    assert response["Location"] == "/thanks/"


def test_files_reach_the_form_and_the_backend(client: Client, monkeypatch: Any) -> None:
    class FileForm(UncheckedForm):
        portrait = forms.FileField()

    got = {}
    monkeypatch.setattr(TwoStepBackend, "get_form_class", lambda self, request: FileForm)
    register = TwoStepBackend.register

    def spy(self: Any, request: Any, **kwargs: Any) -> Any:
        got.update(kwargs)
        return register(self, request, **kwargs)

    monkeypatch.setattr(TwoStepBackend, "register", spy)
    portrait = SimpleUploadedFile("me.txt", b"me")
    assert client.post("/two_step/register/", FORM | {"portrait": portrait}).status_code == 302
    assert got["portrait"].name == "me.txt"
    assert got["username"] == "newcomer"


def test_a_backend_may_answer_who_is_not_allowed(client: Client) -> None:
    response = client.get("/picky/register/")
    assert (response.status_code, response.content) == (403, b"Not today")


def test_a_backend_may_add_to_the_context_and_change_the_response(client: Client) -> None:
    response = client.get("/picky/register/?open")
    assert response.context["form"] == "not this one"
    assert response["X-Account"] == "None"
    response = client.post("/picky/register/?open", FORM)
    assert response["X-Account"] == "newcomer"


@each_backend
def test_registering_needs_the_csrf_token(kind: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/{kind}/register/", FORM).status_code == 403
    assert not newcomers()


def test_the_views_protect_themselves_without_the_csrf_middleware(rf: RequestFactory) -> None:
    request = rf.post("/", FORM)
    request._dont_enforce_csrf_checks = False  # type: ignore[attr-defined]
    assert views.register(request, BACKENDS["default"]).status_code == 403
    assert views.activate(request, BACKENDS["default"], activation_key="a").status_code == 403


@pytest.mark.parametrize("view", [views.register, views.activate])
def test_the_views_need_no_login(view: Any) -> None:
    assert view.login_required is False


def test_they_are_open_where_every_other_page_needs_a_login(client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert client.get("/default/register/").status_code == 200
    assert client.get("/default/activate/wrong/").status_code == 200
    assert client.get("/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("kind", ["default", "simple", "invited-default", "invited-simple"])
def test_posted_passwords_stay_out_of_error_reports(
    invited_client: Client, monkeypatch: Any, kind: str
) -> None:
    def fail(self: Any, **kwargs: Any) -> NoReturn:
        raise Interrupted

    # Inside make_user(), where the account has got its password.
    monkeypatch.setattr(User, "clean", fail)
    invited_client.raise_request_exception = False
    response = invited_client.post(f"/{kind}/register/", FORM)
    assert response.exc_info[0] is Interrupted
    reporter = ExceptionReporter(response.wsgi_request, *response.exc_info, is_email=True)
    for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "Interrupted" in report
        assert PASSWORD not in report
        assert invited_client.cookies["invitation_key"].value not in report


def test_nothing_of_the_form_is_cached(client: Client) -> None:
    assert "no-store" in client.get("/default/register/")["Cache-Control"]
    assert "no-store" in client.get("/default/activate/wrong/")["Cache-Control"]


def test_a_link_scanner_does_not_activate(client: Client, commit: Any) -> None:
    with commit():
        client.post("/default/register/", FORM)
    url = f"/default/activate/{activation_key()}/"
    assert client.head(url).status_code == 200
    assert client.get(url).status_code == 200
    assert client.options(url).status_code == 405
    assert not newcomer().is_active


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_do_not_register(client: Client, method: str) -> None:
    assert getattr(client, method)("/default/register/").status_code == 405


def test_head_answers_as_get_does(client: Client) -> None:
    assert client.head("/default/register/").status_code == 200


@each_backend
def test_a_receiver_that_raises_leaves_no_account(failing_client: Client, kind: str) -> None:
    def fail(**kwargs: Any) -> NoReturn:
        raise RuntimeError("a fault of the site")

    with connected(redux_signals.user_registered, fail):
        response = failing_client.post(f"/{kind}/register/", FORM)
    assert response.status_code == 500
    assert not newcomers()
    assert not RegistrationProfile.objects.exists()
    assert not logged_in(failing_client)


# A name that is lost between the check and the insert


def test_a_lost_name_is_an_error_of_the_form(client: Client, monkeypatch: Any) -> None:
    def take() -> None:
        monkeypatch.setattr(RacingForm, "before_saving", staticmethod(lambda: None))
        User._default_manager.create_user("newcomer", "faster@example.com")

    monkeypatch.setattr(RacingForm, "before_saving", staticmethod(take))
    response = client.post("/race/plain/register/", FORM)
    assert response.status_code == 200
    assert response.context["form"].errors == {
        "username": ["A user with that username already exists."]
    }
    assert newcomers() == 1
    assert not RegistrationProfile.objects.exists()
    assert mail.outbox == []


def test_a_taken_name_is_an_error_of_a_form_that_never_looks(client: Client) -> None:
    User._default_manager.create_user("newcomer", "faster@example.com")
    response = client.post("/race/unchecked/register/", FORM)
    assert response.status_code == 200
    assert response.context["form"].errors == {
        "username": ["A user with that username already exists."]
    }


@pytest.mark.parametrize("url", ["/broken/register/", "/broken/nameless/register/"])
def test_another_broken_rule_of_the_database_is_not_hidden(client: Client, url: str) -> None:
    with pytest.raises(IntegrityError, match="no name is in question"):
        client.post(url, FORM)


# DefaultBackend


@pytest.mark.anywhere
def test_default_backend_walks_to_an_active_account(client: Client, commit: Any) -> None:
    with commit():
        response = client.post("/default/register/", FORM)
    assert response["Location"] == "/accounts/register/complete/"
    user = newcomer()
    assert (user.is_active, user.check_password(PASSWORD)) == (False, True)
    assert mail.outbox[0].to == [ADDRESS]
    assert not client.login(username=user.get_username(), password=PASSWORD)
    response = scenes.activate(client, f"/default/activate/{activation_key()}/", PASSWORD)
    assert response["Location"] == "/accounts/activate/complete/"
    assert client.login(username=user.get_username(), password=PASSWORD)


def test_default_backend_keeps_its_key_in_reduxs_profile(client: Client) -> None:
    client.post("/default/register/", FORM)
    assert RegistrationProfile.objects.get().user == newcomer()


def test_the_form_is_what_registration_form_names_now(client: Client, settings: Any) -> None:
    settings.REGISTRATION_FORM = "registration.forms.RegistrationFormUniqueEmail"
    response = client.get("/default/register/")
    assert type(response.context["form"]) is RegistrationFormUniqueEmail


def test_the_activation_mail_waits_for_the_commit(client: Client, commit: Any) -> None:
    with commit():
        client.post("/default/register/", FORM)
        assert mail.outbox == []
    assert len(mail.outbox) == 1


def test_no_activation_mail_where_the_site_sends_its_own(
    client: Client, settings: Any, commit: Any
) -> None:
    settings.SEND_ACTIVATION_EMAIL = False
    with commit():
        client.post("/default/register/", FORM)
    assert mail.outbox == []
    assert RegistrationProfile.objects.exists()


@pytest.mark.parametrize("kind", ["default", "invited-default"])
@pytest.mark.django_db(transaction=True)
def test_a_dead_mail_server_is_no_error_page(
    invited_client: Client, kind: str, monkeypatch: Any, caplog: Any
) -> None:
    def fail(self: Any, **kwargs: Any) -> NoReturn:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr(EmailMessage, "send", fail)
    response = invited_client.post(f"/{kind}/register/", FORM)
    assert response["Location"] == "/accounts/register/complete/"
    assert newcomer().is_active is False
    assert "gone" in caplog.text


def test_a_second_click_on_the_activation_link_does_no_harm(
    client: Client, commit: Any, heard: list[Any]
) -> None:
    with commit():
        client.post("/default/register/", FORM)
    for _ in range(2):
        response = scenes.activate(client, f"/default/activate/{activation_key()}/", PASSWORD)
        assert response["Location"] == "/accounts/activate/complete/"
    assert [name for name, *_ in heard] == ["registered", "activated"]


def test_a_used_activation_link_does_not_wake_a_deactivated_account(
    client: Client, commit: Any
) -> None:
    with commit():
        client.post("/default/register/", FORM)
    scenes.activate(client, f"/default/activate/{activation_key()}/", PASSWORD)
    User._default_manager.update(is_active=False)
    response = scenes.activate(client, f"/default/activate/{activation_key()}/", PASSWORD)
    assert response.templates[0].name == "registration/activate.html"
    assert not newcomer().is_active


def test_a_receiver_that_raises_leaves_the_account_unactivated(
    failing_client: Client, commit: Any
) -> None:
    with commit():
        failing_client.post("/default/register/", FORM)

    def fail(**kwargs: Any) -> NoReturn:
        raise RuntimeError("a fault of the site")

    url = f"/default/activate/{activation_key()}/"
    with connected(redux_signals.user_activated, fail):
        assert scenes.activate(failing_client, url, PASSWORD).status_code == 500
    assert not newcomer().is_active
    assert (
        scenes.activate(failing_client, url, PASSWORD)["Location"] == "/accounts/activate/complete/"
    )


# SimpleBackend


@pytest.mark.anywhere
def test_simple_backend_logs_in(client: Client) -> None:
    response = client.post("/simple/register/", FORM)
    assert response["Location"] == "/"
    assert client.session[SESSION_KEY] == str(newcomer().pk)
    assert newcomer().last_login is not None


def test_simple_backend_authenticates_with_the_request(client: Client, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.backends.test_classic.RequestBackend"]
    client.post("/simple/register/", FORM)
    assert logged_in(client)


@pytest.mark.parametrize("name", ["RefusingBackend", "MistakenBackend"])
def test_who_is_not_recognised_registers_and_stays_logged_out(
    client: Client, member: Any, settings: Any, name: str
) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"tests.backends.test_classic.{name}"]
    assert client.post("/simple/register/", FORM)["Location"] == "/"
    assert newcomer().is_active
    assert not logged_in(client)


def test_simple_backend_goes_to_the_accounts_own_page(settings: Any, monkeypatch: Any) -> None:
    backend = SimpleBackend()
    user = User(username="newcomer")
    assert backend.post_registration_redirect(RequestFactory().get("/"), user)[0] == "/"
    monkeypatch.setattr(
        User, "get_absolute_url", lambda self: f"/people/{self.username}/", raising=False
    )
    assert backend.post_registration_redirect(RequestFactory().get("/"), user) == (
        "/people/newcomer/",
        (),
        {},
    )
    settings.SIMPLE_BACKEND_REDIRECT_URL = "/hello/"
    assert backend.post_registration_redirect(RequestFactory().get("/"), user)[0] == "/hello/"


# The account that is made


class StrangeUser(models.Model):
    """A user model whose names are all its own."""

    id = models.BigAutoField(primary_key=True)
    login = models.CharField(max_length=30, unique=True)
    mailbox = models.EmailField()
    shoe_size = models.IntegerField(default=40)
    secret = models.CharField(max_length=10, editable=False)
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)

    USERNAME_FIELD = "login"
    EMAIL_FIELD = "mailbox"

    class Meta:
        app_label = "users"
        managed = False

    def __str__(self) -> str:
        return self.login

    @classmethod
    def get_email_field_name(cls) -> str:
        return cls.EMAIL_FIELD

    def set_password(self, password: str | None) -> None:
        self.password = password

    def clean(self) -> None:
        self.cleaned = True


@pytest.fixture
def strange_user_model(monkeypatch: Any) -> None:
    monkeypatch.setattr(classic.base, "get_user_model", lambda: StrangeUser)


@pytest.mark.usefixtures("strange_user_model")
def test_an_account_has_the_names_of_its_model() -> None:
    user = AccountBackend().make_user(**FORM)
    assert (user.login, user.mailbox, user.password) == ("newcomer", ADDRESS, PASSWORD)
    user = AccountBackend().make_user(login="other", username="newcomer", password="short")
    assert (user.login, user.mailbox, user.password) == ("other", "", "short")
    assert user.cleaned


@pytest.mark.usefixtures("strange_user_model")
def test_other_cleaned_data_goes_into_the_field_of_the_same_name() -> None:
    user = AccountBackend().make_user(**FORM, shoe_size=44, tos=True)
    assert user.shoe_size == 44
    assert not hasattr(user, "tos")


@pytest.mark.usefixtures("strange_user_model")
def test_no_form_gives_privileges_or_writes_what_is_not_editable() -> None:
    user = AccountBackend().make_user(
        **FORM, is_staff=True, is_superuser=True, secret="x", id=1, pk=1
    )
    assert (user.is_staff, user.is_superuser, user.secret, user.pk) == (False, False, "", None)


@pytest.mark.usefixtures("strange_user_model")
def test_a_form_without_a_login_name_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ImproperlyConfigured, match="login"):
        AccountBackend().make_user(email=ADDRESS)


def test_an_account_is_written_as_its_model_writes_it() -> None:
    user = AccountBackend().make_user(username="ﬁnn", email="Finn@EXAMPLE.com")
    assert (user.username, user.email) == ("finn", "Finn@example.com")
    assert not user.has_usable_password()


# InvitationBackend: the gate


def test_invitation_backend_wraps_the_default_backend() -> None:
    assert type(InvitationBackend().wrapped) is DefaultBackend


def test_wrapping_gives_a_class_that_a_path_can_name(monkeypatch: Any) -> None:
    wrapping = InvitationBackend.wrapping(BACKENDS["two_step"])
    assert wrapping.__name__ == "InvitationTwoStepBackend"
    assert InvitationBackend.wrapping(TwoStepBackend).__name__ == wrapping.__name__
    monkeypatch.setattr(classic_thirdparty, "InvitedTwoStep", wrapping, raising=False)
    backend = get_backend("tests.backends.classic_thirdparty.InvitedTwoStep")
    assert isinstance(backend, InvitationBackend)
    assert type(backend.wrapped) is TwoStepBackend


@pytest.mark.parametrize("backend", [InvitationBackend, "no.such.Backend"])
def test_what_cannot_be_wrapped_is_a_mistake_in_the_configuration(backend: Any) -> None:
    with pytest.raises(ImproperlyConfigured):
        _ = InvitationBackend.wrapping(backend)().wrapped


@each_backend
def test_the_gate_is_closed_without_a_key(client: Client, kind: str) -> None:
    for response in (
        client.get(f"/invited-{kind}/register/"),
        client.post(f"/invited-{kind}/register/", FORM),
    ):
        assert response.status_code == 403
        assert response.templates[0].name == "invitation/wrong_invitation_key.html"
        assert response.context["reason"] == "no_key"
    assert not newcomers()


@each_backend
@pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
@pytest.mark.parametrize("carried_by", ["post", "get"])
def test_a_key_is_carried_as_a_parameter(
    client: Client, invitation: InvitationKey, kind: str, name: str, carried_by: str
) -> None:
    url, key = f"/invited-{kind}/register/", {name: invitation.key}
    if carried_by == "post":
        response = client.post(url, FORM | key)
    else:
        response = client.post(url, FORM, query_params=key)
    assert response.status_code == 302
    assert newcomer().invitations_accepted.get().invitation == invitation


@each_backend
def test_a_key_is_carried_by_the_cookie_and_taken_at_the_end(
    invited_client: Client, invitation: InvitationKey, kind: str, heard: list[Any]
) -> None:
    assert invited_client.get(f"/invited-{kind}/register/").status_code == 200
    response = invited_client.post(f"/invited-{kind}/register/", FORM)
    assert response.status_code == 302
    assert response.cookies["invitation_key"]["max-age"] == 0
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("accepted", 1)
    acceptance = Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, newcomer())
    assert (acceptance.activated_at is not None) is (kind in AT_ONCE)
    assert heard == [("registered", CLASSES[kind], newcomer())]


@pytest.mark.django_db(transaction=True)
def test_who_gets_no_activation_mail_is_told_so(invited_client: Client) -> None:
    with scenes.broken_mail():
        response = invited_client.post("/invited-default/register/", FORM, follow=True)
    assert "was not sent" in response.content.decode()
    assert newcomer().is_active is False


@each_backend
def test_the_form_of_another_tab_is_shown_again_for_the_invitation_that_is_carried_now(
    invited_client: Client,
    member: Any,
    invitation: InvitationKey,
    kind: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    url = f"/invited-{kind}/register/"
    hint = invited_client.get(url).context["form"]["invitation_hint"].value()
    assert hint == invitation.key_hint
    second = inviting.invite(member, "second@example.com").invitation
    invited_client.cookies["invitation_key"] = second.mail_key
    response = invited_client.post(url, FORM | {"invitation_hint": hint})
    assert response.status_code == 200
    form = response.context["form"]
    assert form.has_error("__all__", code="another_invitation")
    assert form["invitation_hint"].value() == second.key_hint
    assert not newcomers()

    given: list[set[str]] = []
    register = CLASSES[kind].register

    def listen(self: Any, request: Any, **kwargs: Any) -> Any:
        given.append(set(kwargs))
        return register(self, request, **kwargs)

    monkeypatch.setattr(CLASSES[kind], "register", listen)
    invited_client.post(url, FORM | {"invitation_hint": second.key_hint})
    assert newcomer().invitations_accepted.get().invitation == second
    assert [names & {"invitation_hint"} for names in given] == [set()]


@each_backend
def test_the_wrapped_backend_says_where_to_go_and_who_is_logged_in(
    invited_client: Client, kind: str
) -> None:
    plain = Client().post(f"/{kind}/register/", FORM | {"username": "newcomer"})
    User._default_manager.filter(username="newcomer").delete()
    response = invited_client.post(f"/invited-{kind}/register/", FORM)
    assert response["Location"] == plain["Location"]
    assert logged_in(invited_client) is (kind in AT_ONCE)


@pytest.mark.parametrize("kind", TWO_STEP)
def test_activation_is_delegated_and_recorded(
    invited_client: Client, kind: str, commit: Any, heard: list[Any]
) -> None:
    announced: list[Any] = []

    def note(sender: Any, user: Any, **kwargs: Any) -> None:
        announced.append(user)

    with commit():
        invited_client.post(f"/invited-{kind}/register/", FORM)
    assert Acceptance.objects.get().activated_at is None
    with connected(signals.invitation_activated, note), commit():
        response = scenes.activate(
            invited_client, f"/invited-{kind}/activate/{activation_key()}/", PASSWORD
        )
    assert response["Location"] == "/accounts/activate/complete/"
    assert Acceptance.objects.get().activated_at is not None
    assert announced == [newcomer()]
    assert heard[1:] == [("activated", CLASSES[kind], newcomer())]


def test_activation_is_recorded_for_a_backend_that_sends_no_signal(
    invited_client: Client, monkeypatch: Any
) -> None:
    def activate(self: Any, request: Any, **kwargs: Any) -> Any:
        User._default_manager.filter(pk=newcomer().pk).update(is_active=True)
        return newcomer()

    monkeypatch.setattr(TwoStepBackend, "activate", activate)
    invited_client.post("/invited-two_step/register/", FORM)
    page = invited_client.get("/invited-two_step/activate/any/")
    assert page.context["account"] is None
    assert "confirm that this email" in page.content.decode().lower()
    assert Acceptance.objects.get().activated_at is None
    invited_client.post("/invited-two_step/activate/any/")
    assert Acceptance.objects.get().activated_at is not None


def test_a_wrong_activation_key_records_nothing(invited_client: Client) -> None:
    invited_client.post("/invited-default/register/", FORM)
    response = invited_client.get("/invited-default/activate/wrong/")
    assert response.templates[0].name == "registration/activate.html"
    assert Acceptance.objects.get().activated_at is None


@pytest.mark.parametrize(
    ("change", "reason", "status"),
    [
        ({"status": "revoked", "pending_slot": None}, "revoked_key", 410),
        ({"status": "declined", "pending_slot": None}, "declined_key", 410),
        ({"status": "accepted", "pending_slot": None}, "no_uses_left_key", 410),
        ({"status": "expired", "pending_slot": None}, "expired_key", 410),
        ({"locator": "A" * 22}, "invalid_key", 404),
    ],
)
@each_backend
def test_a_refused_key_is_explained(
    invited_client: Client,
    invitation: InvitationKey,
    kind: str,
    change: dict[str, Any],
    reason: str,
    status: int,
) -> None:
    InvitationKey.objects.update(**change)
    for response in (
        invited_client.get(f"/invited-{kind}/register/"),
        invited_client.post(f"/invited-{kind}/register/", FORM),
    ):
        assert response.status_code == status
        assert response.templates[0].name == "invitation/wrong_invitation_key.html"
        assert response.context[reason] is True
    assert not newcomers()


def test_a_view_that_does_not_ask_for_the_reason_still_closes(
    client: Client, rf: RequestFactory
) -> None:
    request = rf.get("/")
    request.user = SimpleNamespace(is_authenticated=False)  # type: ignore[assignment]
    assert InvitationBackend().registration_allowed(request) is False


def test_the_wrapped_backend_is_asked_once_whether_it_is_open(
    invited_client: Client, monkeypatch: Any
) -> None:
    asked: list[Any] = []

    def count(self: Any, request: Any) -> bool:
        asked.append(request)
        return True

    monkeypatch.setattr(TwoStepBackend, "registration_allowed", count)
    invited_client.get("/invited-two_step/register/")
    assert len(asked) == 1
    Client().get("/invited-two_step/register/")
    assert len(asked) == 2


def test_a_backend_that_serves_two_requests_asks_for_each(
    rf: RequestFactory, invitation: InvitationKey
) -> None:
    backend = InvitationBackend()
    visitor = SimpleNamespace(is_authenticated=False)
    with_key = rf.get("/", {"invitation_key": invitation.key})
    without = rf.get("/")
    with_key.user = without.user = visitor  # type: ignore[assignment]
    assert backend.registration_allowed(with_key) is True
    assert backend.registration_allowed(without) is False


@each_backend
def test_pages_of_a_key_are_protected(invited_client: Client, client: Client, kind: str) -> None:
    answers = [
        invited_client.get(f"/invited-{kind}/register/"),
        client.get(f"/invited-{kind}/register/"),
        invited_client.post(f"/invited-{kind}/register/", FORM | {"password1": ""}),
        invited_client.post(f"/invited-{kind}/register/", FORM),
    ]
    for response in answers:
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] in ("no-referrer", "same-origin")
        assert response["X-Robots-Tag"] == "noindex"


def test_a_key_in_the_address_is_remembered(client: Client, invitation: InvitationKey) -> None:
    response = client.get("/invited-default/register/", {"invitation_key": invitation.key})
    assert response.cookies["invitation_key"].value == invitation.key
    assert client.post("/invited-default/register/", FORM).status_code == 302


def test_a_key_in_the_cookie_is_not_set_again(invited_client: Client) -> None:
    assert "invitation_key" not in invited_client.get("/invited-default/register/").cookies


def test_the_form_says_who_invites(invited_client: Client, invitation: InvitationKey) -> None:
    context = invited_client.get("/invited-default/register/").context
    assert context["invitation"] == invitation
    assert context["invitation_key"] == invitation.mail_key
    assert context["inviter_name"] == "member"
    assert context["expires_at"] == invitation.expires_at
    assert context["site"].domain == "example.com"


def test_looking_at_the_form_changes_nothing(
    invited_client: Client, django_assert_max_num_queries: Any
) -> None:
    before = list(InvitationKey.objects.values())
    with django_assert_max_num_queries(1) as captured:
        invited_client.get("/invited-default/register/")
        invited_client.head("/accounts/login/")
    assert all(query["sql"].startswith("SELECT") for query in captured.captured_queries)
    assert list(InvitationKey.objects.values()) == before


def test_an_invitation_costs_few_queries(
    invited_client: Client, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_max_num_queries(100) as plain:
        Client().post("/default/register/", FORM | {"username": "another", "email": "a@b.org"})
    # Opening, claiming, the acceptance, the proof, and the two ends of a savepoint.
    with django_assert_num_queries(len(plain.captured_queries) + 6):
        invited_client.post("/invited-default/register/", FORM)


# InvitationBackend: who is signed in


@each_backend
def test_who_is_signed_in_is_asked_what_to_do(
    invited_client: Client, member: Any, invitation: InvitationKey, kind: str
) -> None:
    invited_client.force_login(member)
    for response in (
        invited_client.get(f"/invited-{kind}/register/"),
        invited_client.post(f"/invited-{kind}/register/", FORM),
    ):
        assert response["Location"] == "/accounts/invited/"
        assert response.cookies["invitation_key"].value == invitation.mail_key
    assert not newcomers()


def test_who_is_signed_in_without_a_key_sees_why_nothing_opens(member_client: Client) -> None:
    assert member_client.get("/invited-default/register/").status_code == 403


def test_a_site_may_let_members_register_again(
    invited_client: Client, member: Any, settings: Any
) -> None:
    settings.ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS = False
    invited_client.force_login(member)
    assert invited_client.get("/invited-default/register/").status_code == 200


# InvitationBackend: the address


@each_backend
def test_the_invited_address_is_filled_in_and_locked(invited_client: Client, kind: str) -> None:
    form = invited_client.get(f"/invited-{kind}/register/").context["form"]
    assert isinstance(form, CLASSES[kind]().get_form_class(None))
    assert type(form).__name__ in ("RegistrationForm", "OldForm")
    assert form.initial["email"] == ADDRESS
    assert "readonly" in str(form["email"])


@each_backend
def test_another_address_is_an_error_of_the_form(
    invited_client: Client, invitation: InvitationKey, kind: str
) -> None:
    data = FORM | {"email": "other@example.com"}
    response = invited_client.post(f"/invited-{kind}/register/", data)
    assert response.status_code == 200
    assert ADDRESS in response.context["form"].errors["email"][0]
    assert not newcomers()
    invitation.refresh_from_db()
    assert invitation.is_usable()


def test_an_address_that_is_none_is_one_error_and_not_two(invited_client: Client) -> None:
    response = invited_client.post("/invited-default/register/", FORM | {"email": "nonsense"})
    assert len(response.context["form"].errors["email"]) == 1


def test_another_way_of_writing_the_address_is_the_same_address(invited_client: Client) -> None:
    data = FORM | {"email": "Newcomer@EXAMPLE.com"}
    assert invited_client.post("/invited-default/register/", data).status_code == 302


def test_another_address_is_refused_whatever_form_the_view_was_given(
    invited_client: Client, invitation: InvitationKey
) -> None:
    data = FORM | {"email": "other@example.com"}
    response = invited_client.post("/unlocked/register/", data)
    assert response.status_code == 200
    assert ADDRESS in response.context["form"].errors["email"][0]
    assert not newcomers()
    invitation.refresh_from_db()
    assert invitation.uses == 0


def test_what_counts_is_the_address_that_the_account_got(
    invited_client: Client, invitation: InvitationKey
) -> None:
    response = invited_client.post("/blind/register/?really=other@example.com", FORM)
    assert response.status_code == 200
    assert ADDRESS in response.context["form"].errors["email"][0]
    assert not newcomers()
    invitation.refresh_from_db()
    assert invitation.is_usable()


def test_an_account_may_have_no_address_where_its_form_has_none(
    invited_client: Client, invitation: InvitationKey
) -> None:
    response = invited_client.post("/blind/addressless/register/", FORM)
    assert response.status_code == 302
    assert User._default_manager.get(username="newcomer").email == ""
    assert Acceptance.objects.get().invitation == invitation


def test_a_form_without_an_address_gives_the_account_the_invited_one(
    invited_client: Client,
) -> None:
    assert invited_client.post("/addressless/register/", FORM).status_code == 302
    assert newcomer().username == "newcomer"


def test_an_address_that_cannot_be_shown_in_the_form_is_refused_all_the_same(
    invited_client: Client,
) -> None:
    response = invited_client.post("/blind/addressless/register/?really=other@example.com", FORM)
    assert response.status_code == 200
    assert ADDRESS in response.context["form"].non_field_errors()[0]
    assert not newcomers()


@each_backend
def test_any_address_where_the_policy_says_so(
    invited_client: Client, settings: Any, kind: str, commit: Any
) -> None:
    proven: list[bool] = []

    def note(sender: Any, address_proven: bool, **kwargs: Any) -> None:
        proven.append(address_proven)

    settings.INVITATION_EMAIL_POLICY = "any"
    url = f"/invited-{kind}/register/"
    assert "readonly" not in str(invited_client.get(url).context["form"]["email"])
    with connected(signals.invitation_accepted, note), commit():
        response = invited_client.post(url, FORM | {"email": "other@example.com"})
    assert response.status_code == 302
    assert User._default_manager.get(username="newcomer").email == "other@example.com"
    assert proven == [False]


@each_backend
def test_a_mailed_key_and_the_invited_address_are_a_proof(
    invited_client: Client, kind: str, commit: Any
) -> None:
    proven: list[bool] = []

    def note(sender: Any, address_proven: bool, **kwargs: Any) -> None:
        proven.append(address_proven)

    with connected(signals.invitation_accepted, note), commit():
        invited_client.post(f"/invited-{kind}/register/", FORM)
    assert proven == [True]


# InvitationBackend: INVITE_MODE


@each_backend
def test_without_invite_mode_anybody_registers(client: Client, settings: Any, kind: str) -> None:
    settings.INVITE_MODE = False
    form = client.get(f"/invited-{kind}/register/").context["form"]
    assert type(form) is CLASSES[kind]().get_form_class(None)
    assert client.post(f"/invited-{kind}/register/", FORM).status_code == 302
    assert newcomer()
    assert not Acceptance.objects.exists()


@each_backend
def test_without_invite_mode_a_carried_invitation_is_honoured(
    invited_client: Client, invitation: InvitationKey, settings: Any, kind: str
) -> None:
    settings.INVITE_MODE = False
    form = invited_client.get(f"/invited-{kind}/register/").context["form"]
    assert form.initial["email"] == ADDRESS
    assert invited_client.post(f"/invited-{kind}/register/", FORM).status_code == 302
    assert newcomer().invitations_accepted.get().invitation == invitation


@each_backend
def test_without_invite_mode_another_address_registers_without_the_invitation(
    invited_client: Client, invitation: InvitationKey, settings: Any, kind: str
) -> None:
    settings.INVITE_MODE = False
    data = FORM | {"email": "other@example.com"}
    assert invited_client.post(f"/invited-{kind}/register/", data).status_code == 302
    invitation.refresh_from_db()
    assert invitation.is_usable()


def test_without_invite_mode_a_bad_key_does_no_harm(client: Client, settings: Any) -> None:
    settings.INVITE_MODE = False
    client.cookies["invitation_key"] = "nonsense"
    assert client.post("/invited-default/register/", FORM).status_code == 302


# InvitationBackend: all or nothing


@each_backend
def test_a_used_key_makes_no_second_account(invited_client: Client, kind: str) -> None:
    key = invited_client.cookies["invitation_key"].value
    invited_client.post(f"/invited-{kind}/register/", FORM)
    second = Client()
    second.cookies["invitation_key"] = key
    response = second.post(f"/invited-{kind}/register/", FORM | {"username": "second"})
    assert (response.status_code, response.context["reason"]) == (410, "no_uses_left_key")
    assert newcomers() == 1


def test_the_loser_of_a_race_for_a_key_gets_the_page(
    invited_client: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    def win() -> None:
        opened = arriving.open_invitation(invitation.key)
        arriving.claim(
            opened, lambda: User._default_manager.create_user("winner", ADDRESS), email=ADDRESS
        )

    def hash_password(self: Any, password: Any) -> NoReturn:
        raise AssertionError("The loser's password was hashed.")

    monkeypatch.setattr(RacingForm, "before_saving", staticmethod(win))
    monkeypatch.setattr(SimpleBackend, "make_user", hash_password)
    monkeypatch.setattr(DefaultBackend, "make_user", hash_password)
    response = invited_client.post("/race/invited/register/", FORM)
    assert (response.status_code, response.context["reason"]) == (410, "no_uses_left_key")
    assert response.templates[0].name == "invitation/wrong_invitation_key.html"
    assert newcomers() == 1
    assert Acceptance.objects.count() == 1


def test_the_loser_of_a_race_for_a_name_keeps_the_invitation(
    invited_client: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    def take() -> None:
        monkeypatch.setattr(RacingForm, "before_saving", staticmethod(lambda: None))
        User._default_manager.create_user("newcomer", "faster@example.com")

    monkeypatch.setattr(RacingForm, "before_saving", staticmethod(take))
    response = invited_client.post("/race/invited/register/", FORM)
    assert response.status_code == 200
    assert response.context["form"].errors == {
        "username": ["A user with that username already exists."]
    }
    invitation.refresh_from_db()
    assert invitation.is_usable()
    response = invited_client.post("/race/invited/register/", FORM | {"username": "later"})
    assert response.status_code == 302


def interrupt(*args: Any, **kwargs: Any) -> NoReturn:
    raise Interrupted


def interrupt_after(function: Any) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> NoReturn:
        function(*args, **kwargs)
        raise Interrupted

    return wrapper


STEPS = {
    "before the claim": (managers.InvitationKeyManager, "claim_use", interrupt),
    "after the claim": (
        managers.InvitationKeyManager,
        "claim_use",
        interrupt_after(managers.InvitationKeyManager.claim_use),
    ),
    "before the account": (User, "save", interrupt),
    "after the account": (User, "save", interrupt_after(User.save)),
    "before the acceptance": (claims, "write_new", interrupt),
    "after the acceptance": (claims, "write_new", interrupt_after(claims.write_new)),
    "on the way out": (
        InvitationBackend,
        "register",
        interrupt_after(InvitationBackend.register),
    ),
}


@each_backend
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_leaves_nothing_behind(
    invited_client: Client, invitation: InvitationKey, kind: str, step: str, monkeypatch: Any
) -> None:
    before = InvitationKey.objects.values().get()
    invited_client.raise_request_exception = False
    owner, name, replacement = STEPS[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, replacement)
        response = invited_client.post(f"/invited-{kind}/register/", FORM)
    assert response.status_code == 500
    assert isinstance(response.exc_info[1], Interrupted)
    assert InvitationKey.objects.values().get() == before
    assert not newcomers()
    assert not Acceptance.objects.exists()
    assert not RegistrationProfile.objects.exists()
    assert not logged_in(invited_client)
    # And the invitation still opens.
    response = invited_client.post(f"/invited-{kind}/register/", FORM)
    assert response.status_code == 302


@each_backend
def test_a_receiver_that_raises_leaves_the_invitation_unspent(
    invited_client: Client, invitation: InvitationKey, kind: str
) -> None:
    invited_client.raise_request_exception = False

    def fail(**kwargs: Any) -> NoReturn:
        raise Interrupted

    with connected(redux_signals.user_registered, fail):
        response = invited_client.post(f"/invited-{kind}/register/", FORM)
    assert response.status_code == 500
    invitation.refresh_from_db()
    assert invitation.is_usable()
    assert not newcomers()
    assert not logged_in(invited_client)


@pytest.mark.parametrize("kind", TWO_STEP)
def test_an_account_that_is_deleted_unactivated_gives_the_invitation_back(
    invited_client: Client, invitation: InvitationKey, kind: str
) -> None:
    invited_client.post(f"/invited-{kind}/register/", FORM)
    newcomer().delete()
    invitation.refresh_from_db()
    assert invitation.is_usable()


def post_all(kind: str, browsers: list[tuple[str, dict[str, str]]]) -> list[int]:
    """Post a form with a key from each browser at the same moment; return the sorted answers."""
    barrier = threading.Barrier(len(browsers))
    answers: list[int] = []

    def post(key: str, data: dict[str, str]) -> None:
        client = Client(raise_request_exception=False)
        client.cookies["invitation_key"] = key
        barrier.wait()
        try:
            answers.append(client.post(f"/invited-{kind}/register/", data).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=post, args=browser) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


PEOPLE = 8


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
@each_backend
def test_one_key_makes_one_account_however_many_post_it(
    invitation: InvitationKey, kind: str
) -> None:
    forms_posted = [FORM | {"username": f"newcomer{number}"} for number in range(PEOPLE)]
    answers = post_all(kind, [(invitation.mail_key, form) for form in forms_posted])
    assert answers == [302] + [410] * (PEOPLE - 1)
    assert newcomers() == 1
    assert Acceptance.objects.count() == 1


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
@each_backend
def test_one_name_makes_one_account_however_many_want_it(member: Any, kind: str) -> None:
    addresses = [f"newcomer{number}@example.com" for number in range(PEOPLE)]
    keys = [inviting.invite(member, address).invitation.mail_key for address in addresses]
    forms_posted = [FORM | {"email": address} for address in addresses]
    answers = post_all(kind, list(zip(keys, forms_posted, strict=True)))
    assert answers == [200] * (PEOPLE - 1) + [302]
    assert newcomers() == 1
    assert InvitationKey.objects.usable().count() == PEOPLE - 1


# The URLconf


@pytest.mark.anywhere
@pytest.mark.urls.with_args(IncludedUrls)
def test_one_include_walks_from_the_link_to_an_active_account(
    client: Client, invitation: InvitationKey, commit: Any
) -> None:
    client.get(f"/accounts/invited/{invitation.mail_key}/")
    assert client.get("/accounts/register/").status_code == 200
    with commit():
        response = client.post("/accounts/register/", FORM, follow=True)
    assert response.templates[0].name == "registration/registration_complete.html"
    response = client.post(f"/accounts/activate/{activation_key()}/", follow=True)
    assert response.templates[0].name == "registration/activation_complete.html"
    assert newcomer().invitations_accepted.get().activated_at is not None
    assert Client().get("/accounts/register/").status_code == 403


@pytest.mark.urls.with_args(PatternsUrls)
def test_another_backend_without_activation_is_included_by_its_patterns(
    client: Client, invitation: InvitationKey
) -> None:
    assert client.get("/accounts/activate/key/").status_code == 404
    assert client.get("/accounts/register/").status_code == 403
    client.get(f"/accounts/invited/{invitation.mail_key}/")
    response = client.post("/accounts/register/", FORM)
    assert response["Location"] == "/?welcome=newcomer"
    assert logged_in(client)
    assert client.get("/accounts/register/closed/").status_code == 200


# InvitationBackend on another kind of site


@pytest.mark.anywhere
def test_an_invited_person_walks_to_an_active_account(
    invited_client: Client, invitation: InvitationKey, commit: Any
) -> None:
    page = invited_client.get("/invited-default/register/")
    assert page.context["form"].initial["email"] == ADDRESS
    with commit():
        response = invited_client.post("/invited-default/register/", FORM)
    assert response["Location"] == "/accounts/register/complete/"
    response = scenes.activate(
        invited_client, f"/invited-default/activate/{activation_key()}/", PASSWORD
    )
    assert response["Location"] == "/accounts/activate/complete/"
    user = newcomer()
    assert (user.is_active, user.get_username() in (ADDRESS, "newcomer")) == (True, True)
    assert user.invitations_accepted.get().activated_at is not None


@pytest.mark.anywhere
def test_an_invited_person_is_logged_in_at_once(invited_client: Client) -> None:
    invited_client.post("/invited-simple/register/", FORM)
    assert invited_client.session[SESSION_KEY] == str(newcomer().pk)


@pytest.mark.anywhere
def test_a_lost_login_name_is_an_error_of_the_form_anywhere(
    invited_client: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    taken = {User.USERNAME_FIELD: FORM.get(User.USERNAME_FIELD)}

    def take() -> None:
        monkeypatch.setattr(RacingForm, "before_saving", staticmethod(lambda: None))
        User._default_manager.create_user(password="x", **taken)

    monkeypatch.setattr(RacingForm, "before_saving", staticmethod(take))
    response = invited_client.post("/race/invited/register/", FORM)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [User.USERNAME_FIELD]
    invitation.refresh_from_db()
    assert invitation.is_usable()


@pytest.mark.anywhere
def test_an_old_form_is_shown_with_the_invited_address(invited_client: Client) -> None:
    form = invited_client.get("/invited-two_step/register/").context["form"]
    assert isinstance(form, OldForm)
    assert form.initial["email"] == ADDRESS


# Where the newcomer lands


@pytest.mark.anywhere
@pytest.mark.parametrize("path", ["/welcome/", "//evil.example/"])
def test_one_step_leads_where_the_invitation_leads(invited_client: Client, path: str) -> None:
    InvitationKey.objects.update(destination=path)
    landed = invited_client.post("/invited-simple/register/", FORM)["Location"]
    assert landed == ("/welcome/" if path == "/welcome/" else "/")


@pytest.mark.anywhere
@pytest.mark.parametrize("path", ["/welcome/", "//evil.example/"])
def test_two_steps_lead_there_after_the_second(
    invited_client: Client, commit: Any, path: str
) -> None:
    InvitationKey.objects.update(destination=path)
    with commit():
        landed = invited_client.post("/invited-default/register/", FORM)["Location"]
    assert landed == "/accounts/register/complete/"
    landed = scenes.activate(
        invited_client, f"/invited-default/activate/{activation_key()}/", PASSWORD
    )["Location"]
    assert landed == ("/welcome/" if path == "/welcome/" else "/accounts/activate/complete/")


# What a backend says when the account of a link has gone


def test_default_backend_activates_nobody_by_a_wrong_key(rf: RequestFactory) -> None:
    assert DefaultBackend().activate(rf.post("/"), activation_key="ab" * 32) is None
    assert DefaultBackend().activation_account(rf.get("/"), activation_key="ab" * 32) is None


def test_a_wrapped_backend_that_activates_nobody_records_nothing(invited_client: Client) -> None:
    invited_client.post("/invited-two_step/register/", FORM)
    page = invited_client.post("/invited-two_step/activate/wrong/")
    assert page.templates[0].name == "registration/activate.html"
    assert Acceptance.objects.get().activated_at is None


def test_an_account_that_was_deleted_meanwhile_is_not_activated(
    invited_client: Client, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with commit():
        invited_client.post("/invited-default/register/", FORM)
    monkeypatch.setattr("invitation.flows.arriving.lock_account", lambda pk: False)
    page = scenes.activate(
        invited_client, f"/invited-default/activate/{activation_key()}/", PASSWORD
    )
    assert page.templates[0].name == "registration/activate.html"
    assert not newcomer().is_active
