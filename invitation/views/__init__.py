"""Pages for inviting, for managing invitations, and for opening an invitation.

``invite``, ``invited`` and ``register`` are callables that a URLconf can use, as in 1.0.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse_lazy
from django.utils.module_loading import import_string

from invitation.gate import on_a_site
from invitation.gate.atomic_requests import own_transactions
from invitation.views.accepting import (
    AcceptView,
    ReceivedAcceptView,
    ReceivedDeclineView,
    ReceivedListView,
)
from invitation.views.inviting import InvitationCompleteView, InviteView, MemberMixin
from invitation.views.joining import JoinView, JoinWordView
from invitation.views.lists import (
    InviteListConfirmView,
    InviteListOutcomeView,
    InviteListProgressView,
    InviteListView,
)
from invitation.views.managing import (
    InvitationActionView,
    InvitationDetailView,
    InvitationEditView,
    InvitationLinkView,
    InvitationListView,
)
from invitation.views.opening import CarriedInvitationView, DeclineView, InvitedView, LandingView
from invitation.views.previewing import MailPreviewView
from invitation.views.renewing import InvitationRenewView, RenewalRequestView
from invitation.views.sharing import (
    SharedLinkActionView,
    SharedLinkDetailView,
    SharedLinkEditView,
    SharedLinkListView,
    ShareView,
)
from invitation.views.unsubscribing import UnsubscribeView

__all__ = [
    "AcceptView",
    "CarriedInvitationView",
    "DeclineView",
    "InvitationActionView",
    "InvitationCompleteView",
    "InvitationDetailView",
    "InvitationEditView",
    "InvitationLinkView",
    "InvitationListView",
    "InvitationRenewView",
    "InviteListConfirmView",
    "InviteListOutcomeView",
    "InviteListProgressView",
    "InviteListView",
    "InviteView",
    "InvitedView",
    "JoinView",
    "JoinWordView",
    "LandingView",
    "MailPreviewView",
    "MemberMixin",
    "ReceivedAcceptView",
    "ReceivedDeclineView",
    "ReceivedListView",
    "RenewalRequestView",
    "ShareView",
    "SharedLinkActionView",
    "SharedLinkDetailView",
    "SharedLinkEditView",
    "SharedLinkListView",
    "UnsubscribeView",
    "invite",
    "invited",
    "register",
]


@own_transactions
@on_a_site
def invite(request: HttpRequest, **options: Any) -> HttpResponseBase:
    """Let a member invite; takes 1.0's ``success_url``, ``form_class``, ``template_name``."""
    options.setdefault("success_url", reverse_lazy("invitation_complete"))  # as in 1.0
    response: HttpResponseBase = InviteView.as_view(**options)(request)
    return response


@own_transactions
@login_not_required
@on_a_site
def invited(request: HttpRequest, invitation_key: str = "", **options: Any) -> HttpResponseBase:
    """Take the key from the link and redirect to the landing page."""
    view = InvitedView.as_view(**options)
    response: HttpResponseBase = view(request, invitation_key=invitation_key)
    return response


@own_transactions
@login_not_required
@on_a_site
def register(request: HttpRequest, **options: Any) -> HttpResponseBase:
    """Let the holder of a key register, in redux's two steps.

    Takes ``success_url``, ``form_class``, ``template_name`` and ``extra_context``, as in 1.0.
    """
    # Imported by name: only the backends know a registration host, and a site may use another one.
    view = import_string("invitation.backends.default.views.RegistrationView")
    response: HttpResponseBase = view.as_view(**options)(request)
    return response
