"""Errors of this app."""

from __future__ import annotations


class NotLazyError(TypeError):
    """Error for an account that is not that of a guest."""


class TooManyGuests(Exception):
    """Error for a client, or a site, that has made too many guests; ``seconds`` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many new guests. Try again in {seconds} seconds.")
        self.seconds = seconds


#: Name in django-guest-user.
NotGuestError = NotLazyError
