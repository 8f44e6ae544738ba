"""Admin page of who invited whom, and its link from the pages of the accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from invitation.admin.base import AnyAdmin, may_see, name_of, page_of, tree_of
from invitation.admin.guarding import ACCOUNT, INVITATION, number_of, readable
from invitation.models import Acceptance, InvitationKey

if TYPE_CHECKING:
    Base = AnyAdmin
else:
    Base = object


class TreeMixin(Base):
    """Admin with a page for one account: who invited it, and whom it invited."""

    tree_template = "admin/invitation/acceptance/tree.html"
    #: Number of invited accounts on one page.
    tree_per_page = 100

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the admin, with the tree page first."""
        view = self.admin_site.admin_view(self.tree_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_tree"
        return [path("tree/<path:object_id>/", view, name=name), *super().get_urls()]

    @method_decorator(require_safe)
    def tree_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show an account with those who came before it and those who came after it.

        Raises ``PermissionDenied`` if the reader may not view this model, and ``Http404`` if there
        is no such account.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        from invitation.admin import lineage  # only this page needs it

        account = _account(object_id)
        invited = lineage.invited_by(account).select_related("user", "invitation")
        page = Paginator(invited, self.tree_per_page).get_page(request.GET.get("p"))
        ascent, descent = lineage.ascend(account), lineage.descend(account)
        above = [step.invitation.from_user for step in ascent.steps[::-1]]
        seen = _Seen(self, request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who invited whom"),
            "subtitle": seen.name(account),
            "opts": self.opts,
            "account": seen.account(account),
            "ascent": ascent,
            "by_site": bool(ascent.steps) and ascent.steps[-1].invitation.from_site,
            "chain": list(map(seen.person, [*above, account], [None, *ascent.steps[::-1]])),
            "descent": descent,
            "most": lineage.MOST,
            "page": page,
            "page_range": list(page.paginator.get_elided_page_range(page.number)),
            "rows": [
                seen.person(row.user, row)
                | {"direct": descent.direct_of[row.user_id], "total": descent.total_of[row.user_id]}
                for row in page
            ],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.tree_template, context)


class _Seen:
    """Accounts and acceptances as this reader may see them, with links."""

    def __init__(self, model_admin: AnyAdmin, request: HttpRequest) -> None:
        self.site = model_admin.admin_site
        self.accounts = may_see(self.site, get_user_model(), request)
        self.invitations = may_see(self.site, InvitationKey, request)
        self.readable = readable(self.site, request)

    def name(self, account: Any) -> str:
        """Return the name of an account, or its number if the reader may not see accounts."""
        return str(account) if ACCOUNT in self.readable else number_of(account)

    def account(self, account: Any) -> dict[str, Any]:
        """Return the name and the URLs of an account; empty if it was deleted."""
        if account is None:
            return {}
        change = page_of(self.site, account) if self.accounts else ""
        return {"name": self.name(account), "tree_url": tree_of(self.site, account), "url": change}

    def person(self, account: Any, came: Acceptance | None) -> dict[str, Any]:
        """Return an account and the acceptance by which it came."""
        said: dict[str, Any] = {"account": self.account(account), "came": came}
        if came is not None:
            named = INVITATION in self.readable
            said["invitation"] = name_of(came.invitation) if named else number_of(came.invitation)
            if self.invitations:
                said["invitation_url"] = page_of(self.site, came.invitation)
        return said


def _account(object_id: str) -> Any:
    model = get_user_model()
    try:
        return model._default_manager.get(pk=model._meta.pk.to_python(unquote(object_id)))
    except (model.DoesNotExist, ValidationError, ValueError) as error:
        raise Http404 from error


class InvitationTreeMixin:
    """User admin with a link from an account's page to "who invited whom".

    Django's own user admin has the link without this mixin. For a user admin of your own, put the
    mixin before the other bases::

        class UserAdmin(InvitationTreeMixin, BaseUserAdmin): ...
    """

    change_form_template = "admin/invitation/account_change_form.html"
