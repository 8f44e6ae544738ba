"""URL patterns of inviting and of opening an invitation, for every backend's URLconf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, URLResolver, path
from django.urls.resolvers import RegexPattern

from invitation import gate, views

#: Pages that look like a link without its slash. Django leads to the address with the slash.
_BESIDE_LINKS = frozenset(("invited/accept", "invited/decline", "invited/renewal"))


class _LinkPattern(RegexPattern):
    """Pattern of a link in an email, which matches also without its last slash.

    A program may cut off the slash with what follows it, and the site's APPEND_SLASH may be off.
    Links are made with the slash.
    """

    def match(self, path: str) -> Any:
        """Return what Django returns for the path with a slash at its end."""
        if path.endswith("/"):
            return super().match(path)
        return None if path in _BESIDE_LINKS else super().match(f"{path}/")


def _link(regex: str, view: Callable[..., Any], name: str) -> URLPattern:
    """Return the URL pattern of a link in an email."""
    return URLPattern(_LinkPattern(regex, name=name, is_endpoint=True), view, None, name)


_pages: list[URLPattern | URLResolver] = [
    # First the pages that most people open, because Django tries one pattern after the other.
    path("invited/", views.LandingView.as_view(), name="invitation_landing"),
    path("invited/accept/", views.AcceptView.as_view(), name="invitation_accept"),
    path("invited/decline/", views.DeclineView.as_view(), name="invitation_decline"),
    path(
        "invited/renewal/",
        views.RenewalRequestView.as_view(),
        name="invitation_request_renewal",
    ),
    # The key may be any text: a mail program may change the link, and this app's own page must
    # answer.
    _link(
        r"^invited/(?P<invitation_key>[\s\S]+)/\Z",
        views.InvitedView.as_view(),
        "invitation_invited",
    ),
    path("invite/", views.InviteView.as_view(), name="invitation_invite"),
    path("invite/complete/", views.InvitationCompleteView.as_view(), name="invitation_complete"),
    path("invite/list/", views.InviteListView.as_view(), name="invitation_invite_list"),
    path(
        "invite/list/confirm/",
        views.InviteListConfirmView.as_view(),
        name="invitation_invite_list_confirm",
    ),
    path(
        "invite/list/<uuid:batch>/",
        views.InviteListProgressView.as_view(),
        name="invitation_invite_list_progress",
    ),
    path(
        "invite/list/<uuid:batch>/outcome.csv",
        views.InviteListOutcomeView.as_view(),
        name="invitation_invite_list_outcome",
    ),
    path("invite/preview/", views.MailPreviewView.as_view(), name="invitation_preview"),
    path("invitations/", views.InvitationListView.as_view(), name="invitation_list"),
    path("invitations/<int:pk>/", views.InvitationDetailView.as_view(), name="invitation_detail"),
    path("invitations/<int:pk>/edit/", views.InvitationEditView.as_view(), name="invitation_edit"),
    path("invitations/<int:pk>/link/", views.InvitationLinkView.as_view(), name="invitation_link"),
    path(
        "invitations/<int:pk>/resend/",
        views.InvitationActionView.as_view(action="resend"),
        name="invitation_resend",
    ),
    path(
        "invitations/<int:pk>/extend/",
        views.InvitationActionView.as_view(action="extend"),
        name="invitation_extend",
    ),
    path(
        "invitations/<int:pk>/change-link/",
        views.InvitationActionView.as_view(action="change_link"),
        name="invitation_change_link",
    ),
    path(
        "invitations/<int:pk>/revoke/",
        views.InvitationActionView.as_view(action="revoke"),
        name="invitation_revoke",
    ),
    path("invitations/received/", views.ReceivedListView.as_view(), name="invitation_received"),
    path(
        "invitations/received/<int:pk>/accept/",
        views.ReceivedAcceptView.as_view(),
        name="invitation_received_accept",
    ),
    path(
        "invitations/received/<int:pk>/decline/",
        views.ReceivedDeclineView.as_view(),
        name="invitation_received_decline",
    ),
    path(
        "invitations/<int:pk>/renew/",
        views.InvitationRenewView.as_view(),
        name="invitation_renew",
    ),
    # As for the key below: a mail program may change the link, and this app's own page must answer.
    _link(
        r"^unsubscribe/(?P<token>[\s\S]+)/\Z",
        views.UnsubscribeView.as_view(),
        "invitation_unsubscribe",
    ),
    path("invite/link/", views.ShareView.as_view(), name="invitation_share"),
    path("invitations/links/", views.SharedLinkListView.as_view(), name="invitation_shared_list"),
    path(
        "invitations/links/<int:pk>/",
        views.SharedLinkDetailView.as_view(),
        name="invitation_shared_detail",
    ),
    path(
        "invitations/links/<int:pk>/edit/",
        views.SharedLinkEditView.as_view(),
        name="invitation_shared_edit",
    ),
    path(
        "invitations/links/<int:pk>/pause/",
        views.SharedLinkActionView.as_view(action="pause"),
        name="invitation_shared_pause",
    ),
    path(
        "invitations/links/<int:pk>/resume/",
        views.SharedLinkActionView.as_view(action="resume"),
        name="invitation_shared_resume",
    ),
    path(
        "invitations/links/<int:pk>/change-link/",
        views.SharedLinkActionView.as_view(action="change_link"),
        name="invitation_shared_change_link",
    ),
    path(
        "invitations/links/<int:pk>/close/",
        views.SharedLinkActionView.as_view(action="close"),
        name="invitation_shared_close",
    ),
    path("join/", views.JoinView.as_view(), name="invitation_join"),
    path("join/<word>/", views.JoinWordView.as_view(), name="invitation_join_word"),
]

urlpatterns = gate.all_on_a_site(_pages)
