"""Whatever breaks in the middle of a page, and whoever writes it down: no report holds a secret."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.core import mail
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.log import AdminEmailHandler

from invitation import keys
from invitation.delivery import texts
from invitation.flows import mail as mail_room
from invitation.flows import sharing
from invitation.keys import qr, sites, unsubscribing
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import DECLINE, LANDING, NEWCOMER, REGISTER, RENEWAL, answers

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

ACTIVATION_KEY = "0123456789abcdef" * 4


class TalkativeHandler(logging.Handler):
    """Write all that a record holds, as JSON formatters and error trackers do by themselves."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        told: dict[str, Any] = {name: str(value) for name, value in vars(record).items()}
        told["message"] = record.getMessage()
        told["plain"] = logging.Formatter().format(record)
        if record.exc_info:
            error = record.exc_info[1]
            told["trace"] = list(
                traceback.TracebackException(*record.exc_info, capture_locals=True).format()
            )
            told["error"] = [repr(error), str(error), repr(error.args), repr(vars(error))]
        request = getattr(record, "request", None)
        if request is not None:
            told["request"] = [repr(request), str(request.META), str(request.resolver_match)]
        self.lines.append(json.dumps(told))


class Scene:
    """A member's invitation and shared link, and all that opens them."""

    def __init__(self, member: Any) -> None:
        self.member = scenes.may_share(member)
        self.personal = scenes.invite(self.member)
        terms: dict[str, Any] = {"label": "", "max_uses": 3, "expires_at": None}
        self.shared = sharing.share(self.member, **terms)
        self.token = str(unsubscribing.make_token(NEWCOMER))
        url = sites.absolute(scenes.link(self.shared.key), self.shared.site_id)
        self.secrets = {
            "mailed key": str(self.personal.mail_key).split(".")[1],
            "copied key": str(self.personal.key).split(".")[1],
            "shared key": str(self.shared.key).split(".")[1],
            "code": str(self.shared.code),
            "unsubscribe token": self.token.split(".")[1],
            "drawing": str(qr.svg(url))[150:400],
            "activation key": ACTIVATION_KEY,
        }

    def answers(self) -> Iterator[HttpResponse]:
        """Go to every page that knows a secret, in every way in which one can be told."""
        owner = Client(raise_request_exception=False)
        owner.force_login(self.member)
        yield owner.get(reverse("invitation_shared_detail", args=[self.shared.pk]))
        yield owner.get(reverse("invitation_link", args=[self.personal.pk]))
        for key in (str(self.personal.mail_key), str(self.shared.key)):
            said = {"referer": f"https://example.com{scenes.link(key)}"}
            carrying = Client(raise_request_exception=False, headers=said)
            carrying.cookies["invitation_key"] = carrying.cookies["invitation_ended_key"] = key
            for page in (LANDING, DECLINE, RENEWAL):
                yield carrying.get(page)
        anybody = Client(raise_request_exception=False)
        yield anybody.get(REGISTER, {"registration_key": str(self.shared.key)})
        yield anybody.post(REGISTER, answers(invitation_key=str(self.personal.mail_key)))
        stranger = Client(raise_request_exception=False)
        yield stranger.get(reverse("invitation_unsubscribe", args=[self.token]))
        yield stranger.post(reverse("invitation_join"), {"code": str(self.shared.code)})
        yield stranger.get(f"/accounts/activate/{ACTIVATION_KEY}/")

    def told_in(self, text: str) -> list[str]:
        """Return which of the secrets a text holds."""
        return [name for name, secret in self.secrets.items() if secret in text]


@pytest.fixture
def scene(member: Any) -> Scene:
    return Scene(member)


@pytest.fixture
def written(settings: Any) -> Iterator[Callable[[], str]]:
    """Return what a site's handlers have written and emailed, when it is asked for."""
    mail.outbox.clear()
    settings.ADMINS = ["boss@example.com"] if django.VERSION >= (6, 0) else [("B", "b@example.com")]
    talkative, mailing = TalkativeHandler(), AdminEmailHandler(include_html=True)
    mailing.setLevel(logging.ERROR)
    root, djangos = logging.getLogger(), logging.getLogger("django")
    before = djangos.handlers[:]
    djangos.handlers.clear()
    root.addHandler(talkative)
    root.addHandler(mailing)

    def text() -> str:
        mails = [
            part
            for one in mail.outbox
            if str(one.subject).startswith("[Django]")
            for part in (one.subject, str(one.body), str(one.alternatives))  # type: ignore[attr-defined]
        ]
        return "\n".join([*talkative.lines, *mails])

    yield text
    for handler in (talkative, mailing):
        root.removeHandler(handler)
    djangos.handlers[:] = before


#: What a template of a site may get wrong in the middle of any page, whose context is there then.
BROKEN = {
    "no reverse match": "{% url 'nowhere' invitation_url invitation_key code qr_code %}",
    "no reverse match by name": "{% url 'nowhere' key=invitation_key|default:code %}",
    "no such variable": "{{ ''|default:nowhere }}",
    "no such template": "{% include 'nowhere.html' %}",
}


def break_pages(settings: Any, folder: Any, template: str) -> None:
    """Let every page of ours end with this."""
    (folder / "invitation").mkdir()
    words = "{% block content %}{% endblock %}" + template
    (folder / "invitation" / "base.html").write_text(words)
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [folder]}]


@pytest.mark.parametrize("template", BROKEN.values(), ids=BROKEN)
def test_a_template_that_fails_tells_none(
    settings: Any, tmp_path: Any, scene: Scene, written: Callable[[], str], template: str
) -> None:
    break_pages(settings, tmp_path, template)
    failed = [response.status_code for response in scene.answers()]
    assert failed.count(500) > 8
    text = written()
    assert "Traceback" in text
    assert "nowhere" in text
    assert scene.told_in(text) == []


def test_a_variable_that_is_missing_is_logged_without_them(
    settings: Any, tmp_path: Any, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    break_pages(settings, tmp_path, "{{ nowhere }}{% if nowhere %}{% endif %}")
    talkative, templates = TalkativeHandler(), logging.getLogger("django.template")
    templates.addHandler(talkative)
    with caplog.at_level(logging.DEBUG, "django.template"):
        assert {response.status_code for response in scene.answers()} <= {200, 302, 405}
    templates.removeHandler(talkative)
    text = "\n".join(talkative.lines)
    assert "Failed lookup for key [nowhere]" in text
    assert scene.told_in(text) == []


def quoting(key: object) -> Exception:
    """Return an error of a site's own code that quotes a secret in every way that there is."""
    inner = KeyError(key)
    outer: Exception = ValueError(f"no room for {key}", {"deep": [str(key).encode()]})
    outer.__cause__, outer.__context__ = inner, LookupError(f"before {key}")
    outer.more = {"key": key}  # type: ignore[attr-defined]
    if sys.version_info >= (3, 11):
        outer.add_note(f"it was {key}")
        return ExceptionGroup(  # noqa: F821 (new in Python 3.11)
            f"all of {key}", [outer, UnicodeDecodeError("ascii", str(key).encode(), 0, 1, "x")]
        )
    return outer


@pytest.mark.parametrize("kind", [pytest.param("code", marks=pytest.mark.long), "database"])
def test_a_view_that_fails_tells_none(
    monkeypatch: pytest.MonkeyPatch, scene: Scene, written: Callable[[], str], kind: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        for key in (scene.shared.code, scene.token, scene.personal.mail_key, scene.shared.key):
            held = {"key": str(key), "more": [str(key)], "drawn": str(qr_svg(str(key)))}
        quoted = f"{key} {scene.personal.key} {scene.shared.code} {held['drawn']} {scene.token}"
        raise quoting(quoted) if kind == "code" else OperationalError(f"locked: {quoted}")

    qr_svg = qr.svg
    monkeypatch.setattr(qr, "svg", fail)
    monkeypatch.setattr(texts, "inviter_name", fail)
    monkeypatch.setattr(mail_room, "unsubscribe", fail)
    monkeypatch.setattr(sharing, "join", fail)
    failed = [response.status_code for response in scene.answers()]
    assert failed.count(500) > 4
    assert "in fail" in written()
    assert scene.told_in(written()) == []


def test_the_debug_page_tells_none(
    settings: Any, monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise quoting(f"{scene.personal.mail_key} {scene.shared.code}")

    monkeypatch.setattr(qr, "svg", fail)
    monkeypatch.setattr(texts, "inviter_name", fail)
    settings.DEBUG = True
    shown = [answer.content.decode() for answer in scene.answers() if answer.status_code == 500]
    assert len(shown) > 4
    for page in shown:
        assert "no room for" in page
        assert scene.told_in(page) == []


def test_what_a_page_is_made_of_tells_none_when_it_is_printed(scene: Scene) -> None:
    owner = Client()
    owner.force_login(scene.member)
    page = owner.get(reverse("invitation_shared_detail", args=[scene.shared.pk]))
    assert set(scene.told_in(page.content.decode())) == {"shared key", "code", "drawing"}
    assert "qr_code" in repr(list(page.context))
    assert scene.told_in(repr(list(page.context))) == []


def test_the_very_exception_reaches_the_sites_own_handlers(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    raised: Exception = quoting(scene.shared.key)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise raised

    monkeypatch.setattr(texts, "inviter_name", fail)
    visitor = scenes.visit(scene.shared)
    with pytest.raises(type(raised)) as caught:
        visitor.get(LANDING)
    assert caught.value is raised
    assert str(scene.shared.key) in str(raised)
    assert isinstance(InvitationKey.objects.get(pk=scene.shared.pk).key, keys.Secret)
