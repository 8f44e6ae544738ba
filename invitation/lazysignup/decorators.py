"""Decorators for views, synchronous or not, and mixins for class-based views."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.decorators import classonlymethod

from invitation.lazysignup.guests import is_lazy_user, prepare

View = Callable[..., Any]
#: Step before a view; its response, if any, takes the place of that of the view.
Step = Callable[[HttpRequest], "HttpResponseBase | None"]


def before(step: Step, view: View | None) -> View:
    """Return the view with a step before it; without a view, return a decorator."""
    if view is None:
        return partial(before, step)

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return step(request) or view(request, *args, **kwargs)

    @wraps(view)
    async def async_page(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = await sync_to_async(step)(request)
        # The view awaits it, and finds the account of a guest whom the step has made.
        vars(request)["auser"] = sync_to_async(partial(getattr, request, "user"))
        return response or await view(request, *args, **kwargs)

    return async_page if iscoroutinefunction(view) else page


def allow_lazy_user(view: View | None = None, *, on_get: bool | None = None) -> View:
    """Return the view; an anonymous visitor who does something there becomes a guest.

    By default, that is a POST. ``on_get=True`` makes guests of visitors who look, too, but never of
    robots. A visitor who may not become a guest stays anonymous.
    """
    return before(partial(prepare, on_get=on_get), view)


#: Names in lazysignup 0.1 and in django-guest-user.
allow_lazy = allow_guest_user = allow_lazy_user


def require_lazy_user(*redirect_args: Any, **redirect_kwargs: Any) -> Callable[[View], View]:
    """Return a decorator for a view of guests only; the arguments are those of ``redirect``."""
    to = partial(redirect, *redirect_args, **redirect_kwargs)
    return partial(before, lambda request: None if is_lazy_user(request.user) else to())


def require_nonlazy_user(*redirect_args: Any, **redirect_kwargs: Any) -> Callable[[View], View]:
    """Return a decorator for a view without guests; the arguments are those of ``redirect``."""
    to = partial(redirect, *redirect_args, **redirect_kwargs)
    return partial(before, lambda request: to() if is_lazy_user(request.user) else None)


def guest_user_required(
    view: View | None = None, anonymous_url: Any = None, registered_url: Any = None
) -> View:
    """Return the view for guests only; others are redirected to these pages."""

    def step(request: HttpRequest) -> HttpResponseBase | None:
        if is_lazy_user(request.user):
            return None
        if request.user.is_anonymous:
            return redirect(anonymous_url or settings.LOGIN_URL)
        return redirect(registered_url or settings.LOGIN_REDIRECT_URL)

    return before(step, view)


def regular_user_required(
    view: View | None = None,
    login_url: Any = None,
    convert_url: Any = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> View:
    """Return the view for people with an account; others can log in, or sign up, and come back."""

    def step(request: HttpRequest) -> HttpResponseBase | None:
        if request.user.is_anonymous:
            to = login_url or settings.LOGIN_URL
        elif is_lazy_user(request.user):
            to = convert_url or "lazysignup_convert"
        else:
            return None
        return redirect_to_login(request.get_full_path(), resolve_url(to), redirect_field_name)

    return before(step, view)


class GuestStepMixin:
    """Mixin for a class-based view with a step before it."""

    def before_view(self, view: View) -> View:
        """Return the function of the view, with the step."""
        raise NotImplementedError

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> View:  # noqa: N805 (a class method, as in Django)
        """Return the view with the step before it."""
        view: View = super().as_view(**initkwargs)  # type: ignore[misc]
        return cls(**initkwargs).before_view(view)


class AllowGuestUserMixin(GuestStepMixin):
    """Mixin: an anonymous visitor who does something becomes a guest."""

    #: Whether visitors who look become guests, too; ``None`` asks LAZYSIGNUP_ON_GET.
    guests_on_get: bool | None = None

    def before_view(self, view: View) -> View:
        """Return the view with ``allow_lazy_user``."""
        return allow_lazy_user(view, on_get=self.guests_on_get)


class GuestUserRequiredMixin(GuestStepMixin):
    """Mixin for a view of guests only."""

    anonymous_url: Any = None
    registered_url: Any = None

    def before_view(self, view: View) -> View:
        """Return the view with ``guest_user_required``."""
        return guest_user_required(view, self.anonymous_url, self.registered_url)


class RegularUserRequiredMixin(GuestStepMixin):
    """Mixin for a view of people with an account."""

    login_url: Any = None
    convert_url: Any = None
    redirect_field_name: str = REDIRECT_FIELD_NAME

    def before_view(self, view: View) -> View:
        """Return the view with ``regular_user_required``."""
        to = (self.login_url, self.convert_url, self.redirect_field_name)
        return regular_user_required(view, *to)


#: Names beside those of lazysignup's decorators.
AllowLazyUserMixin = AllowGuestUserMixin
