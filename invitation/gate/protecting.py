"""Headers of pages with a key or with people's addresses."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_cache_control


def protect(response: HttpResponseBase, referrer_policy: str = "same-origin") -> None:
    """Keep a page with a key out of caches, search engines and foreign Referer headers.

    A page that may contain a form needs ``same-origin``, not ``no-referrer``. With ``no-referrer``,
    browsers post the form with ``Origin: null``. Django's CSRF protection refuses that.
    """
    if response.has_header("Cache-Control"):
        patch_cache_control(response, no_store=True, private=True)
    else:
        response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = referrer_policy
    response["X-Robots-Tag"] = "noindex"


class ProtectedMixin:
    """Mixin for views whose pages stay out of caches, because they show people's addresses."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the response, with headers that forbid caches and search engines to keep it."""
        # type: ignore: the view that it is mixed into has the method.
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        protect(response)
        return response
