"""What the reader of an activation email does."""

from __future__ import annotations

from typing import Any

from django.core.mail import EmailMessage
from django.test import Client

from tests import scenes

COMPLETE = "/accounts/activate/complete/"


def link_in(email: EmailMessage) -> str:
    """Return the path of the activation link."""
    return scenes.path_in(email, part="/activate/")


def typed(page: Any, password: str = scenes.PASSWORD) -> dict[str, Any]:
    """Return what a reader of the email posts from the page of its link."""
    form = page.context["form"]
    hidden = {field.html_name: field.value() for field in form.hidden_fields()}
    return hidden | {field.html_name: password for field in form.visible_fields()}


def follow(browser: Client, email: EmailMessage, password: str = scenes.PASSWORD) -> Any:
    """Open the link of an activation email, and do what its page asks for."""
    page = browser.get(link_in(email))
    if page.status_code != 200:
        return page
    return browser.post(link_in(email), typed(page, password))
