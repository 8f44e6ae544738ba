"""Views that begin their own transactions where ATOMIC_REQUESTS is on.

A transaction around a request holds every lock until the response is ready. Requests take locks in
different orders, so two of them can deadlock. The flows of this app always take locks in the same
order, and hold them only for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, TypeVar

from django.db import connections, transaction

from invitation.gate.busy import answering_busy

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
    """Return whether no transaction is put around a view on this database."""
    return alias in getattr(view, "_non_atomic_requests", ())


def answering(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view, with a page in place of the error if the database undid its changes.

    Where ATOMIC_REQUESTS asks for a transaction around the view, it begins here. So an error, also
    one of its commit, has rolled it back before the page is made.
    """

    @wraps(view)
    def in_transaction(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            for connection in connections.all():
                atomic = connection.settings_dict["ATOMIC_REQUESTS"]
                if atomic and not has_own_transactions(view, connection.alias):
                    stack.enter_context(transaction.atomic(using=connection.alias))
            return view(*args, **kwargs)

    page = own_transactions(answering_busy(in_transaction))
    vars(page)["answered_view"] = view
    return page


def innermost(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view that ``answering`` has wrapped, perhaps more than once."""
    while hasattr(view, "answered_view"):
        view = view.answered_view
    return view


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
            own_transactions(view)
        return answering(view)
