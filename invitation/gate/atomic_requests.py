"""Views that begin their own transactions where ATOMIC_REQUESTS is on.

A transaction around a request holds every lock until the response is ready. Requests take locks in
different orders, so two of them can deadlock. The flows of this app always take locks in the same
order, and hold them only for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class EveryDatabase(set[str]):
    """Set that contains the name of every database."""

    def __contains__(self, alias: object) -> bool:
        """Return ``True``."""
        return True


def own_transactions(view: View) -> View:
    """Mark a view so that Django puts no transaction around it, and return it."""
    view._non_atomic_requests = EveryDatabase()  # type: ignore[attr-defined]
    return view


def has_own_transactions(view: Callable[..., Any], alias: str) -> bool:
    """Return whether Django puts no transaction around a view on this database."""
    return alias in getattr(view, "_non_atomic_requests", ())


class OwnTransactionsMixin:
    """Mixin for a class-based view that begins its own transactions."""

    #: Whether the view begins its own transactions. With ``False``, ATOMIC_REQUESTS puts one
    #: transaction around the request.
    own_transactions: bool = True

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the marked view.

        The mark is set here because a subclass may override ``dispatch``.
        """
        view: Callable[..., Any] = super().as_view(**initkwargs)  # type: ignore[misc]
        if initkwargs.get("own_transactions", cls.own_transactions):
            return own_transactions(view)
        return view
