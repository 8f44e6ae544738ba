"""Name the addresses of inviting and of opening an invitation, for every backend's URLconf."""

from __future__ import annotations

from django.urls import path, re_path

from invitation import views

urlpatterns = [
    path("invite/", views.InviteView.as_view(), name="invitation_invite"),
    path("invite/complete/", views.InvitationCompleteView.as_view(), name="invitation_complete"),
    path("invited/", views.LandingView.as_view(), name="invitation_landing"),
    path("invited/decline/", views.DeclineView.as_view(), name="invitation_decline"),
    # Anything may stand for the key, so that whatever a mail program makes of the link is
    # answered by our own page.
    re_path(
        r"^invited/(?P<invitation_key>[\s\S]+)/\Z",
        views.InvitedView.as_view(),
        name="invitation_invited",
    ),
]
