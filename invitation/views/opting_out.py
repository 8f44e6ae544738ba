"""Let whoever got an invitation say that he wants no more of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView

from invitation import flows, gate, masking, sites
from invitation.transactions import OwnTransactionsMixin


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(login_not_required, name="dispatch")
class OptOutView(OwnTransactionsMixin, TemplateView):
    """Ask whether an address shall get no more invitations, and see to it when it is posted.

    The one who posts may be a mail program (RFC 8058), which has no cookie, no login and no CSRF
    token, and follows no redirect. The link is what entitles to it. Nothing is told: the answer is
    the same for an address that has done so before, and for a link that is none.
    """

    http_method_names = ["get", "head", "options", "post"]
    template_name = "invitation/invitation_opt_out.html"
    done_template_name = "invitation/invitation_opted_out.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the link out of reports, caches and Referer headers."""
        masking.conceal_request(request)
        response = super().dispatch(request, *args, **kwargs)
        # The form may be posted all the same: it needs no CSRF token, which asks for an Origin.
        gate.protect(response, referrer_policy="no-referrer")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the site, and nobody for whom the page would be different or set a cookie."""
        site = sites.get_site(sites.current_site_id(self.request))
        # The path has the link in it, which the page need not know.
        kwargs.pop("token", None)
        return super().get_context_data(site=site, user=AnonymousUser(), messages=(), **kwargs)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """See to it, and say no more than that."""
        flows.opt_out(token)
        self.template_name = self.done_template_name
        return self.render_to_response(self.get_context_data())
