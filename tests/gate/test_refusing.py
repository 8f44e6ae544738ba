"""The page of a refusal, and the addresses on it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import NoReverseMatch

from invitation import gate
from invitation.exceptions import KeyRefused


class Snowed(KeyRefused):
    """A reason of a site's own."""

    code = "snowed_in"


@pytest.mark.django_db
def test_a_reason_that_no_page_knows_is_shown_as_a_link_that_opens_nothing() -> None:
    request: Any = RequestFactory().get("/accounts/invited/")
    request.user = AnonymousUser()
    page = gate.refuse(request, Snowed("It snows."), key="")
    assert "This link is not an invitation" in page.content.decode()
    assert page.status_code == Snowed.status


def test_a_path_is_the_address_itself_and_a_name_that_of_its_page() -> None:
    assert gate.page_url("/a/path/?x=1") == "/a/path/?x=1"
    assert gate.page_url("home") == "/"
    assert gate.page_url("https://example.org/in/") == "https://example.org/in/"
    with pytest.raises(NoReverseMatch):
        gate.page_url("nowhere")
