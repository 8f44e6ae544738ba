"""Pages for inviting with a list: enter it, preview the result, confirm it, follow the emails.

The server stores nothing between the pages: the signed list travels in the form. A second
confirmation, such as a double click or a reload, changes nothing and shows the same page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import FormView, ListView, View

from invitation.addresses import sheets
from invitation.addresses.sheets import labelled
from invitation.exceptions import InvitationError
from invitation.flows import lists, mail, sharing
from invitation.forms import MAIL_STATES, STATES, ListConfirmForm, ListForm
from invitation.forms.corrections import cells
from invitation.keys import sites
from invitation.models import InvitationEmail, InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet
from invitation.views.inviting import MemberMixin, left_to, pause_of_mails
from invitation.views.managing import OwnInvitationsMixin

if TYPE_CHECKING:
    from invitation.addresses.recipients import Reading, Recipient

    InviteListFormView = FormView[ListForm]
    InviteListConfirmFormView = FormView[ListConfirmForm]
    KeyListView = ListView[InvitationKey]
else:
    InviteListFormView = InviteListConfirmFormView = FormView
    KeyListView = ListView

#: Rows of a list on one page.
ROWS_PER_PAGE = 100
#: Rows read from the database at a time while a file is written.
PIECE = 500
#: Seconds until the page of the emails reloads itself, if the member asks for that.
REFRESH_SECONDS = 10


class InviteListMixin(MemberMixin):
    """Form arguments and table page that the list's pages share."""

    request: HttpRequest
    preview_template_name = "invitation/invitation_invite_list_preview.html"
    report_template_name = "invitation/invitation_invite_list_report.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, including the inviter."""
        kwargs: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        site_id = sites.current_site_id(self.request)
        return {**kwargs, "inviter": self.request.user, "site_id": site_id}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the number of invitations left, and the reasons for a refusal."""
        kwargs.setdefault("refusals", ())
        kwargs.setdefault("may_share", sharing.may_share(self.request.user))
        kwargs = {**left_to(self.request.user), **kwargs}
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return context

    def show(
        self,
        template: str,
        batch: lists.ListResult,
        reading: Reading,
        people: Iterable[Recipient],
        kept: dict[str, Any],
        page: int = 1,
    ) -> HttpResponse:
        """Return the page of a list: first the rows that are not invited, with the reason.

        ``people`` are the rows as they were written. ``kept`` is what the page posts again.
        """
        invited = (lists.Verdict.NEW, lists.Verdict.INVITED)
        rows = sorted(batch.rows, key=lambda row: row.verdict in invited)
        counts = [(verdict, batch.count(verdict)) for verdict in lists.Verdict]
        number = sum(row.verdict in invited for row in rows)
        shown = Paginator(rows, ROWS_PER_PAGE).get_page(page)
        written = {person.number: cells(person) for person in people}
        context = {
            "batch": batch.id,
            "counts": [(verdict, count) for verdict, count in counts if count],
            "number": number,
            "total": len(rows),
            "wrong": len(rows) - number,
            "page_obj": shown,
            "wrong_rows": [
                (row, *written[row.number]) for row in shown if row.verdict not in invited
            ],
            "right_rows": [row for row in shown if row.verdict in invited],
            "columns": reading.columns,
            "column": reading.column,
            "mail_pause": pause_of_mails(),
            **left_to(self.request.user),
            **kept,
        }
        return render(self.request, template, context)


class InviteListView(InviteListMixin, InviteListFormView):
    """Page that asks for a list of people and previews each result; it changes nothing."""

    form_class = ListForm
    template_name = "invitation/invitation_invite_list.html"

    def form_valid(self, form: ListForm) -> HttpResponse:
        """Show the rows, or show the reason why not next to the form."""
        try:
            batch = form.plan()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        kept = {"payload": form.payload(batch), "corrections": "{}", "left_out": 0}
        reading = form.reading
        return self.show(self.preview_template_name, batch, reading, reading.recipients, kept)


class InviteListConfirmView(InviteListMixin, InviteListConfirmFormView):
    """Page that invites everybody on the previewed list, and reports on each row."""

    form_class = ListConfirmForm
    template_name = InviteListView.template_name
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the form.

        A login before the POST leads here by GET, without the posted data. The form's page may
        have kept it.
        """
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        return redirect(reverse("invitation_invite_list") + query)

    def form_valid(self, form: ListConfirmForm) -> HttpResponseBase:  # type: ignore[override]
        """Invite and report, or show another page of the rows, or the corrected ones again."""
        cleaned = form.cleaned_data
        try:
            confirmed = cleaned["confirmed"] and not form.needs_another_look()
            batch = form.save() if confirmed else form.plan()
        except InvitationError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        if cleaned["table"]:
            return attachment(_report_lines(batch), "report.csv")
        template = self.report_template_name if confirmed else self.preview_template_name
        corrections = cleaned["corrections"]
        kept = {
            "payload": cleaned["payload"],
            "corrections": json.dumps(corrections),
            "left_out": sum(correction is None for correction in corrections.values()),
        }
        page = cleaned["page"] or 1
        return self.show(template, batch, form.reading, form.recipients, kept, page)

    def form_invalid(self, form: ListConfirmForm) -> HttpResponse:
        """Show the list in the form again, with the reason why it was refused."""
        initial = {"people": form.content.get("text"), "note": form.content.get("note")}
        again = ListForm(inviter=self.request.user, initial=initial)
        errors = [error for errors in form.errors.values() for error in errors]
        context = self.get_context_data(form=again, refusals=errors)
        return render(self.request, self.template_name, context, status=409)


class InviteListProgressView(OwnInvitationsMixin, KeyListView):
    """Progress of the emails of a member's own list; another member's list gives 404."""

    template_name = "invitation/invitation_invite_list_progress.html"
    context_object_name = "invitations"
    paginate_by = ROWS_PER_PAGE
    allow_empty = False

    def get_queryset(self) -> InvitationKeyQuerySet:
        """Return the invitations of the list, in its order."""
        return self.get_rows().filter(lists.in_list(self.kwargs["batch"])).order_by("pk")

    def get_paginator(self, *args: Any, **kwargs: Any) -> Any:
        """Return the paginator, which need not count the rows again."""
        paginator = super().get_paginator(*args, **kwargs)
        paginator.count = self.mails["total"]
        return paginator

    @cached_property
    def mails(self) -> dict[str, int]:
        """Email counts for each state that the inviter may see, and their total."""
        rows: Any = self.get_queryset().with_latest_mail().order_by()
        mails = dict.fromkeys(("sent", "waiting", "failed", "cancelled", "total"), 0)
        for state, count in rows.values_list("latest_mail_state").annotate(Count("pk")):
            mails["total"] += count
            if state is not None:
                mails[InvitationEmail.state_for_inviter(state)] += count
        return mails

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return a page of the invitations and the counts."""
        refreshing = bool(self.request.GET.get("refresh")) and self.mails["waiting"] > 0
        kwargs |= {"mails": self.mails, "batch": self.kwargs["batch"], "refreshing": refreshing}
        kwargs["mail_pause"] = pause_of_mails()
        context = super().get_context_data(refresh_seconds=REFRESH_SECONDS, **kwargs)
        shown = [row.pk for row in context[self.context_object_name]]
        rows = self.get_invitations().filter(pk__in=shown).order_by("pk")
        return context | {self.context_object_name: rows}

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Return the page; it reloads itself only if the member has asked for that."""
        response = super().render_to_response(context, **kwargs)
        if context["refreshing"]:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response


class InviteListOutcomeView(OwnInvitationsMixin, View):
    """File with the state of each invitation of a list, for the member who sent them."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the file, written while it is sent."""
        invitations = self.get_invitations().filter(lists.in_list(kwargs["batch"]))
        if not invitations.exists():
            raise Http404
        invitations = invitations.prefetch_related(None).order_by("pk")
        return attachment(_outcome_lines(invitations), "invitations.csv")


def attachment(rows: Iterable[Iterable[Any]], name: str) -> StreamingHttpResponse:
    """Return a table as a downloaded file, written while it is sent."""
    response = StreamingHttpResponse(sheets.lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _report_lines(batch: lists.ListResult) -> Iterable[Iterable[Any]]:
    headings = (
        labelled(_("Row"), "row"),
        labelled(_("Email address"), "email"),
        labelled(_("Name"), "name"),
        labelled(_("Result"), "result"),
        labelled(_("Reason"), "reason"),
    )
    # Translated now: another language may be active while the file is sent.
    rows = [
        (row.number, row.email, row.recipient_name, row.verdict.label, str(row.reason))
        for row in batch.rows
    ]
    return [headings, *rows]


def _outcome_lines(invitations: InvitationKeyQuerySet) -> Iterator[Iterable[Any]]:
    """Return the rows of the file, in the language that is active now."""
    states = {str(state): str(label) for state, label in STATES}
    mails = {str(state): str(label) for state, label in MAIL_STATES}
    failures = {
        str(failure): str(InvitationEmail.failure_for_inviter(failure))
        for failure in InvitationEmail.Failure
    }
    next_try = _("Next try: %(moment)s")
    paused = _("No email can be sent at the moment.") if mail.delivery_pause() else ""
    zone = timezone.get_current_timezone()
    headings = (
        labelled(_("Email address"), "email"),
        labelled(_("Name"), "name"),
        labelled(_("Invited"), "invited"),
        labelled(_("State"), "state"),
        labelled(_("Email state"), "mail_state"),
        labelled(_("Reason"), "reason"),
    )

    def written(moment: datetime) -> str:
        moment = timezone.localtime(moment, zone) if timezone.is_aware(moment) else moment
        return moment.isoformat(" ", "seconds")

    def reason(row: Any) -> str:
        if row.mail_state == "failed":
            return row.mail_refusal or failures.get(row.latest_mail_failure, "")
        if row.mail_state == "waiting" and (paused or row.mail_next_try is not None):
            return paused or next_try % {"moment": written(row.mail_next_try)}
        return ""

    def rows() -> Iterator[Iterable[Any]]:
        yield headings
        for invitation in _in_pieces(invitations):
            row: Any = invitation
            yield (
                row.email,
                row.recipient_name,
                written(row.date_invited),
                states[row.state],
                mails.get(row.mail_state, ""),
                reason(row),
            )

    return rows()


def _in_pieces(invitations: InvitationKeyQuerySet) -> Iterator[InvitationKey]:
    """Yield the rows by their primary keys, without loading them all at once.

    ``iterator()`` is not suitable. MariaDB sends it all rows at once. Behind a connection pooler,
    PostgreSQL's cursor may be gone.
    """
    last = 0
    while piece := list(invitations.filter(pk__gt=last)[:PIECE]):
        yield from piece
        last = piece[-1].pk
