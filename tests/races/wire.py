"""Speak WSGI to the site, as its server does, from any number of threads.

Not Django's test client: it connects signals at each request, which every other thread then
pays for, and it raises what a visitor would see as an error page.
"""

from __future__ import annotations

import io
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.test import Client, RequestFactory

CSRF = "c" * 32
#: Status of the page that asks to try again.
BUSY = 503


@dataclass(frozen=True)
class Answer:
    """Hold what the site has answered."""

    status: int
    location: str
    text: str


class Site:
    """Be a site that runs; it remembers why it answered with an error page."""

    #: Whether visitors do what the page says that asks to try again, and how often they had to.
    #: Without this, that page is a failure.
    tries_again = False

    def __init__(self) -> None:
        self.busy: list[str] = []
        self._handler = WSGIHandler()
        self._local = threading.local()
        self._requests = RequestFactory()
        got_request_exception.connect(self._remember)

    def close(self) -> None:
        """Stop listening."""
        got_request_exception.disconnect(self._remember)

    def _remember(self, **kwargs: Any) -> None:
        self._local.error = traceback.format_exc()

    def post(
        self, path: str, form: Mapping[str, Any], cookies: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a form, with a CSRF token, and return the answer; an error page is a failure."""
        jar = SimpleCookie({"csrftoken": CSRF, **(cookies or {})})
        request = self._requests.post(
            path,
            {"csrfmiddlewaretoken": CSRF, **form},
            headers={"cookie": jar.output(header="", sep=";").strip(), "host": "example.com"},
        )
        answer = self._send(request.environ)
        if answer.status == BUSY:
            self.busy.append(path)
            return self.post(path, form, cookies)
        return answer

    def get(self, path: str) -> Answer:
        """Get a page."""
        return self._send(self._requests.get(path, headers={"host": "example.com"}).environ)

    def _send(self, environ: dict[str, Any]) -> Answer:
        head: list[Any] = []
        self._local.error = ""
        environ["wsgi.errors"] = io.StringIO()
        response = self._handler(environ, lambda *line: head.extend(line[:2]))
        try:
            text = b"".join(response).decode()
        finally:
            response.close()
        status = int(head[0].split()[0])
        told = f"{head[0]}\n{self._local.error}"
        assert status < 500 or (self.tries_again and status == BUSY), told
        return Answer(status, dict(head[1]).get("Location", ""), text)


def session_of(user: Any) -> dict[str, str]:
    """Return the cookies of a browser in which somebody is logged in."""
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}
