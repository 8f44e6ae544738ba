"""Show that what people write can neither become a link in the email nor break out of its line."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from email.header import decode_header, make_header
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import translation
from django.utils.html import urlize
from django.utils.translation import gettext_lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from invitation.addresses import cleaning
from invitation.delivery import texts
from invitation.delivery.texts import check_text, inviter_name, plain_name
from invitation.exceptions import InvitationError, TextRefused
from tests.examples import examples

if sys.version_info >= (3, 11):
    from re import _constants as sre_constants
    from re import _parser as sre_parse
else:
    import sre_constants
    import sre_parse

LINKS = [
    # schemes
    "http://evil.example",
    "https://x",
    "HTTPS://X",
    "ftp://x",
    "anything://x",
    "http://",
    "//0.0",
    "//server/x",
    "see(http://x)",
    "http:x",
    "https:x",
    "mailto:ann",
    "MAILTO:ann",
    "tel:110",
    "sms:110",
    "callto:ann",
    "skype:ann",
    "facetime:ann",
    "facetime-audio:ann",
    "whatsapp:send",
    "javascript:alert",
    "data:text/html",
    "file:x",
    "xmpp:ann",
    "sip:ann",
    "magnet:?x",
    '"tel:110"',
    r"\\server\share",
    "http\uff1a\uff0f\uff0fx",
    "mailto\uff1aann",
    # www
    "www.x",
    "WWW.1",
    "www.7",
    "(www.x)",
    "www\u30021",
    "www.\u0300",
    "\uff57\uff57\uff57\uff0e\u0300",
    # bare domains
    "evil.com",
    "EVIL.COM",
    "evil.com.",
    "evil.com/x",
    "evil.com:80",
    "evil.com?x",
    "(evil.com)",
    "<evil.com>",
    '"evil.com"',
    "evil.com,",
    "t.co",
    "1.fm",
    "x-y.de",
    "a_b.org",
    "sub.evil.com",
    "evil.museum",
    "evil.com2",
    "evil.xn--p1ai",
    "xn--e1afmkfd.xn--p1ai",
    "...evil.com",
    "wait...evil.com",
    "evil..COM",
    "wait...com/x",
    "\u2488.al",
    "soon.Bye",
    "Node.js",
    # in any script and spelling
    "пример.рф",
    "münchen.de",
    "例子.中国",
    "भारत.भारत",
    "مثال.إختبار",
    "i\u2764.ws",
    "\U0001f4a9.la",
    "evil\uff0ecom",
    "evil\u2024com",
    "evil\ufe52com",
    "evil\u3002com",
    "evil\uff61com",
    "evil\ufe12com",
    "evil\u3002COM",
    "evil\u3002com/x",
    "evil\u3002xn--p1ai",
    "例子\u3002com",
    "例子\u3002中国",
    "例子\u3002中國",
    "例子\uff61香港",
    "\uff45\uff56\uff49\uff4c.com",
    "evil.\uff43\uff4f\uff4d",
    "\U0001d41e\U0001d42f\U0001d422\U0001d425.\U0001d41c\U0001d428\U0001d426",
    "evil.\u24d2\u24de\u24dc",
    "e\u0301vil.com",
    "evil.c\u0301om",
    "evil\u0301.com",
    "evil.\u0301com",
    "evil.\ufe0fcom",
    # hidden in it
    "evil\u200b.com",
    "evil.\u200bcom",
    "evil.c\u00adom",
    "evil\u2060.com",
    "evil\ufeff.com",
    "\u202emoc.live",
    "evil\u3164.com",
    "evil\x00.com",
    "evil.\ud800com",
    # addresses
    "ann@example.org",
    "ann@example",
    "a@b",
    "ann\uff20example",
    "ann\ufe6bexample",
    "<ann@example>",
    "@ann@example",
    # IPv4
    "1.2.3.4",
    "127.0.0.1",
    "10.0.0.1/x",
]
PHONES = [
    "1234567",
    "0301234567",
    "+493012345678",
    "+49 30 1234567",
    "+49 (0)30 / 123-4567",
    "+49 (0) 30 - 12 34 567",
    "(030) 123 4567",
    "030/1234567",
    "030.123.4567",
    "1-800-555-0199",
    "1 2 3 4 5 6 7",
    "12 - 34 - 56 - 7",
    "030/12/34",
    "(030(12(34",
    "030)12)34",
    "01 23 45 67 89",
    "030\u20111234567",
    "030\u20131234567",
    "030\u00a01234567",
    "030\t1234567",
    "call030123456",
    "0301234567call",
    "\u0660\u0663\u0660\u0661\u0662\u0663\u0664",
    "\uff10\uff13\uff10\uff11\uff12\uff13\uff14",
    "\u2460\u2461\u2462\u2463\u2464\u2465\u2466",
    "\U0001d7ce\U0001d7d1\U0001d7ce\U0001d7cf\U0001d7d0\U0001d7d1\U0001d7d2",
    "1\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e3",
    "1\u200b2\u200b3\u200b4\u200b5\u200b6\u200b7",
    "030 12\u20601 2345",
    # a date only where it stands alone
    "+2026-05-01",
    "030-2026-05-01",
    "2026-05-01-55",
    "24.12.20261",
    "124.12.2026",
    "2026-13-01",
    "2026-01-32",
    "0.12.2026",
    "24.12.3026",
    "1990-2026-7",
    "20262027",
]
HARMLESS = [
    "Hello Ann, see you soon. Bye!",
    "e.g. this, i.e. that, a.m. or p.m.",
    "v2.0 and 3.5 km, 10.30 h, chapter 1.2.3",
    "U.S.A.",
    "J. R. R. Tolkien",
    "wait...what, wait…what",
    "wait...comes, soon..bye",
    ".NET is fine. So is .com alone",
    "no dot com. Really",
    "end.\nBegin",
    "end. Begin",
    "Meet me @ 5, @ann!",
    "PS: bring tea, at 18:30; ratio 1:2; note:this",
    "and/or, 24/7, AC/DC, w/o",
    r"back\slash",
    "a:b, C: drive, hotel:book",
    "2+2=?",
    "http and www are words, www. too",
    "1,000,000 thanks",
    "123 456",
    "12 34 56, 78 90",
    "123456, 123456",
    "123 -- 4567",
    "room 123 24.12.2026 4567",
    "room 123, floor 4567",
    "123456\n123456",
    "On 24.12.2026, 24.12.2026",
    "(24/12/2026)",
    "12/24/2026",
    "2026-12-24 at 18:30",
    "2026/12/24",
    "1. 5. 2026",
    "24. 12. 2026",
    "2026-2027 and 2026/2027 and 2026\u20132027",
    "你好。再见。",
    "你好。再见很好",
    "お願いします。Zoomで会いましょう。",
    "我爱你。中国人",
    "안녕하세요. 반갑습니다.",
    "Привет. Пока.",
    "مرحبا. إلى اللقاء.",
    "नमस्ते। फिर मिलेंगे।",
    "👍🏽 🇩🇪 ❤️",
    "<b>bold</b> & \"quoted\" 'text'",
    "50 % off, 100%",
    "%(piece)s %s",
]


# --- link finders that share nothing with the module ----------------------------------------------


def links_found(text: str) -> list[str]:
    """Find links by walking over the text, the way a generous mail client could."""
    flat = "".join(
        char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char)[0] != "M"
    ).lower()
    found = []
    for word in flat.split():
        if "://" in word or word.lstrip("(<\"'").startswith(("mailto:m", "tel:1", "www.x", "\\\\")):
            found.append(word)
        name, at, host = word.partition("@")
        if at and name and host:
            found.append(word)
        for stop in (".", "\u3002"):
            parts = word.split(stop)
            for before, after in pairwise(parts):
                letters = len(after) - len(after.lstrip("".join(filter(str.isalpha, after))))
                latin = (
                    letters and after[:letters].isascii() and (after + " ")[letters] in " ./:,;!?)"
                )
                label = before and before[-1] not in ".\u3002"
                if label and letters >= 2 and (stop == "." or latin):
                    found.append(word)
    return found


def phones_found(text: str) -> list[str]:
    """Find runs of seven digits, counting over up to three separators."""
    found, digits, gap = [], "", 0
    for char in unicodedata.normalize("NFKC", text) + "x":
        if unicodedata.category(char)[0] == "M":
            continue
        if char.isdecimal():
            digits, gap = digits + char, 0
        elif char in " .()/-\u2010\u2011\u2012\u2013\u2014\u2015\u2212" and gap < 3:
            gap += 1
        else:
            if len(digits) >= 7:
                found.append(digits)
            digits, gap = "", 0
    return found


def without_dates(text: str) -> str:
    """Take out what is documented as harmless: dates and pairs of years, roughly."""
    return re.sub(
        r"\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4}|\d{4}[^\d\s]\d{4}",
        "date",
        unicodedata.normalize("NFKC", text),
    )


def assert_harmless(text: str) -> None:
    assert not links_found(text)
    assert not phones_found(without_dates(text))
    # urlize() links what stands in a text with known top-level domains, schemes and addresses.
    assert "<a" not in urlize(text.replace("<", " "))
    unseen = {unicodedata.category(char) for char in text.replace("\n", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert not unseen
    assert unicodedata.normalize("NFC", text) == text
    text.encode()


class TestTheFinders:
    """Show that the finders find, so that their silence means something."""

    @pytest.mark.parametrize(
        "text", ["evil.com", "a@b", "http://x", "www.x.y", "例.рф", "evil\u3002com", "\\\\a\\b"]
    )
    def test_links(self, text: str) -> None:
        assert links_found(text)

    @pytest.mark.parametrize("text", PHONES[:14])
    def test_phone_numbers(self, text: str) -> None:
        assert phones_found(text)


class TestCheckText:
    @pytest.mark.parametrize("link", LINKS, ids=ascii)
    @pytest.mark.parametrize("shape", ["{}", "Hello {} and bye", "Look:\n{}\nBye"])
    def test_refuses_a_link(self, link: str, shape: str) -> None:
        with pytest.raises(TextRefused) as caught:
            check_text(shape.format(link))
        assert caught.value.code == "link_in_text"
        assert str(caught.value).endswith("full stop.")

    @pytest.mark.parametrize("phone", PHONES, ids=ascii)
    @pytest.mark.parametrize("shape", ["{}", "Call {} now", "Call\n{}\nnow"])
    def test_refuses_a_phone_number(self, phone: str, shape: str) -> None:
        with pytest.raises(TextRefused) as caught:
            check_text(shape.format(phone))
        assert caught.value.code == "link_in_text"
        assert "phone numbers" in str(caught.value)

    @pytest.mark.parametrize("text", HARMLESS, ids=ascii)
    def test_lets_ordinary_writing_through(self, text: str) -> None:
        assert check_text(text) == text

    def test_shows_the_piece_that_is_meant(self) -> None:
        with pytest.raises(TextRefused) as caught:
            check_text("See you soon.Bye, at 100%")
        assert caught.value.params == {"piece": "soon.Bye,"}
        assert "“soon.Bye,”" in str(caught.value)

    def test_shows_only_the_beginning_of_a_long_piece(self) -> None:
        with pytest.raises(TextRefused) as caught:
            check_text("a" * 100 + ".com")
        assert caught.value.params == {"piece": "a" * 40}

    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            ("a\u2028b\u2029c\x85d\x0be\x0cf", "a\nb\nc\nd\ne\nf"),
            ("a\x1cb\x1db\x1ec", "a\nb\nb\nc"),
            ("  a  b \n\n c  ", "a  b \n\n c"),
            ("a\tb", "a b"),
            ("a\x00\x07\x1b[31mb\x7f", "a[31mb"),
            ("a\u202eb\u2066c\u200fd\u061ce", "abcde"),
            ("a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", "abcdefg"),
            ("a\ud800b\udfffc", "abc"),
            ("a\u3164b\u2800c\u115fd\u1160e\u034ff\uffa0g", "abcdefg"),
            ("ក\u17b4\u17b5ខ", "កខ"),
            ("zoe\u0308", "zoë"),
            ("e\u200b\u0301", "é"),
            ("\U000e0041\U000e0042x", "x"),
            ("❤\ufe0f 👨\u200d👩", "❤\ufe0f 👨\u200d👩"),
            ("", ""),
            ("\u200b \n", ""),
        ],
        ids=ascii,
    )
    def test_cleans(self, typed: str, kept: str) -> None:
        assert check_text(typed) == kept

    def test_takes_a_translated_text(self) -> None:
        assert check_text(gettext_lazy("Hello")) == "Hello"  # type: ignore[arg-type]

    def test_takes_none_for_no_text(self) -> None:
        assert check_text(None) == ""  # type: ignore[arg-type]

    def test_takes_500_characters_and_no_more(self) -> None:
        assert check_text("a" * 500) == "a" * 500
        with pytest.raises(TextRefused) as caught:
            check_text("a" * 501)
        assert caught.value.code == "text_too_long"
        assert "500" in str(caught.value)

    def test_counts_what_is_left_after_cleaning(self) -> None:
        assert check_text("\r\n".join(["a"] * 250) + "   ") == "\n".join(["a"] * 250)
        assert check_text("a\u200b" * 500) == "a" * 500
        with pytest.raises(TextRefused):
            check_text("a\u200b" * 501)

    def test_takes_another_limit(self) -> None:
        assert check_text("abc", limit=3) == "abc"
        with pytest.raises(TextRefused):
            check_text("abcd", limit=3)

    def test_is_an_invitation_error_in_the_language_of_the_reader(self) -> None:
        with pytest.raises(InvitationError) as caught:
            check_text("a" * 501)
        with translation.override("en"):
            assert str(caught.value) == "Write at most 500 characters."


class TestPlainName:
    @pytest.mark.parametrize(
        ("typed", "name"),
        [
            ("Ann Lee", "Ann Lee"),
            ("  Ann \t Lee\u00a0 ", "Ann Lee"),
            ("Ann\nLee", "Ann Lee"),
            ("Ann\r\nBcc: eve@example.com", "Ann Bcc: eve example com"),
            ("Ann\u2028Lee\x00\x1b", "Ann Lee"),
            ("\u202eAnn\u200b", "Ann"),
            ("Zoe\u0308", "Zoë"),
            ("O'Brien-Müller, Jr.", "O'Brien-Müller, Jr."),
            ("Dr. Who", "Dr. Who"),
            ("Dr.Who", "Dr Who"),
            ("J. R. R. Tolkien", "J. R. R. Tolkien"),
            ("AC/DC: live @ night", "AC/DC: live @ night"),
            ("李小龍", "李小龍"),
            ("Ａｎｎ", "Ａｎｎ"),
            ("evil.com", "evil com"),
            ("http://evil.com/x?y", "http evil com x?y"),
            ("Win at evil.com: now.", "Win at evil com now."),
            ("mailto:ann", "mailto ann"),
            (r"\\server\share", "server share"),
            ("ann@example.org", "ann example org"),
            ("evil\u3002com", "evil com"),
            ("evil\uff0ecom", "evil com"),
            ("ｅｖｉｌ．ｃｏｍ", "evil com"),
            ("1.2.3.4", "1 2 3 4"),
            ("Ann +49 30 1234567", "Ann"),
            ("Ann (030) 123-4567 Lee", "Ann Lee"),
            ("call 1.800.555.0199 now", "call now"),
            ("agent007", "agent007"),
            ("ann19840512", "ann"),
            ("123456", "123456"),
            ("1234567", ""),
            ("①②③④⑤⑥⑦", ""),
            ("a@1234567", "a"),
            ("a.1234567com", "a. com"),
            ("a 1234567b", "a b"),
            ("Party 24.12.2026", "Party 24.12.2026"),
            ("=?utf-8?q?evil=2ecom?=", "= ?utf-8?q?evil=2ecom?="),
            ("a@=?b", "a = ?b"),
            ("ann@\uff1d\uff1fx", "ann = ?x"),
            ("<b>Ann</b>", "<b>Ann</b>"),
            ("100%", "100%"),
            ("\u3164", ""),
            ("...", "..."),
            ("", ""),
        ],
        ids=ascii,
    )
    def test_gives(self, typed: str, name: str) -> None:
        assert plain_name(typed) == name

    @pytest.mark.parametrize("text", LINKS + PHONES, ids=ascii)
    @pytest.mark.parametrize("shape", ["{}", "Ann {} Lee"])
    def test_takes_links_apart(self, text: str, shape: str) -> None:
        name = plain_name(shape.format(text))
        assert_harmless(name)
        assert not phones_found(name)
        assert check_text(name) == name

    def test_takes_none_for_no_name(self) -> None:
        assert plain_name(None) == ""  # type: ignore[arg-type]

    def test_takes_a_translated_text(self) -> None:
        assert plain_name(gettext_lazy("Hello")) == "Hello"  # type: ignore[arg-type]

    def test_has_at_most_60_characters(self) -> None:
        assert plain_name("a" * 60) == "a" * 60
        assert plain_name("a" * 61) == "a" * 60
        assert plain_name("a" * 1_000_000) == "a" * 60

    def test_takes_another_limit(self) -> None:
        assert plain_name("Ann Lee", limit=4) == "Ann"
        assert plain_name("Ann", limit=0) == ""

    @pytest.mark.parametrize(
        ("typed", "name"),
        [
            ("abcde\u0308x", "abcdëx"),  # composed first
            ("abcdeq\u0308", "abcde"),  # nothing composes these two
            ("abcde👍🏽", "abcde"),
            ("abcd🇩🇪🇫🇷", "abcd🇩🇪"),
            ("abcde🇩🇪", "abcde"),
            ("abc🇩🇪🇫🇷", "abc🇩🇪"),
            ("abcde❤\ufe0f", "abcde"),
            ("abcde\u1100\u1161\u11a8", "abcde각"),
            ("abcde\u1112\u119e\u11ab", "abcde"),
            ("abcdeक\u093f", "abcde"),
        ],
        ids=ascii,
    )
    def test_does_not_cut_a_letter_in_two(self, typed: str, name: str) -> None:
        assert plain_name(typed, limit=6) == name

    def test_cuts_a_heap_of_marks_all_the_same(self) -> None:
        assert plain_name("\u0301" * 20, limit=6) == "\u0301" * 6

    def test_finds_a_link_that_cutting_makes(self) -> None:
        assert plain_name("我爱你。中国人", limit=6) == "我爱你 中国"
        assert plain_name("on 2026-05-01", limit=12) == "on"

    def test_is_not_decoded_in_a_header(self) -> None:
        name = plain_name("=?utf-8?q?evil=2Ecom=0ABcc:?= =?utf-8?b?eA==?=")
        assert str(make_header(decode_header(name))) == name


class Person:
    """Stand for a user model with names of its own."""

    def __init__(self, full_name: Any = "", username: Any = "") -> None:
        self.full_name = full_name
        self.username = username

    def get_full_name(self) -> Any:
        return self.full_name

    def get_username(self) -> Any:
        return self.username


class NamelessPerson:
    """Stand for a user model that has nothing but what AbstractBaseUser gives."""

    def get_username(self) -> str:
        return "ann"


class TestInviterName:
    @pytest.mark.parametrize(
        ("user", "name"),
        [
            (None, ""),
            (AnonymousUser(), ""),
            (NamelessPerson(), "ann"),
            (Person("Ann Lee", "ann"), "Ann Lee"),
            (Person("  ", "ann"), "ann"),
            (Person("", "ann"), "ann"),
            (Person(None, "ann"), "ann"),
            (Person(None, None), ""),
            (Person("\u200b", "ann"), "ann"),
            (Person("", "ann.lee@example.org"), "ann lee"),
            (Person("", "ann\uff20example.org"), "ann"),
            (Person("", "ann\ufe6bexample.org"), "ann"),
            (Person("ann@example.org", "x"), "ann"),
            (Person("Ann ann@example.org", "x"), "Ann ann"),
            (Person("ann @example.org", "x"), "ann"),
            (Person("", "@ann"), "@ann"),
            (Person("", "@ann@example.org"), "@ann"),
            (Person("", "+49 30 1234567"), ""),
            (Person("+49 30 1234567", "ann"), "ann"),
            (Person("", 4711), "4711"),
            (Person("Visit evil.com now", "ann"), "Visit evil com now"),
            (Person("a" * 300, "ann"), "a" * 60),
        ],
        ids=lambda value: ascii(value)[:30] if isinstance(value, str) else "",
    )
    def test_gives(self, user: Any, name: str) -> None:
        assert inviter_name(user) == name


# --- any text -------------------------------------------------------------------------------------

FRAGMENTS = [
    *(
        ".",
        "/",
        ":",
        "@",
        "\\",
        "//",
        "://",
        "\\\\",
        "www",
        "http",
        "mailto",
        "tel",
        "evil",
        "com",
        "co",
        "x",
        "рф",
    ),
    *(
        "\u3002",
        "\uff0e",
        "\uff61",
        "\u2024",
        "\ufe52",
        "\u2026",
        "\uff20",
        "\uff1a",
        "\uff0f",
        "\u2100",
        "\u2488",
    ),
    *(
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u2028",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\u00ad",
        "\x00",
        "\ud800",
    ),
    *(
        "1",
        "23",
        "4567",
        "2026",
        "12",
        "-",
        "(",
        ")",
        "+",
        "\u2013",
        "\u0660",
        "①",
        "½",
        "１",
        "1\ufe0f\u20e3",
    ),
    *(
        "=?",
        "=",
        "?",
        "\uff1d",
        "\uff1f",
        "utf-8?q?",
        "\u0301",
        "\u0338",
        "e\u0301",
        "🇩",
        "🇪",
        "👍🏽",
        "❤\ufe0f",
        "\u3164",
    ),
    *(
        "中国",
        "香港",
        "例",
        "xn--",
        "ﷺ",
        "ﬁ",
        "ᄒ",
        "ᆞ",
        "ᆫ",
        "<",
        ">",
        '"',
        "'",
        ",",
        "%",
        "\U000e0041",
        "ß",
        "İ",
    ),
]
any_text = st.one_of(
    st.text(max_size=100),
    st.text(alphabet=st.characters(categories=["Cf", "Cc", "Mn", "Nd", "Zs", "Po"]), max_size=60),
    st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join),
    st.text(alphabet="a1./:@\u3002 -+()=?\\", max_size=60),
)


@given(text=any_text, limit=st.sampled_from([1, 6, 12, 60]))
@settings(max_examples=examples(600), deadline=None)
def test_any_name_becomes_one_harmless_line(text: str, limit: int) -> None:
    name = plain_name(text, limit)
    assert len(name) <= limit
    assert name == " ".join(name.split())
    assert "\n" not in name
    assert "=?" not in name
    assert plain_name(name, limit) == name
    assert_harmless(name)
    assert check_text(name) == name


@given(text=any_text)
@settings(max_examples=examples(600), deadline=None)
def test_any_text_is_refused_or_harmless(text: str) -> None:
    try:
        kept = check_text(text)
    except TextRefused:
        return
    assert check_text(kept) == kept
    assert "\r" not in kept
    assert_harmless(kept)


@given(full_name=any_text, username=any_text)
@settings(max_examples=examples(300), deadline=None)
def test_any_account_has_a_harmless_name(full_name: str, username: str) -> None:
    assert_harmless(inviter_name(Person(full_name, username)))  # type: ignore[arg-type]


@given(
    local=st.from_regex(r"[a-z]{3,10}", fullmatch=True),
    domain=st.from_regex(r"[A-Z]{3,10}\.org", fullmatch=True),
)
def test_the_domain_of_an_account_is_never_told(local: str, domain: str) -> None:
    for text in (f"{local}@{domain}", f"Ann {local}@{domain}", f"<{local}@{domain}>"):
        assert domain[:3] not in inviter_name(Person(text, ""))  # type: ignore[arg-type]
        assert domain[:3] not in inviter_name(Person("", text))  # type: ignore[arg-type]


# --- linear time ----------------------------------------------------------------------------------


def patterns(module: ModuleType) -> list[re.Pattern[str]]:
    """Return every compiled pattern that a module holds, also inside tuples."""

    def walk(value: object) -> Iterator[re.Pattern[str]]:
        if isinstance(value, re.Pattern):
            yield value
        elif isinstance(value, (tuple, list)):
            for item in value:
                yield from walk(item)

    return [pattern for value in vars(module).values() for pattern in walk(value)]


def nested_repeats(parsed: Any, inside: bool = False) -> bool:
    """Tell whether a parsed pattern repeats, without a small bound, something that repeats."""
    for operator, arguments in parsed:
        repeats = (
            operator in (sre_constants.MAX_REPEAT, sre_constants.MIN_REPEAT) and arguments[1] > 1
        )
        if repeats and inside:
            return True
        for argument in arguments if isinstance(arguments, tuple) else ():
            groups = argument if isinstance(argument, list) else [argument]
            for group in groups:
                if isinstance(group, sre_parse.SubPattern) and nested_repeats(
                    group, inside or repeats
                ):
                    return True
    return False


class TestLinearTime:
    def test_the_check_finds_nested_quantifiers(self) -> None:
        for bad in (
            r"(a+)+",
            r"(\s*,?\s*)+$",
            r"(?:a|b*)*",
            r"((?:x{2,}){3})",
            r"(?:a+?)*?",
            r"(?=(a+)*)",
        ):
            assert nested_repeats(sre_parse.parse(bad)), bad
        for good in (r"a+b*", r"(?:ab?)+", r"[a-z]{1,3}\.[a-z]+"):
            assert not nested_repeats(sre_parse.parse(good)), good

    @pytest.mark.parametrize("module", [cleaning, texts])
    def test_no_pattern_nests_quantifiers(self, module: ModuleType) -> None:
        found = patterns(module)
        assert len(found) >= 7
        for pattern in found:
            assert not nested_repeats(sre_parse.parse(pattern.pattern)), pattern.pattern

    def test_a_note_is_measured_before_it_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(texts, "_visible", None)
        monkeypatch.setattr(texts, "_is_link", None)
        monkeypatch.setattr(texts, "_holds_phone_number", None)
        for text in (
            "\u0301\u0323" * 32_768,
            "a." * 32_768,
            "1 " * 32_768,
            "\u200b" * 65_536,
            "(" * 65_536,
        ):
            with pytest.raises(TextRefused) as caught:
                check_text(text)
            assert caught.value.code == "text_too_long"

    def test_only_the_beginning_of_a_name_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[int] = []

        def visible(text: str) -> str:
            seen.append(len(text))
            return text

        monkeypatch.setattr(texts, "_visible", visible)
        plain_name("\u0301\u0323" * 32_768)
        assert seen[0] == 240
        assert max(seen) == 240
