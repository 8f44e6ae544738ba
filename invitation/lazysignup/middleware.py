"""Middleware that knows guests without a query, and keeps what they have when they log in."""

from __future__ import annotations

from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from invitation.lazysignup import guests, late_login


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
        known = SimpleLazyObject(partial(_recognised, request, user))
        request.user = known  # type: ignore[assignment]

        async def auser() -> Any:
            return await sync_to_async(_recognised)(request, user)

        vars(request)["auser"] = auser
        return self.get_response(request)


def _recognised(request: HttpRequest, user: Any) -> Any:
    """Return the account of the request, which then knows whether it is a guest."""
    guests.adopt(request)
    if user.is_authenticated:
        guests.recognise(request, user)
    return user
