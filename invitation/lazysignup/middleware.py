"""Middleware that knows guests without a query, and keeps what they have when they log in."""

from __future__ import annotations

from copy import copy
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from invitation.lazysignup import late_login
from invitation.lazysignup.guests import recognise


class LazySignupMiddleware:
    """Middleware to put right after ``AuthenticationMiddleware``. It runs no query of its own.

    The one exception is a statement that records the activity of a guest, at most once in an hour.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Prepare the request, and return the response of the site."""
        late_login.watch(request)
        user = request.user

        def recognised() -> Any:
            # A copy has not looked yet. A host may let us look again, into another session.
            return recognise(request, copy(user))

        request.user = SimpleLazyObject(recognised)  # type: ignore[assignment]
        vars(request)["auser"] = sync_to_async(recognised)
        return self.get_response(request)
