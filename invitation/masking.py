"""Keep invitation keys out of log lines and error reports.

The key has to stand in the address of the link that is mailed. Django logs the path of a refused
request and prints path, parameters, cookies and local variables into its error reports; here is
what cuts the key out of all of them. A web server's own access log is the site's to configure.
"""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterator
from functools import partial
from types import FrameType
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import HttpRequest, QueryDict
from django.template.defaultfilters import pprint
from django.views.debug import get_exception_reporter_class, get_exception_reporter_filter

from invitation import standins
from invitation.keys import conceal
from invitation.standins import conceal_data

#: The loggers of Django that write the path of a request or the context of a template. For a
#: suspicious request there is one more, named after the exception (see ``loggers``).
LOGGERS = ("django.request", "django.server", "django.security.csrf", "django.template")

#: Our own, where an error is logged that a site's code or a server has worded.
OUR_LOGGERS = (
    "invitation.backends.admin_approval.views",
    "invitation.clients",
    "invitation.delivery.background",
    "invitation.flows.disowning",
    "invitation.flows.notifying",
    "invitation.flows.previewing",
    "invitation.flows.sending",
    "invitation.flows.settling",
    "invitation.gate",
    "invitation.mail",
    "invitation.management.commands.sendinvitations",
    "invitation.management.crews",
)


def loggers() -> Iterator[logging.Logger]:
    """Yield the loggers of Django and ours that may write a key."""
    for name in (*LOGGERS, *OUR_LOGGERS):
        yield logging.getLogger(name)
    kinds = [SuspiciousOperation]
    for kind in kinds:
        yield logging.getLogger(f"django.security.{kind.__name__}")
        kinds.extend(kind.__subclasses__())


class KeyFilter(logging.Filter):
    """A filter that cuts keys out of all that a log record holds, whatever formats it.

    Django's loggers and ours have it. A site puts it on the handlers of its own loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it holds a key; let every record pass."""
        request = getattr(record, "request", None)
        # A handler may print the request, or report the error to the administrators: one that
        # broke before any view of ours has seen it.
        if isinstance(request, HttpRequest):
            conceal_request(request)
        for name, value in list(vars(record).items()):
            if name not in ("exc_info", "request"):
                setattr(record, name, conceal_data(value))
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            error = standins.conceal_error(record.exc_info[1], variables_for(request))
            if error is not record.exc_info[1]:
                record.exc_info = (type(error), error, error.__traceback__)
        _conceal_message(record)
        return True


def _conceal_message(record: logging.LogRecord) -> None:
    """Finish the message in place of the handlers, if one of its arguments prints a key."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return  # The handler reports what does not fit together.
    if conceal(message) != message:
        record.msg, record.args = conceal(message), ()


class ReportFilter:
    """Cut keys out of what the site's own error report filter lets through."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Return the request's headers and environment without keys."""
        return _concealed(self.wrapped.get_safe_request_meta(request))

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        """Return the request's cookies without keys."""
        return _concealed(self.wrapped.get_safe_cookies(request))

    def get_post_parameters(self, request: HttpRequest) -> dict[str, Any]:
        """Return the posted parameters without keys."""
        return _concealed(dict(self.wrapped.get_post_parameters(request).items()))

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> list[tuple[str, Any]]:
        """Return the local variables of a frame, those with a key in them as cut text."""
        if tb_frame.f_globals.get("__name__") in standins.HALVES:
            return []
        variables = []
        for name, value in self.wrapped.get_traceback_frame_variables(request, tb_frame):
            text = pprint(value)
            safe = standins.conceal_named(name, value) or conceal(text)
            variables.append((name, value if safe == text else safe))
        return variables


class _ConcealingQueryDict(QueryDict):
    """Show an error report no keys: ``items()`` is what it reads, views read by name."""

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return _concealed(dict(super().items())).items()


def report_filter(request: Any) -> ReportFilter:
    """Return the site's own error report filter for a request or for ``None``, without keys."""
    site_filter: Any = get_exception_reporter_filter(request)
    return site_filter if isinstance(site_filter, ReportFilter) else ReportFilter(site_filter)


def variables_for(request: Any) -> standins.Variables:
    """Return what tells the local variables of a frame without keys and what the site hides."""
    known = request if isinstance(request, HttpRequest) else None
    return partial(report_filter(known).get_traceback_frame_variables, known)


def conceal_request(request: HttpRequest) -> None:
    """Keep the key that this request may carry out of its error report; once is enough."""
    if isinstance(getattr(request, "exception_reporter_filter", None), ReportFilter):
        return
    concealing: Any = report_filter(request)
    request.exception_reporter_filter = concealing
    reporter: Any = _concealing(get_exception_reporter_class(request))
    request.exception_reporter_class = reporter
    try:
        given = request.GET
    except (SuspiciousOperation, LookupError, ValueError):
        pass  # Whoever reads it meets the same error; a log record must not.
    else:
        shown = _ConcealingQueryDict(mutable=True, encoding=given.encoding)
        for name, values in given.lists():
            shown.setlist(name, values)
        shown._mutable = False
        request.GET = cast(Any, shown)
    request.path = conceal(request.path)
    request.path_info = conceal(request.path_info)
    _conceal_environment(request)


def _conceal_environment(request: HttpRequest) -> None:
    """Cut keys out of what the web server told, once Django has read it."""
    _read = request.COOKIES
    for name, value in request.META.items():
        # A site's own token may look like a key, and is read as late as a view.
        if isinstance(value, str) and name != "HTTP_AUTHORIZATION":
            request.META[name] = conceal(value)
    match = request.resolver_match
    if match is not None:
        for name in ("args", "kwargs", "captured_kwargs"):
            setattr(match, name, conceal_data(getattr(match, name)))


def _concealing(reporter_class: Any) -> Any:
    """Return the site's own class of error reports, given no exception that quotes a key."""

    class ConcealingReporter(reporter_class):  # type: ignore[misc]
        """The site's own class of error reports, without keys."""

        def __init__(
            self, request: Any, exc_type: Any, exc_value: Any, tb: Any, *args: Any, **kwargs: Any
        ) -> None:
            if exc_value is not None:
                safe = standins.conceal_error(exc_value, variables_for(request))
                tb = tb if safe is exc_value else safe.__traceback__
                exc_value = safe
            super().__init__(request, exc_type, exc_value, tb, *args, **kwargs)

    return ConcealingReporter


def conceal_failing(sender: Any, request: Any = None, **kwargs: Any) -> None:
    """Keep keys out of the report of a request that fails, whichever view it was for."""
    if isinstance(request, HttpRequest):
        conceal_request(request)


def connect() -> None:
    """Follow failing requests, and keep keys out of the logs."""
    got_request_exception.connect(conceal_failing, dispatch_uid="invitation.masking")
    for logger in loggers():
        if not any(isinstance(known, KeyFilter) for known in logger.filters):
            logger.addFilter(KeyFilter())


def _concealed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: conceal_data(value) for name, value in values.items()}
