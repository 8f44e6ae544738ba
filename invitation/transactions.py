"""Let our views begin their own transactions where ATOMIC_REQUESTS is on.

One transaction around a request holds every lock until the answer is made, in whatever order the
request took them. Two such requests end each other. Our verbs lock in one order, for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class EveryDatabase(set[str]):
    """The names of all databases, whichever the site has."""

    def __contains__(self, alias: object) -> bool:
        """Return ``True``."""
        return True


def own_transactions(view: View) -> View:
    """Mark a view as one around which Django puts no transaction, and return it."""
    view._non_atomic_requests = EveryDatabase()  # type: ignore[attr-defined]
    return view


def has_own_transactions(view: Callable[..., Any], alias: str) -> bool:
    """Tell whether Django puts no transaction around a view on this database."""
    return alias in getattr(view, "_non_atomic_requests", ())


class OwnTransactionsMixin:
    """A class-based view that begins its own transactions."""

    #: ``False`` lets ATOMIC_REQUESTS put one transaction around the request.
    own_transactions: bool = True

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view; marked here, as a subclass may override ``dispatch``."""
        view: Callable[..., Any] = super().as_view(**initkwargs)  # type: ignore[misc]
        if initkwargs.get("own_transactions", cls.own_transactions):
            return own_transactions(view)
        return view
