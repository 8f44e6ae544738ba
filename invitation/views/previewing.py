"""Show the HTML of a mail that has not been sent, in a frame of the page with the form."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import View

from invitation import flows, sites, visitor
from invitation.exceptions import InvitationError, NoPreview
from invitation.views.inviting import MemberMixin


@method_decorator(xframe_options_sameorigin, name="dispatch")
class MailPreviewView(MemberMixin, View):
    """Show the mail that the member has just asked to see, shut in as a mail program does it.

    A page of its own and not the text of the frame, as that one would stand under the policy of
    the page around it, and a strict one forbids the style attributes that mails are made of.
    """

    http_method_names = ["get", "head", "options"]
    #: No script, no form, no way out; a mail's own styles, and its pictures.
    policy = (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it, or say that there is none; write nothing."""
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
        """Return the mail of what this member has typed. Raises ``InvitationError``."""
        member = self.request.user
        if typed.pop("member", None) != str(member.pk):
            raise NoPreview()
        return flows.preview(member, site_id=sites.current_site_id(self.request), **typed).html


def _inert(html: str) -> str:
    """Return the mail with links that want a new window, which the sandbox does not open."""
    return re.sub(r"<head[^>]*>", r'\g<0><base target="_blank">', html, count=1)
