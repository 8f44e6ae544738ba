"""Claims of the invitation that a request carries, for any code that creates accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

from invitation.conf import conf
from invitation.exceptions import KeyRefused
from invitation.flows import arriving
from invitation.flows.after_commit import writing
from invitation.gate.carried_keys import given_key, open_carried

#: Names of the attributes that a request gets.
CARRIED, CLAIMED = "_invitation_carried", "_invitation_claimed"
GUEST = "_invitation_guest"
UNDER_WAY = "_invitation_claim_under_way"

#: Request whose gated view is running; ``None`` outside of such a view.
_gated: ContextVar[HttpRequest | None] = ContextVar("invitation_gated_request", default=None)


def carried(request: HttpRequest) -> arriving.Opened | KeyRefused:
    """Return the invitation that a request carries, or why there is none.

    The first call makes one query, or none without a key. The request keeps the answer.
    """
    inner = _innermost(request)
    if not hasattr(inner, CARRIED):
        # A framework that wraps the request has read its body.
        given = given_key(request) if inner is not request else ""
        try:
            setattr(inner, CARRIED, open_carried(inner, given))
        except KeyRefused as refusal:
            setattr(inner, CARRIED, refusal)
    found: arriving.Opened | KeyRefused = getattr(inner, CARRIED)
    return found


def carry(request: HttpRequest, key: str) -> None:
    """Let a request carry this key, and forget what it carried before."""
    inner = _innermost(request)
    try:
        found: arriving.Opened | KeyRefused = open_carried(inner, key)
    except KeyRefused as refusal:
        found = refusal
    setattr(inner, CARRIED, found)


def may_sign_up(request: HttpRequest) -> bool:
    """Return whether a request may create an account: the gate. Costs what ``carried`` costs."""
    return not conf.INVITE_MODE or isinstance(carried(request), arriving.Opened)


def claimed(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that this request has used for a new account, or ``None``."""
    used: arriving.Opened | None = getattr(_innermost(request), CLAIMED, None)
    return used


def is_claiming(request: HttpRequest) -> bool:
    """Return whether the block of a claim of this request is running."""
    return hasattr(_innermost(request), UNDER_WAY)


def opened_for_claim(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that the running block of a claim uses, or ``None``."""
    under_way: arriving.Claim | None = getattr(_innermost(request), UNDER_WAY, None)
    return None if under_way is None else under_way.opened


@contextmanager
def claim_under_way(request: HttpRequest, claim: arriving.Claim | None = None) -> Iterator[None]:
    """Let the block create accounts: it claims the invitation of this request."""
    inner = _innermost(request)
    setattr(inner, UNDER_WAY, claim)
    try:
        yield
    finally:
        vars(inner).pop(UNDER_WAY, None)


@contextmanager
def guarding(request: HttpRequest) -> Iterator[None]:
    """Run a gated view in the block: an account that it creates without a claim is an error."""
    token = _gated.set(request)
    try:
        yield
    finally:
        _gated.reset(token)


def forgets_claim() -> bool:
    """Return whether a gated view is running, and creates an account outside of its claim."""
    request = _gated.get()
    return request is not None and conf.INVITE_MODE and not is_claiming(request)


@contextmanager
def claiming(request: HttpRequest, email: str = "") -> Iterator[arriving.Claim]:
    """Use the invitation of a request for the account that the block creates: both, or neither.

    The block sets ``user`` of the claim to the new account. ``email`` is the address of the new
    account. Hash its password before the block, because the block locks the invitation.

    With INVITE_MODE off, an invitation is not needed. The block then runs in a transaction, and an
    invitation that does not admit the address is not used.

    Raises the ``KeyRefused`` that says why there is no invitation, or ``AddressMismatch``. Raises
    ``ValueError`` if the block sets no account.
    """
    opened = carried(request)
    with ExitStack() as stack:
        under_way = _begin(stack, opened, email)
        stack.enter_context(claim_under_way(request, under_way))
        yield under_way
        if under_way.user is None:
            raise ValueError("The block that claims an invitation must set the claim's user.")
    inner = _innermost(request)
    vars(inner).pop(CARRIED, None)
    setattr(inner, CLAIMED, under_way.opened)


def _begin(stack: ExitStack, opened: arriving.Opened | KeyRefused, email: str) -> arriving.Claim:
    """Begin the claim, or only a transaction where no invitation is needed."""
    if isinstance(opened, KeyRefused):
        if conf.INVITE_MODE:
            raise opened
    elif conf.INVITE_MODE:
        return stack.enter_context(arriving.claiming(opened, email=email))
    elif opened.admits(email):
        try:
            return stack.enter_context(arriving.claiming(opened, email=email))
        except KeyRefused:
            pass  # Somebody was faster. No invitation is needed.
    stack.enter_context(writing())
    return arriving.Claim(None)


def _innermost(request: Any) -> HttpRequest:
    """Return Django's request, which the request of an API framework may wrap.

    Its attributes are not held in a variable: an error report would print the headers that the site
    hides.
    """
    inner: HttpRequest = getattr(request, "_request", request)
    return inner


# -- guests: accounts that exist before anybody signs up --------------------------------------


#: What an optional app does with its guests: it finds the one of a request, and finishes one that
#: has signed up, in the transaction of the claim.
_guests: list[tuple[Callable[[HttpRequest], Any], Callable[[HttpRequest, Any], None]]] = []


def know_guests(
    find: Callable[[HttpRequest], Any], finish: Callable[[HttpRequest, Any], None]
) -> None:
    """Let the sign-up pages know the guests of an optional app."""
    if (find, finish) not in _guests:
        _guests.append((find, finish))


def guest_of(request: HttpRequest) -> Any:
    """Return the account that this visitor has as a guest, or ``None``.

    Signing up makes a regular user of it, with the same id.
    """
    inner = _innermost(request)
    if GUEST not in vars(inner):
        found = (find(inner) for find, _finish in _guests)
        setattr(inner, GUEST, next((guest for guest in found if guest is not None), None))
    return getattr(inner, GUEST)


def is_member(request: HttpRequest) -> bool:
    """Return whether somebody is logged in who is not a guest."""
    return request.user.is_authenticated and guest_of(request) is None


def finish_guest(request: HttpRequest, user: Any) -> None:
    """Make a regular user of the guest of a request, if this is the account of the guest.

    Call it in the transaction that saves the account.
    """
    guest = guest_of(request)
    if guest is not None and guest.pk == user.pk:
        for _find, finish in _guests:
            finish(_innermost(request), user)
        setattr(_innermost(request), GUEST, None)
