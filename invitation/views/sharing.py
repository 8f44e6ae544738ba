"""Let a member make links for several people, and show him what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, ListView, TemplateView

from invitation import flows, gate, keys, qr, sites
from invitation.exceptions import InvitationError, InvitingForbidden, NotPending
from invitation.forms import SharedLinkForm
from invitation.models import InvitationKey
from invitation.querysets import InvitationKeyQuerySet
from invitation.transactions import OwnTransactionsMixin

if TYPE_CHECKING:
    LinkFormView = FormView[SharedLinkForm]
    LinkListView = ListView[InvitationKey]
else:
    LinkFormView, LinkListView = FormView, ListView


class OwnSharedLinksMixin(OwnTransactionsMixin, gate.ProtectedMixin, LoginRequiredMixin):
    """Know the shared links that the member has made on this site, and no others."""

    request: HttpRequest
    kwargs: dict[str, Any]

    def get_links(self) -> InvitationKeyQuerySet:
        """Return them."""
        site_id = sites.current_site_id(self.request)
        return InvitationKey.objects.shared_links().sent_by(self.request.user).on_site(site_id)

    @cached_property
    def invitation(self) -> InvitationKey:
        """Give the link that the address names; that of anybody else does not exist."""
        links = self.get_links().select_related("from_user").prefetch_related("groups")
        return get_object_or_404(links, pk=self.kwargs["pk"])

    def lead_back(self) -> HttpResponse:
        """Lead to the page of the link."""
        return redirect("invitation_shared_detail", pk=self.invitation.pk)


class MakesLinksMixin(OwnTransactionsMixin, LoginRequiredMixin):
    """Let in who may make shared links, and tell others that they may not."""

    forbidden_template_name = "invitation/inviting_forbidden.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page to them alone, and keep it out of caches."""
        response = self.let_in(request, *args, **kwargs)
        gate.protect(response)
        return response

    def let_in(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page to them alone."""
        refusal = flows.sharing_refusal(request.user) if request.user.is_authenticated else None
        if refusal is not None:
            context = {"message": str(refusal), "reason": refusal.code}
            return render(request, self.forbidden_template_name, context, status=403)
        return super().dispatch(request, *args, **kwargs)


class SharedLinkFormView(MakesLinksMixin, LinkFormView):
    """Show the form of a shared link, and do what it says."""

    form_class = SharedLinkForm
    template_name = "invitation/invitation_shared_form.html"
    done: str | Promise = ""

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, the inviter among them."""
        site_id = sites.current_site_id(self.request)
        return {**super().get_form_kwargs(), "inviter": self.request.user, "site_id": site_id}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form, the link that it changes, and how many invitations remain."""
        kwargs.setdefault("invitation", None)
        kwargs.setdefault("remaining_invitations", flows.remaining_invitations(self.request.user))
        return super().get_context_data(**kwargs)

    def form_valid(self, form: SharedLinkForm) -> HttpResponse:
        """Make or change the link, or say beside the form why not."""
        try:
            invitation = form.save()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        messages.success(self.request, str(self.done), fail_silently=True)
        return redirect("invitation_shared_detail", pk=invitation.pk)


class ShareView(SharedLinkFormView):
    """Let a member make a link for several people."""

    done = _("The link is ready. Its code can be said aloud.")


class SharedLinkEditView(OwnSharedLinksMixin, SharedLinkFormView):
    """Change an open shared link."""

    done = _("The changes are saved.")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, unless it is too late for it."""
        if self.invitation.state != InvitationKey.Status.PENDING:
            messages.error(request, str(NotPending()), fail_silently=True)
            return self.lead_back()
        return super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, the link among them."""
        return {**super().get_form_kwargs(), "invitation": self.invitation}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form and its link."""
        return super().get_context_data(invitation=self.invitation, **kwargs)


class SharedLinkListView(OwnSharedLinksMixin, LinkListView):
    """Show a member the links that he has made, the newest first."""

    template_name = "invitation/invitation_shared_list.html"
    context_object_name = "invitations"
    paginate_by = 25

    def get_queryset(self) -> InvitationKeyQuerySet:
        """Return his shared links."""
        return self.get_links()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return a page of links, how many more uses he may spend, and whether he may."""
        kwargs.setdefault("remaining_invitations", flows.remaining_invitations(self.request.user))
        kwargs.setdefault("may_share", flows.may_share(self.request.user))
        return super().get_context_data(**kwargs)


class SharedLinkDetailView(OwnSharedLinksMixin, TemplateView):
    """Show a shared link with its code, who came through it, and what can be done with it."""

    template_name = "invitation/invitation_shared_detail.html"
    #: What a template finds where there is nothing to be said or shown.
    nothing: ClassVar = dict.fromkeys(
        ("error", "error_code", "invitation_url", "qr_code", "code", "join_url", "word_url"), ""
    )
    #: How many of those who came stand on a page.
    paginate_by = 25

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the link, who came through it, and its ways in if they may be shown."""
        came = self.invitation.acceptances.select_related("user")
        page = Paginator(came, self.paginate_by).get_page(self.request.GET.get("page"))
        may_share = flows.may_share(self.request.user)
        kwargs = {**self.nothing, **kwargs}
        if may_share and self.invitation.state == InvitationKey.Status.PENDING:
            kwargs |= self.get_ways_in()
        return super().get_context_data(
            invitation=self.invitation, may_share=may_share, page_obj=page, **kwargs
        )

    def get_ways_in(self) -> dict[str, Any]:
        """Return the link, the same as a QR code, the code, and where code and word are taken."""
        invitation = self.invitation
        url = self._absolute("invitation_invited", invitation_key=invitation.key)
        word = invitation.word
        return {
            "invitation_url": url,
            "qr_code": qr.svg(url),
            "code": invitation.code,
            "join_url": self._absolute("invitation_join"),
            "word_url": self._absolute("invitation_join_word", word=word) if word else "",
        }

    def _absolute(self, name: str, **kwargs: Any) -> str:
        """Return the address of a page that a site's own URLconf may lack, or an empty string."""
        try:
            url = sites.absolute(reverse(name, kwargs=kwargs), self.invitation.site_id)
        except NoReverseMatch:
            return ""
        return keys.Secret(url)

    def refuse(self, error: InvitationError) -> HttpResponse:
        """Show the link as it is now, and why something was not done with it."""
        vars(self).pop("invitation", None)
        context = self.get_context_data(error=str(error), error_code=error.code)
        status = 403 if isinstance(error, InvitingForbidden) else 409
        return render(self.request, self.template_name, context, status=status)


@dataclass(frozen=True)
class LinkAction:
    """Hold what can be done with a shared link by one click."""

    verb: Callable[[InvitationKey], None]
    #: What is said when it has worked.
    done: str | Promise
    #: Whether it keeps the way in open, so that it is for those only who may make links.
    shares: bool = True


LINK_ACTIONS = {
    "pause": LinkAction(flows.pause, _("The link is paused: nobody can use it."), shares=False),
    "resume": LinkAction(flows.resume, _("The link works again.")),
    "change_link": LinkAction(
        flows.change_link,
        _("There is a new link with a new code; the old ones no longer work."),
    ),
    "close": LinkAction(
        flows.close, _("The link is closed. What was not used came back to you."), shares=False
    ),
}


class SharedLinkActionView(SharedLinkDetailView):
    """Do something with a shared link, by POST alone, and say what happened."""

    http_method_names = ["get", "head", "post", "options"]
    action: str = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to the link: who had to log in first comes here without what he posted."""
        return self.lead_back()

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Do it and lead back, or say why not."""
        action = LINK_ACTIONS[self.action]
        try:
            if action.shares and (refusal := flows.sharing_refusal(request.user)):
                raise refusal
            action.verb(self.invitation)
        except InvitationError as error:
            return self.refuse(error)
        messages.success(request, str(action.done), fail_silently=True)
        return self.lead_back()
