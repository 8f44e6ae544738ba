"""Keys stay out of log lines and error reports."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import ResolverMatch
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from invitation import keys
from invitation.keys import conceal, masking
from invitation.keys.masked_errors import conceal_data

KEY = keys.make(keys.new_locator(), keys.MAIL, 1)
HINT = keys.mask(KEY)


class SiteFilter(SafeExceptionReporterFilter):
    """Stand for a site's own filter."""

    site_specific = "kept"


def make_request(method: str = "get", **parameters: str) -> WSGIRequest:
    request: WSGIRequest = getattr(RequestFactory(), method)(f"/invited/{KEY}/", parameters)
    request.COOKIES["other"] = KEY
    masking.conceal_request(request)
    return request


def report(request: HttpRequest) -> str:
    """Return the whole error report of a view that fails, as HTML and as text."""

    def view(request: HttpRequest) -> None:
        carried = {"nested": [KEY]}
        raise ValueError(f"{len(carried)} wrong")

    try:
        view(request)
    except ValueError:
        reporter = ExceptionReporter(request, *sys.exc_info())
    return reporter.get_traceback_html() + reporter.get_traceback_text()


# -- log lines --


def logged(*args: Any) -> str:
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, *args, exc_info=None)
    assert masking.KeyFilter().filter(record)
    return record.getMessage()


def test_a_key_in_a_message_is_cut() -> None:
    assert logged(f"Gone: /invited/{KEY}/", ()) == f"Gone: /invited/{HINT}/"


def test_a_key_in_an_argument_is_cut_and_the_others_stay() -> None:
    assert logged('"%s" %d', (f"GET /invited/{KEY}/", 302)) == f'"GET /invited/{HINT}/" 302'


def test_a_key_in_a_named_argument_is_cut() -> None:
    assert logged("%(path)s %(status)d", ({"path": KEY, "status": 1},)) == f"{HINT} 1"


@pytest.mark.parametrize("message", [ValueError("x"), 1, "plain"])
@pytest.mark.parametrize("arguments", [(), None])
def test_what_has_nothing_to_cut_passes(message: object, arguments: object) -> None:
    assert logged(message, arguments) == str(message)


def failed(error: BaseException) -> logging.LogRecord:
    """Return the record of an error that was raised, after the filter."""
    try:
        raise error
    except type(error):
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())  # type: ignore[arg-type]
    for _ in range(2):
        masking.KeyFilter().filter(record)
    return record


def test_an_error_that_quotes_a_key_is_stood_in_for() -> None:
    raised = ValueError(f"no page {KEY}")
    record = failed(raised)
    assert record.exc_info is not None
    _kind, error, trace = record.exc_info
    assert isinstance(error, ValueError)
    assert (str(error), type(error).__name__) == (f"no page {HINT}", "ValueError")
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "failed"
    assert trace.tb_frame.f_locals["error"] != raised
    assert str(raised) == f"no page {KEY}"
    text = logging.Formatter().format(record)
    assert text.endswith(f"ValueError: no page {HINT}")
    assert "in failed\n    raise error" in text


def test_an_error_from_where_the_halves_of_a_key_are_at_hand_is_stood_in_for() -> None:
    with pytest.raises(TypeError) as caught:
        keys.mask(None)  # type: ignore[arg-type]
    record = failed(caught.value)
    assert record.exc_info is not None
    assert record.exc_info[1] is not caught.value


def test_any_other_error_is_left_as_it_is() -> None:
    raised = ValueError("other")
    record = failed(raised)
    assert record.exc_info is not None
    assert record.exc_info[1] is raised


class Fussy(Exception):
    """Be what can neither be subclassed nor printed."""

    def __init_subclass__(cls) -> None:
        raise TypeError("no heirs")

    def __str__(self) -> str:
        raise ValueError("no words")


def test_an_error_of_a_class_that_has_no_heirs_is_stood_in_for_by_one_of_its_name() -> None:
    raised = Fussy()
    raised.key = KEY  # type: ignore[attr-defined]
    record = failed(raised)
    assert record.exc_info is not None
    assert (record.exc_info[0] or object).__name__ == "Fussy"
    assert vars(record.exc_info[1])["key"] == HINT
    assert str(record.exc_info[1]) == "<Fussy>"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no groups")
def test_a_group_of_errors_is_stood_in_for_with_all_that_are_in_it() -> None:
    raised: Any = ExceptionGroup("two", [ValueError(KEY), KeyError("other")])  # noqa: F821
    record = failed(raised)
    assert record.exc_info is not None
    error: Any = record.exc_info[1]
    assert [type(one).__name__ for one in error.exceptions] == ["ValueError", "KeyError"]
    assert str(error.exceptions[0]) == HINT
    assert KEY in str(raised.exceptions[0])


@pytest.mark.parametrize("failing", [True, False])
def test_a_report_of_the_debug_page_is_given_a_stand_in(failing: bool) -> None:
    request = RequestFactory().get("/")
    masking.conceal_request(request)
    error = ValueError(KEY) if failing else None
    kind = ValueError if failing else None
    reporter = request.exception_reporter_class(request, kind, error, None)  # type: ignore[attr-defined]
    assert KEY not in str(reporter.exc_value)


def test_errors_that_are_chained_in_a_circle_are_no_matter() -> None:
    first, second = ValueError(KEY), KeyError(KEY)
    first.__cause__, second.__context__ = second, first
    record = failed(first)
    assert record.exc_info is not None
    error: Any = record.exc_info[1]
    assert error.__cause__.__context__ is error
    assert KEY not in repr([error, error.__cause__])


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ({"a": [KEY, 1], KEY: (b"x",)}, {"a": [HINT, 1], HINT: (b"x",)}),
        ({"activation_key": "a1" * 20}, {"activation_key": "a1a1a1…"}),
        ({KEY}, {HINT}),
        (bytearray(KEY.encode()), (KEY[:6] + "?").encode()),
        (ValueError(KEY), f"ValueError('{HINT}')"),
        ("7QK2-M9XA-4TRB or %207QK2-M9XA-4TRB", "****-****-**** or %20****-****-****"),
        ("/activate/" + "b2" * 20 + "/", "/activate/b2b2b2…/"),
        ("{'activation_key': ['" + "b2" * 20 + "']}", "{'activation_key': ['b2b2b2…']}"),
        ('<svg class="segno"><path/></svg> x', "<svg…> x"),
    ],
    ids=[
        "nested",
        "by name",
        "set",
        "bytes",
        "error",
        "code",
        "activation",
        "parameters",
        "drawing",
    ],
)
def test_a_key_deep_in_data_is_cut(value: Any, safe: Any) -> None:
    assert masking.conceal_data(value) == safe


def test_a_parameter_is_cut_that_only_its_name_gives_away() -> None:
    request = RequestFactory().get("/activate/", {"activation_key": "a1" * 20})
    masking.conceal_request(request)
    assert dict(request.GET.items()) == {"activation_key": "a1a1a1…"}
    assert request.GET["activation_key"] == "a1" * 20


def test_what_is_too_deep_is_read_as_it_prints() -> None:
    deep: Any = [KEY]
    for _ in range(20):
        deep = [deep]
    assert KEY not in repr(masking.conceal_data(deep))


def test_what_holds_no_key_is_the_very_same() -> None:
    value = {"a": [1, "x", (b"y", {"z"})], "id": "0F8FAD5B-D9CB-469F-A165-70867728950E"}
    assert masking.conceal_data(value) is value


def test_an_argument_that_prints_a_key_is_cut() -> None:
    class Row:
        def __str__(self) -> str:
            return KEY

    assert logged("gone: %s", (Row(),)) == f"gone: {HINT}"


def test_a_message_that_does_not_fit_its_arguments_is_left_to_the_handlers() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%d", ("x",), None)
    assert masking.KeyFilter().filter(record)
    assert record.args == ("x",)


def test_what_a_record_carries_besides_is_cut() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), None, sinfo=f"at {KEY}")
    record.link = [KEY]
    masking.KeyFilter().filter(record)
    assert (record.stack_info, record.link) == (f"at {HINT}", [HINT])


def test_our_own_loggers_are_among_them() -> None:
    named = {
        line.split('"')[1] if '"' in line else str(path.with_suffix("")).replace("/", ".")
        for path in Path("invitation").rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith("logger = logging.getLogger(")
    }
    assert named == set(masking.OUR_LOGGERS)


def test_only_a_request_is_concealed_when_a_request_fails() -> None:
    masking.conceal_failing(None, request=None)
    request = RequestFactory().get(f"/invited/{KEY}/", headers={"authorization": KEY})
    request.resolver_match = ResolverMatch(len, (KEY,), {"invitation_key": KEY})
    masking.conceal_failing(None, request=request)
    assert KEY not in request.path + request.META["PATH_INFO"]
    assert request.META["HTTP_AUTHORIZATION"] == KEY
    assert KEY not in repr(request.resolver_match)


def test_a_request_that_comes_with_a_log_line_is_concealed() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), None)
    record.request = RequestFactory().get(f"/invited/{KEY}/", {"invitation_key": KEY})
    masking.KeyFilter().filter(record)
    assert KEY not in report(record.request)


@pytest.mark.parametrize("name", masking.LOGGERS)
def test_djangos_loggers_cut_keys(name: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(name)
    logger.addHandler(caplog.handler)
    try:
        logger.warning("Not Found: %s", f"/invited/{KEY}/")
    finally:
        logger.removeHandler(caplog.handler)
    assert f"Not Found: /invited/{HINT}/" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("name", masking.LOGGERS)
def test_no_logger_cuts_twice(name: str) -> None:
    masking.connect()
    filters = logging.getLogger(name).filters
    assert len([one for one in filters if isinstance(one, masking.KeyFilter)]) == 1


# -- error reports --


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("debug", [True, False])
def test_an_error_report_shows_no_key(settings: Any, method: str, debug: bool) -> None:
    settings.DEBUG = debug
    shown = report(make_request(method, invitation_key=KEY, ref=KEY))
    assert KEY not in shown
    assert HINT in shown


def test_without_masking_it_would(settings: Any) -> None:
    settings.DEBUG = True
    assert KEY in report(RequestFactory().get(f"/invited/{KEY}/"))


def test_what_holds_no_key_is_shown_as_ever(settings: Any) -> None:
    settings.DEBUG = True
    shown = report(make_request(name="Bob"))
    assert "Bob" in shown
    assert "carried" in shown


def test_views_still_read_the_key() -> None:
    request = make_request(invitation_key=KEY)
    assert request.GET["invitation_key"] == KEY
    assert request.GET.getlist("invitation_key") == [KEY]
    assert make_request("post", invitation_key=KEY).POST["invitation_key"] == KEY


def test_concealing_twice_loses_nothing() -> None:
    request = make_request(invitation_key=KEY)
    masking.conceal_request(request)
    assert request.GET["invitation_key"] == KEY
    assert KEY not in report(request)


def test_the_parameters_keep_their_encoding() -> None:
    request = RequestFactory().get("/", QUERY_STRING="name=%E9")
    request.encoding = "latin-1"
    masking.conceal_request(request)
    assert request.GET["name"] == "é"


def test_a_request_without_parameters_is_no_matter() -> None:
    request = HttpRequest()
    request.path = request.path_info = f"/invited/{KEY}/"
    masking.conceal_request(request)
    assert KEY not in request.path + request.path_info
    assert not request.GET


def test_the_sites_own_filter_stays_in_charge() -> None:
    request = RequestFactory().post("/", {"password": "secret"})
    request.exception_reporter_filter = SiteFilter()  # type: ignore[attr-defined]
    masking.conceal_request(request)
    assert request.exception_reporter_filter.site_specific == "kept"  # type: ignore[attr-defined]


def test_what_django_hides_stays_hidden(settings: Any) -> None:
    settings.DEBUG = False
    request = RequestFactory().post("/", {"password": "tops3cret"})
    request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
    masking.conceal_request(request)
    assert "tops3cret" not in report(request)


def test_a_query_that_django_refuses_does_not_break_the_log(rf: Any, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    request = rf.get("/", {"a": "1", "b": KEY})
    record = logging.LogRecord("django.request", logging.WARNING, "", 1, "gone", (), None)
    record.request = request
    assert masking.KeyFilter().filter(record)
    assert KEY not in request.META["QUERY_STRING"]


def test_the_loggers_of_suspicious_requests_cut_keys() -> None:
    logger = logging.getLogger("django.security.DisallowedHost")
    assert any(isinstance(known, masking.KeyFilter) for known in logger.filters)


def test_a_key_whose_dot_was_encoded_is_cut_too() -> None:
    assert keys.conceal(KEY.replace(".", "%2E")) == HINT


def test_a_report_shows_nothing_of_the_frames_that_hold_the_halves_of_a_key() -> None:
    request = RequestFactory().get("/")
    masking.conceal_request(request)
    locator = keys.new_locator()
    try:
        keys.resolve(keys.make(locator, keys.COPY, 1), None, 1)  # type: ignore[arg-type]
    except TypeError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())  # type: ignore[arg-type]
        frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    [frame] = [frame for frame in frames if frame.f_code.co_name == "resolve"]
    assert locator in frame.f_locals["text"]
    shown = ExceptionReporter(request, None, None, None).filter.get_traceback_frame_variables(
        request, frame
    )
    assert shown == []
    record.request = request
    masking.KeyFilter().filter(record)
    assert record.exc_info is not None
    for copied, _line in traceback.walk_tb(record.exc_info[2]):
        assert copied.f_code.co_name != "resolve" or copied.f_locals == {}


TYPED = [
    "7qk2-m9xa-4trb",
    "7QK2M9XA4TRB",
    " 7qk2 m9xa 4trb",
    "7Qk2\u2013m9xa\u20134tRb",
    "7qk2-m9xa-4tro",
    "７ＱＫ２－Ｍ９ＸＡ－４ＴＲＢ",
    "７ｑｋ２ーｍ９ｘａｰ４ｔｒｂ",
    "７ｑｋ２\u3000ｍ９ｘａ\u3000４ｔｒｂ",
]


@pytest.mark.parametrize("typed", TYPED)
def test_a_code_is_cut_as_people_type_it(typed: str) -> None:
    quoted = quote(typed.strip())
    for text in (
        f"/accounts/join/{typed.strip()}/",
        f"/accounts/join/{quoted}/",
        f"/login/?next={quote(f'/join/{quoted}/', safe='')}",
        f"code={quote_plus(typed.strip())}&x=1",
        f"<QueryDict: {{'code': ['{typed}'], 'x': ['1']}}>",
    ):
        cut = conceal(text)
        assert "****-****-****" in cut
        assert "4tr" not in cut.lower()
        assert cut.endswith(text[-1])
    for name in ("code", "word", "text"):
        assert conceal_data({name: typed}) == {name: "****-****-****"}
    assert conceal_data({"code": [typed]}) == {"code": "****-****-****"}
    assert conceal_data({"name": typed.strip().lower()}) == {"name": typed.strip().lower()}


@pytest.mark.parametrize(
    "text",
    [
        "/join/our-club/",
        "/join/our-summer-party/",
        "'code': 'invalid_word'",
        "error code: something went wrong",
        "code=12",
        "{'word': 'neighbours-are-welcome'}",
    ],
)
def test_a_word_stays(text: str) -> None:
    assert conceal(text) == text


def test_an_activation_link_is_cut_where_another_address_quotes_it() -> None:
    key = "b95c42" + 34 * "a"
    address = f"/accounts/activate/{key}/"
    for text in (quote(address, safe=""), quote(quote(address, safe=""), safe="")):
        assert key[:6] + "…" in conceal(f"/login/?next={text}")
        assert key not in conceal(f"/login/?next={text}")
