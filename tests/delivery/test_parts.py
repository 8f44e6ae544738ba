"""The parts of an email: the HTML is left out where a site has words of its own in the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from invitation.delivery.email import EmailDelivery
from invitation.flows import inviting
from tests import scenes
from tests.factories import make_invitation, make_mail

pytestmark = pytest.mark.django_db

EMAIL = "invitation/invitation_email"
Override = Callable[..., None]


@pytest.fixture
def override(settings: Any, tmp_path: Path) -> Override:
    """Return a function that puts templates into a folder of the site."""

    def write(**templates: str) -> None:
        for name, text in templates.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        changed: Any = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        settings.TEMPLATES = changed

    return write


def parts_of(member: Any) -> tuple[str, list[str]]:
    """Return the text of an invitation email, and its other parts."""
    row = make_invitation(member)
    message = EmailDelivery().get_message(make_mail(row))
    assert isinstance(message, EmailMultiAlternatives)
    return str(message.body), [str(content) for content, _ in message.alternatives]


def test_without_templates_of_the_site_there_are_both(member: Any) -> None:
    text, (html,) = parts_of(member)
    assert "invites you to join" in text
    assert "invites you to join" in html


def test_with_a_text_of_the_site_our_html_is_left_out(member: Any, override: Override) -> None:
    override(invitation__invitation_email_dot_txt="Come! {{ invitation_url }}")
    text, others = parts_of(member)
    assert text.startswith("Come! https://")
    assert others == []


def test_with_both_of_the_site_both_are_sent(member: Any, override: Override) -> None:
    override(
        invitation__invitation_email_dot_txt="Come!",
        invitation__invitation_email_dot_html="<p>Come!</p>",
    )
    assert parts_of(member) == ("Come!", ["<p>Come!</p>"])


def test_an_html_of_the_site_goes_with_our_text(member: Any, override: Override) -> None:
    override(
        invitation__invitation_email_dot_html=f'{{% extends "invitation/email_base.html" %}}'
        f"{{% block content %}}{EMAIL}{{% endblock %}}"
    )
    text, (html,) = parts_of(member)
    assert "invites you to join" in text
    assert EMAIL in html


def test_another_subject_or_frame_changes_nothing(member: Any, override: Override) -> None:
    override(
        invitation__invitation_email_subject_dot_txt="Come",
        invitation__email_base_dot_html="<i>{% block content %}{% endblock %}</i>",
    )
    _, (html,) = parts_of(member)
    assert html.startswith("<i>")


def test_the_preview_shows_the_text_alone_too(member: Any, override: Override) -> None:
    override(invitation__invitation_email_dot_txt="Come!")
    shown = inviting.preview(member, "new@example.org")
    assert (shown.text, shown.html) == ("Come!", "")


@pytest.mark.parametrize("own", [False, True])
def test_the_same_goes_for_the_activation_email(
    settings: Any, override: Override, commit: Callable[..., Any], own: bool
) -> None:
    settings.INVITE_MODE = False
    if own:
        override(registration__activation_email_dot_txt="Activate: {{ activation_key }}")
    with commit():
        Client().post(scenes.REGISTER, scenes.answers())
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert str(message.body).startswith("Activate: ") is own
    assert len(message.alternatives) == (0 if own else 1)
