"""Pages of the library: its shelf, its members, and the emails that it sends."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import ListView, TemplateView, View

from invitation.flows import quota
from invitation.lazysignup.decorators import AllowGuestUserMixin, RegularUserRequiredMixin
from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance
from seedlibrary import mailbox
from seedlibrary.models import Packet, Reservation


class HomeView(ListView):
    """Show everybody what the library is and what stands on its shelf."""

    queryset = Packet.objects.select_related("shared_by")[:6]
    template_name = "seedlibrary/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the shelf, and which packets are in the visitor's basket."""
        mine = Reservation.objects.filter(person=self.request.user.pk)
        return super().get_context_data(
            reserved=set(mine.values_list("packet", flat=True)), **kwargs
        )


class ReserveView(AllowGuestUserMixin, View):
    """Button on a packet: it goes into the basket. A visitor becomes a guest."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Reserve the packet, and lead to the basket."""
        packet = get_object_or_404(Packet, pk=pk)
        if request.user.is_authenticated:
            Reservation.objects.get_or_create(packet=packet, person=request.user)
        return redirect("basket")


class PutBackView(View):
    """Button in the basket: a packet goes back to the shelf."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give up the reservation, and lead back to the basket."""
        Reservation.objects.filter(pk=pk, person=request.user.pk).delete()
        return redirect("basket")


class BasketView(ListView):
    """Show everybody their own basket."""

    template_name = "seedlibrary/basket.html"

    def get_queryset(self) -> QuerySet[Reservation]:
        """Return what the visitor has reserved."""
        return Reservation.objects.filter(person=self.request.user.pk).select_related("packet")


class MembersView(RegularUserRequiredMixin, ListView):
    """Show members who else is here, and the state of their invitations."""

    template_name = "seedlibrary/members.html"

    def get_queryset(self) -> QuerySet[Any]:
        """Return the members, each with the acceptance of their invitation."""
        came = Acceptance.objects.select_related("invitation__from_user")
        return (
            get_user_model()
            .objects.filter(is_active=True)
            .exclude(pk__in=LazyUser.objects.values("user"))
            .order_by("date_joined", "pk")
            .prefetch_related(Prefetch("invitations_accepted", queryset=came, to_attr="came_by"))
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the members and the visitor's own invitations."""
        return super().get_context_data(
            invitations=self.request.user.invitations_sent.personal()[:20],
            remaining_invitations=quota.remaining_invitations(self.request.user),
            **kwargs,
        )


class InboxView(TemplateView):
    """Show the emails that have arrived."""

    template_name = "seedlibrary/inbox.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the newest emails."""
        return super().get_context_data(letters=mailbox.newest(), **kwargs)


class LetterView(TemplateView):
    """Show one email with its headers."""

    template_name = "seedlibrary/letter.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the email."""
        return super().get_context_data(letter=_find(kwargs["name"]), **kwargs)


@method_decorator(xframe_options_sameorigin, name="dispatch")
class LetterHtmlView(View):
    """Show the HTML of an email, isolated as an email program does it."""

    #: No script, nothing loaded from anywhere; links open outside, as in webmail.
    policy = (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Return the HTML, with links that leave the frame."""
        html = _find(name).html.replace("<head>", '<head><base target="_blank">', 1)
        return HttpResponse(html, headers={"Content-Security-Policy": self.policy})


class LetterSourceView(View):
    """Show the source of an email."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Return every byte of it, as text."""
        return HttpResponse(_find(name).raw, content_type="text/plain; charset=utf-8")


def _find(name: str) -> mailbox.Letter:
    letter = mailbox.find(name)
    if letter is None:
        raise Http404("There is no such email.")
    return letter
