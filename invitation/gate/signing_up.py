"""Claims of the invitation that a request carries, for any code that creates accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from django.http import HttpRequest

from invitation.conf import conf
from invitation.exceptions import KeyRefused
from invitation.flows import arriving
from invitation.flows.after_commit import writing
from invitation.gate.carried_keys import given_key, open_carried
from invitation.gate.keeping_guests import innermost, keeping_guest, leave_guest

#: Names of the attributes that a request gets.
CARRIED, CLAIMED = "_invitation_carried", "_invitation_claimed"
UNDER_WAY = "_invitation_claim_under_way"

#: Request whose gated view is running; ``None`` outside of such a view.
_gated: ContextVar[HttpRequest | None] = ContextVar("invitation_gated_request", default=None)


def carried(request: HttpRequest) -> arriving.Opened | KeyRefused:
    """Return the invitation that a request carries, or why there is none.

    The first call makes one query, or none without a key. The request keeps the answer.
    """
    inner = innermost(request)
    if not hasattr(inner, CARRIED):
        # A framework that wraps the request has read its body.
        given = given_key(request) if inner is not request else ""
        try:
            setattr(inner, CARRIED, open_carried(inner, given))
        except KeyRefused as refusal:
            setattr(inner, CARRIED, refusal)
    found: arriving.Opened | KeyRefused = getattr(inner, CARRIED)
    return found


def may_sign_up(request: HttpRequest) -> bool:
    """Return whether a request may create an account: the gate. Costs what ``carried`` costs."""
    return not conf.INVITE_MODE or isinstance(carried(request), arriving.Opened)


def claimed(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that this request has used for a new account, or ``None``."""
    used: arriving.Opened | None = getattr(innermost(request), CLAIMED, None)
    return used


def is_claiming(request: HttpRequest) -> bool:
    """Return whether the block of a claim of this request is running."""
    return hasattr(innermost(request), UNDER_WAY)


def opened_for_claim(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that the running block of a claim uses, or ``None``."""
    under_way: arriving.Claim | None = getattr(innermost(request), UNDER_WAY, None)
    return None if under_way is None else under_way.opened


@contextmanager
def claim_under_way(request: HttpRequest, claim: arriving.Claim | None = None) -> Iterator[None]:
    """Let the block create accounts: it claims the invitation of this request."""
    inner = innermost(request)
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
    account. Hash its password before the block, because the block locks the invitation. A guest
    keeps the account if the block saves ``guest_of(request)``.

    With INVITE_MODE off, an invitation is not needed. The block then runs in a transaction, and an
    invitation that does not admit the address is not used.

    Raises the ``KeyRefused`` that says why there is no invitation, or ``AddressMismatch``. Raises
    ``ValueError`` if the block sets no account.
    """
    opened = carried(request)
    with ExitStack() as stack:
        under_way = _begin(stack, opened, email)
        made = stack.enter_context(keeping_guest(request))
        stack.enter_context(claim_under_way(request, under_way))
        yield under_way
        if under_way.user is None:
            raise ValueError("The block that claims an invitation must set the claim's user.")
        made.append(under_way.user)
    inner = innermost(request)
    vars(inner).pop(CARRIED, None)
    setattr(inner, CLAIMED, under_way.opened)
    leave_guest(request, under_way.user)


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
