"""Filters that keep invitation keys out of log lines and error reports.

The key has to be in the address of the link that is emailed. Django logs the path of a refused
request. Its error reports print path, parameters, cookies and local variables. The filters here cut
the key out of all of them. The site itself must configure the access log of its web server.
"""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterator
from functools import lru_cache, partial
from types import FrameType
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import HttpRequest, QueryDict
from django.template.defaultfilters import pprint
from django.views.debug import get_exception_reporter_class, get_exception_reporter_filter

from invitation.keys import Secret, conceal, masked_errors
from invitation.keys.masked_errors import conceal_data

#: Header in which a client may send a key, as Django names it.
KEY_HEADER = "HTTP_X_INVITATION_KEY"

#: Django's loggers that write the path of a request or the context of a template. A suspicious
#: request has one more logger, named after the exception (see ``loggers``).
LOGGERS = ("django.request", "django.server", "django.security.csrf", "django.template")

#: The app's own loggers of errors with text from a site's code or from a server.
OUR_LOGGERS = (
    "invitation.backends.admin_approval.views",
    "invitation.backends.allauth.adapters",
    "invitation.delivery.background",
    "invitation.flows.arriving.disowning",
    "invitation.flows.inviting.previewing",
    "invitation.flows.mail.notices",
    "invitation.flows.mail.outcomes",
    "invitation.flows.mail.sending",
    "invitation.gate.busy",
    "invitation.gate.carried_keys",
    "invitation.gate.clients",
    "invitation.lazysignup.emptying",
    "invitation.lazysignup.late_login",
    "invitation.mail",
    "invitation.management.commands.sendinvitations",
    "invitation.management.crews",
)


def loggers() -> Iterator[logging.Logger]:
    """Yield the loggers of Django and of this app that may write a key."""
    for name in (*LOGGERS, *OUR_LOGGERS):
        yield logging.getLogger(name)
    kinds = [SuspiciousOperation]
    for kind in kinds:
        yield logging.getLogger(f"django.security.{kind.__name__}")
        kinds.extend(kind.__subclasses__())


class KeyFilter(logging.Filter):
    """Filter that cuts keys out of everything in a log record, for every formatter.

    It is added to the loggers of Django and of this app. A site adds it to the handlers of its own
    loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the keys out of a record, and return ``True`` for every record."""
        request = getattr(record, "request", None)
        # A handler may print the request, or report the error to the administrators. The request
        # may have failed before a view of this app got it.
        if isinstance(request, HttpRequest):
            conceal_request(request)
        for name, value in list(vars(record).items()):
            if name not in ("exc_info", "request"):
                setattr(record, name, conceal_data(value))
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            error = masked_errors.conceal_error(record.exc_info[1], variables_for(request))
            if error is not record.exc_info[1]:
                record.exc_info = (type(error), error, error.__traceback__)
        _conceal_message(record)
        return True


def _conceal_message(record: logging.LogRecord) -> None:
    """Format the message before the handlers do, if one of its arguments prints a key."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return  # The handler reports wrong arguments.
    if conceal(message) != message:
        record.msg, record.args = conceal(message), ()


class ReportFilter:
    """Wrapper that cuts keys out of the output of the site's own error report filter."""

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
        """Return the local variables of a frame; those with a key as cut text."""
        if tb_frame.f_globals.get("__name__") in masked_errors.HALVES:
            return []
        variables = []
        for name, value in self.wrapped.get_traceback_frame_variables(request, tb_frame):
            text = pprint(value)
            safe = masked_errors.conceal_named(name, value) or conceal(text)
            variables.append((name, value if safe == text else safe))
        return variables


class _ConcealingQueryDict(QueryDict):
    """GET parameters that hide keys from error reports, which read ``items()``.

    Views read parameters by name, and get the real values.
    """

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return _concealed(dict(super().items())).items()


def report_filter(request: Any) -> ReportFilter:
    """Return the site's own error report filter, wrapped to hide keys.

    ``request`` may be ``None``.
    """
    site_filter: Any = get_exception_reporter_filter(request)
    return site_filter if isinstance(site_filter, ReportFilter) else ReportFilter(site_filter)


def variables_for(request: Any) -> masked_errors.Variables:
    """Return a callable that returns the local variables of a frame, without secrets.

    It leaves out keys, and the values that the site's own filter hides.
    """
    known = request if isinstance(request, HttpRequest) else None
    return partial(report_filter(known).get_traceback_frame_variables, known)


def conceal_request(request: HttpRequest) -> None:
    """Keep the key of this request out of its error report.

    A second call does nothing.
    """
    if isinstance(getattr(request, "exception_reporter_filter", None), ReportFilter):
        return
    concealing: Any = report_filter(request)
    request.exception_reporter_filter = concealing
    reporter: Any = _concealing(get_exception_reporter_class(request))
    request.exception_reporter_class = reporter
    try:
        given = request.GET
    except (SuspiciousOperation, LookupError, ValueError):
        pass  # A view that reads GET gets this error. A log filter must not raise it.
    else:
        _conceal_parameters(request, given)
    request.path = conceal(request.path)
    request.path_info = conceal(request.path_info)
    _conceal_environment(request)


def _conceal_parameters(request: HttpRequest, given: QueryDict) -> None:
    if given:
        shown = _ConcealingQueryDict(mutable=True, encoding=given.encoding)
        for name, values in given.lists():
            shown.setlist(name, values)
        shown._mutable = False
        request.GET = cast(Any, shown)


def _conceal_environment(request: HttpRequest) -> None:
    """Cut keys out of the data of the web server, after Django has read it."""
    _read = request.COOKIES
    for name, value in request.META.items():
        # A site's own token may look like a key, and a view may still need it.
        if isinstance(value, str) and name != "HTTP_AUTHORIZATION":
            # The gate still needs the key that a client sends in its own header.
            request.META[name] = Secret(value) if name == KEY_HEADER else conceal(value)
    match = request.resolver_match
    if match is not None:
        for name in ("args", "kwargs", "captured_kwargs"):
            setattr(match, name, conceal_data(getattr(match, name)))


@lru_cache(maxsize=16)
def _concealing(reporter_class: Any) -> Any:
    """Return a subclass of the site's error reporter that gets no exception with a key."""

    class ConcealingReporter(reporter_class):  # type: ignore[misc]
        """The site's own error reporter, without keys."""

        def __init__(
            self, request: Any, exc_type: Any, exc_value: Any, tb: Any, *args: Any, **kwargs: Any
        ) -> None:
            if exc_value is not None:
                safe = masked_errors.conceal_error(exc_value, variables_for(request))
                tb = tb if safe is exc_value else safe.__traceback__
                exc_value = safe
            super().__init__(request, exc_type, exc_value, tb, *args, **kwargs)

    return ConcealingReporter


def conceal_failing(sender: Any, request: Any = None, **kwargs: Any) -> None:
    """Keep keys out of the report of a failed request, for every view."""
    if isinstance(request, HttpRequest):
        conceal_request(request)


def connect() -> None:
    """Connect the signal of failed requests, and add the filter to the loggers."""
    got_request_exception.connect(conceal_failing, dispatch_uid="invitation.keys.masking")
    for logger in loggers():
        if not any(isinstance(known, KeyFilter) for known in logger.filters):
            logger.addFilter(KeyFilter())


def _concealed(values: dict[str, Any]) -> dict[str, Any]:
    # As one: the name alone tells that a value is an activation key.
    return cast("dict[str, Any]", conceal_data(dict(values)))
