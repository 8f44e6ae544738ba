"""Pages where members create shared links and see who used them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, RedirectView, TemplateView

from invitation import gate, keys
from invitation.exceptions import InvitationError, InvitingForbidden, NotPending
from invitation.flows import inviting, sharing
from invitation.forms import SHARED, SharedLinkForm
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import qr, sites
from invitation.models import InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet
from invitation.views.asking import CONFIRM_TEMPLATE, ask_first, way_back
from invitation.views.inviting import left_to

if TYPE_CHECKING:
    LinkFormView = FormView[SharedLinkForm]
else:
    LinkFormView = FormView


class OwnSharedLinksMixin(OwnTransactionsMixin, gate.ProtectedMixin, gate.LoginRequiredMixin):
    """Shared links that the member has created on this site, and no others."""

    request: HttpRequest
    kwargs: dict[str, Any]

    def get_links(self) -> InvitationKeyQuerySet:
        """Return these shared links."""
        site_id = sites.current_site_id(self.request)
        return InvitationKey.objects.shared_links().sent_by(self.request.user).on_site(site_id)

    @cached_property
    def invitation(self) -> InvitationKey:
        """Shared link that the URL names; another member's link gives 404."""
        links = self.get_links().select_related("from_user").prefetch_related("groups")
        return get_object_or_404(links, pk=self.kwargs["pk"])

    def lead_back(self) -> HttpResponse:
        """Redirect to the page of the link."""
        return redirect("invitation_shared_detail", pk=self.invitation.pk)


class MakesLinksMixin(OwnTransactionsMixin, gate.LoginRequiredMixin):
    """Access for members who may create shared links; others read why they may not."""

    forbidden_template_name = "invitation/inviting_forbidden.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page only to these members, and keep it out of caches."""
        response = self.let_in(request, *args, **kwargs)
        gate.protect(response)
        return response

    def let_in(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page only to these members."""
        refusal = sharing.sharing_refusal(request.user) if request.user.is_authenticated else None
        if refusal is not None:
            context = {"message": str(refusal), "reason": refusal.code}
            return render(request, self.forbidden_template_name, context, status=403)
        return super().dispatch(request, *args, **kwargs)


class SharedLinkFormView(MakesLinksMixin, LinkFormView):
    """Page with the form of a shared link, which saves it by POST."""

    form_class = SharedLinkForm
    template_name = "invitation/invitation_shared_form.html"
    done: str | Promise = ""

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, including the inviter."""
        site_id = sites.current_site_id(self.request)
        return {**super().get_form_kwargs(), "inviter": self.request.user, "site_id": site_id}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form, the link that it changes, and the invitations left."""
        kwargs.setdefault("invitation", None)
        return super().get_context_data(**{**left_to(self.request.user), **kwargs})

    def form_valid(self, form: SharedLinkForm) -> HttpResponse:
        """Create or change the link, or show the error in the form."""
        try:
            invitation = form.save()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        messages.success(self.request, str(self.done), fail_silently=True)
        return redirect("invitation_shared_detail", pk=invitation.pk)


class ShareView(SharedLinkFormView):
    """Page where a member creates a shared link."""

    done = _("Shared link created.")


class SharedLinkEditView(OwnSharedLinksMixin, SharedLinkFormView):
    """Page that changes a pending shared link."""

    done = _("Changes saved.")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, unless the link is no longer pending."""
        if self.invitation.state != InvitationKey.Status.PENDING:
            messages.error(request, str(NotPending()), fail_silently=True)
            return self.lead_back()
        return super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, including the link."""
        return {**super().get_form_kwargs(), "invitation": self.invitation}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form and its link."""
        return super().get_context_data(invitation=self.invitation, **kwargs)


class SharedLinkListView(OwnSharedLinksMixin, RedirectView):
    """Redirect to the shared links among a member's invitations."""

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        """Return the URL of the list, filtered."""
        return f"{reverse('invitation_list')}?state={SHARED}"


class SharedLinkDetailView(OwnSharedLinksMixin, TemplateView):
    """Page of a shared link: its code, the people who came through it, and its actions."""

    template_name = "invitation/invitation_shared_detail.html"
    #: Empty values for the template where there is nothing to show.
    nothing: ClassVar = dict.fromkeys(
        ("error", "error_code", "invitation_url", "qr_code", "code", "join_url", "word_url"), ""
    )
    #: Number of people on one page.
    paginate_by = 25

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the link, the people who came through it, and its ways in if they may be shown."""
        came = self.invitation.acceptances.select_related("user")
        page = Paginator(came, self.paginate_by).get_page(self.request.GET.get("page"))
        may_share = sharing.may_share(self.request.user)
        kwargs = {**self.nothing, **kwargs}
        if may_share and self.invitation.state == InvitationKey.Status.PENDING:
            kwargs |= self.get_ways_in()
        return super().get_context_data(
            invitation=self.invitation, may_share=may_share, page_obj=page, **kwargs
        )

    def get_ways_in(self) -> dict[str, Any]:
        """Return the link, its QR code, its code, and the URLs for the code and the custom code."""
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
        """Return the URL of a page, or an empty string if the site's URLconf does not have it."""
        try:
            url = sites.absolute(reverse(name, kwargs=kwargs), self.invitation.site_id)
        except NoReverseMatch:
            return ""
        return keys.Secret(url)

    def refuse(self, error: InvitationError) -> HttpResponse:
        """Show the current link, with the reason why an action was refused."""
        vars(self).pop("invitation", None)
        context = self.get_context_data(error=str(error), error_code=error.code)
        status = 403 if isinstance(error, InvitingForbidden) else 409
        return render(self.request, self.template_name, context, status=status)


class LinkAction(NamedTuple):
    """Action on a shared link."""

    verb: Callable[[InvitationKey], None]
    #: Message after success.
    done: str | Promise
    #: Whether the action keeps the link usable. Then only a member who may create links can do it.
    shares: bool = True
    #: Whether a page asks first, because the action cannot be undone.
    asks: bool = False


LINK_ACTIONS = {
    "pause": LinkAction(sharing.pause, _("Link paused. Nobody can use it."), shares=False),
    "resume": LinkAction(sharing.resume, _("The link works again.")),
    "change_link": LinkAction(
        inviting.change_link,
        _("Link and code replaced. Those already shared no longer work."),
        asks=True,
    ),
    "close": LinkAction(
        sharing.close,
        _("Link revoked. You got its unused invitations back."),
        shares=False,
        asks=True,
    ),
}


class SharedLinkActionView(SharedLinkDetailView):
    """Page that does an action by POST and says what happened; by GET, it asks first."""

    http_method_names = ["get", "head", "post", "options"]
    confirm_template_name = CONFIRM_TEMPLATE
    action: str = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask whether to do what cannot be undone, or redirect to the link.

        A login before the POST leads here by GET, without the posted data.
        """
        action, pending = LINK_ACTIONS[self.action], InvitationKey.Status.PENDING
        if not action.asks or self.invitation.state != pending:
            return self.lead_back()
        if action.shares and (refusal := sharing.sharing_refusal(request.user)):
            return self.refuse(refusal)
        back = reverse("invitation_shared_detail", kwargs={"pk": self.invitation.pk})
        return ask_first(request, self.confirm_template_name, self.invitation, self.action, back)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Do the action and redirect back, or show why not."""
        action = LINK_ACTIONS[self.action]
        try:
            if action.shares and (refusal := sharing.sharing_refusal(request.user)):
                raise refusal
            action.verb(self.invitation)
        except InvitationError as error:
            return self.refuse(error)
        messages.success(request, str(action.done), fail_silently=True)
        back = reverse("invitation_shared_detail", kwargs={"pk": self.invitation.pk})
        return redirect(way_back(request, back))
