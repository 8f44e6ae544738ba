"""Keep invitation keys out of log lines and error reports.

The key has to stand in the address of the link that is mailed. Django logs the path of a refused
request and prints path, parameters, cookies and local variables into its error reports; here is
what cuts the key out of all of them. A web server's own access log is the site's to configure.
"""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterator
from types import FrameType
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.template.defaultfilters import pprint
from django.views.debug import get_exception_reporter_filter

from invitation import keys
from invitation.keys import conceal

#: The loggers of Django that write the path of a request or the context of a template. For a
#: suspicious request there is one more, named after the exception (see ``loggers``).
LOGGERS = ("django.request", "django.server", "django.security.csrf", "django.template")


def loggers() -> Iterator[logging.Logger]:
    """Yield the loggers of Django that may write a key."""
    for name in LOGGERS:
        yield logging.getLogger(name)
    kinds = [SuspiciousOperation]
    for kind in kinds:
        yield logging.getLogger(f"django.security.{kind.__name__}")
        kinds.extend(kind.__subclasses__())


class KeyFilter(logging.Filter):
    """Cut keys out of a log record's message, arguments, traceback and request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it holds a key; let every record pass."""
        if isinstance(record.msg, str):
            record.msg = conceal(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(
                conceal(argument) if isinstance(argument, str) else argument
                for argument in record.args
            )
        elif record.args:
            record.args = _concealed(dict(record.args))
        _conceal_traceback(record)
        # A handler may print the request, or report the error to the administrators: one that
        # broke before any view of ours has seen it.
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            conceal_request(request)
        return True


def _conceal_traceback(record: logging.LogRecord) -> None:
    """Format the traceback in place of the handlers, if it quotes a key."""
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        if conceal(text) != text:
            record.exc_text = conceal(text)


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
        self, request: HttpRequest, tb_frame: FrameType
    ) -> list[tuple[str, Any]]:
        """Return the local variables of a frame, those with a key in them as cut text."""
        if tb_frame.f_globals.get("__name__") == keys.__name__:
            return []  # It holds the two halves of a key apart.
        variables = []
        for name, value in self.wrapped.get_traceback_frame_variables(request, tb_frame):
            text = pprint(value)
            safe = conceal(text)
            variables.append((name, value if safe == text else safe))
        return variables


class _ConcealingQueryDict(QueryDict):
    """Show an error report no keys: ``items()`` is what it reads, views read by name."""

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return _concealed(dict(super().items())).items()


def conceal_request(request: HttpRequest) -> None:
    """Keep the key that this request may carry out of its error report; once is enough."""
    site_filter: Any = get_exception_reporter_filter(request)
    if isinstance(site_filter, ReportFilter):
        return
    concealing: Any = ReportFilter(site_filter)
    request.exception_reporter_filter = concealing
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
    request.META["QUERY_STRING"] = conceal(request.META.get("QUERY_STRING", ""))
    request.path = conceal(request.path)
    request.path_info = conceal(request.path_info)


def _concealed(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: conceal(value) if isinstance(value, str) else value for name, value in values.items()
    }
