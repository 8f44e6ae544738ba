"""Preview of an unsent email's HTML, in a frame of the page with the form."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import View

from invitation.exceptions import InvitationError, NoPreview
from invitation.flows import inviting
from invitation.gate import visitor
from invitation.keys import sites
from invitation.views.inviting import MemberMixin


@method_decorator(xframe_options_sameorigin, name="dispatch")
class MailPreviewView(MemberMixin, View):
    """Page with the email that the member wants to preview, isolated as in an email program.

    It is a separate page, not the ``srcdoc`` text of the frame. That text would be under the policy
    of the surrounding page. A strict policy forbids the style attributes that emails need.
    """

    http_method_names = ["get", "head", "options"]
    #: No scripts, no forms, no navigation. Only the email's own styles and its images are allowed.
    #: The same origin lets the page around the frame ask how high the email is.
    policy = (
        "sandbox allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src 'self' https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the email, or say that there is none; write nothing."""
        typed = visitor.recall_preview(request.COOKIES)
        try:
            response = HttpResponse(_inert(self.get_html(typed)))
        except InvitationError as error:
            response = HttpResponse(
                str(error), content_type="text/plain; charset=utf-8", status=404
            )
        response["Content-Security-Policy"] = self.policy
        return response

    def get_html(self, typed: dict[str, Any]) -> str:
        """Return the email made from this member's typed data. Raises ``InvitationError``."""
        member = self.request.user
        if typed.pop("member", None) != str(member.pk):
            raise NoPreview()
        return inviting.preview(member, site_id=sites.current_site_id(self.request), **typed).html


def _inert(html: str) -> str:
    """Return the email with links that open in a new window, which the sandbox blocks."""
    return re.sub(r"<head[^>]*>", r'\g<0><base target="_blank">', html, count=1)
