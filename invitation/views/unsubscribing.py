"""Page where a person unsubscribes their address from invitations."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView

from invitation import gate, keys
from invitation.flows import mail
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking, sites


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(login_not_required, name="dispatch")
class UnsubscribeView(OwnTransactionsMixin, TemplateView):
    """Page that asks whether to unsubscribe an address, and unsubscribes it by POST.

    An email program may send the POST (RFC 8058). It has no cookie, no login and no CSRF token, and
    follows no redirect. The link itself gives the right to unsubscribe. The answer reveals nothing:
    it is the same for an address that has already unsubscribed, and for an invalid link.
    """

    http_method_names = ["get", "head", "options", "post"]
    template_name = "invitation/invitation_unsubscribe.html"
    done_template_name = "invitation/invitation_unsubscribed.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the link out of error reports, caches and Referer headers."""
        masking.conceal_request(request)
        response = super().dispatch(request, *args, **kwargs)
        # The form still works: it needs no CSRF token, so no Origin header is required.
        gate.protect(response, referrer_policy="no-referrer")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the site and an anonymous user.

        So the page is the same for everybody and sets no cookie.
        """
        about = sites.describe_current(self.request)
        # The URL contains the link's token. The page does not need it.
        kwargs.pop("token", None)
        return super().get_context_data(**about, user=AnonymousUser(), messages=(), **kwargs)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Unsubscribe the address, and always give the same answer."""
        mail.unsubscribe(keys.trim(token))
        self.template_name = self.done_template_name
        return self.render_to_response(self.get_context_data())
