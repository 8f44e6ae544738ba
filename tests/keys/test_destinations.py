"""Where newcomers may be led: to pages of this site, and nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.http import HttpResponseRedirect
from hypothesis import given
from hypothesis import strategies as st

from invitation.exceptions import DestinationRefused
from invitation.keys import destinations

SITE = "https://example.org/accounts/activate/key/"

BAD: dict[str, Any] = {
    "another host": "https://evil.example/",
    "another scheme": "http://example.org/welcome/",
    "no scheme": "//evil.example/",
    "three slashes": "///evil.example/",
    "backslash": "/\\evil.example/",
    "two backslashes": "\\\\evil.example",
    "backslash and slash": "\\/evil.example",
    "backslash later": "/welcome\\..\\",
    "encoded slashes": "/%2f%2fevil.example/",
    "encoded slash": "/%2Fevil.example/",
    "encoded backslash": "/%5cevil.example/",
    "slashes later": "/welcome//evil.example/",
    "slashes in the query": "/welcome/?next=//evil.example/",
    "host in the query": "/welcome/?next=https://evil.example/",
    "script": "javascript:alert(1)",
    "script after a slash": "/javascript:alert(1)//",
    "data": "data:text/html,x",
    "relative": "welcome/",
    "parent": "../welcome/",
    "query alone": "?next=/",
    "fragment alone": "#top",
    "newline": "/welcome/\nSet-Cookie: a=b",
    "newline before": "\n/welcome/",
    "carriage return": "/welcome/\r",
    "encoded newline": "/welcome/%0d%0aSet-Cookie:%20a=b",
    "tab": "/\t/evil.example/",
    "tab alone": "/\tevil.example/",
    "NUL": "/welcome/\0",
    "encoded NUL": "/welcome/%00",
    "blank": " ",
    "blank before": " /welcome/",
    "blank inside": "/wel come/",
    "non-breaking blank": "/wel\u00a0come/",
    "line separator": "/wel\u2028come/",
    "right to left": "/wel\u202ecome/",
    "zero width": "/wel\u200bcome/",
    "lone surrogate": "/wel\ud800come/",
    "not UTF-8": "/welcome/%ff\udcff",
    "very long": "/" + "w" * 200,
    "huge": "/" + "w" * 100_000,
    "None": None,
    "number": 7,
    "bytes": b"/welcome/",
}
GOOD = [
    "",
    "/",
    "/welcome/",
    "/welcome",
    "/members/?tab=new&page=2",
    "/members/#start",
    "/willkommen/schön/",
    "/%C3%A9/",
    "/a:b/",
    "/@ann/",
    "/" + "w" * 199,
]


@pytest.mark.parametrize("path", BAD.values(), ids=BAD)
def test_a_bad_destination_is_refused(path: Any) -> None:
    with pytest.raises(DestinationRefused) as refused:
        destinations.check(path)
    assert refused.value.code == "destination_refused"
    assert destinations.safe(path) == ""


@pytest.mark.parametrize("path", GOOD)
def test_a_page_of_the_site_is_taken_as_it_is(path: str) -> None:
    assert destinations.check(path) == destinations.safe(path) == path


@given(
    st.text(alphabet="/\\.:@%?#2f5c0da \t\r\nevil\0é\u2028\u200b", max_size=12).map("/".__add__)
    | st.text()
)
def test_whatever_passes_leads_nowhere_else(path: str) -> None:
    passed = destinations.safe(path)
    location = HttpResponseRedirect(passed)["Location"] if passed else ""
    for address in (passed, location, location.replace("\\", "/")):
        assert urlsplit(urljoin(SITE, address))[:2] == ("https", "example.org")
    assert len(passed) <= destinations.LENGTH_MAX
