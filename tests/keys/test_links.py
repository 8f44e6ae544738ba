"""Keys: how they are made, what they are bound to, and that nothing else is one."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invitation import keys
from invitation.keys import links
from invitation.models import InvitationKey
from tests.factories import make_invitation

LOCATOR = "abcdefghijklmnopqrstuv"
SAFE = string.ascii_letters + string.digits + "-_"


def resolve(text: object, site_id: int = 1) -> keys.Resolved[InvitationKey] | None:
    return keys.resolve(text, InvitationKey.objects.find, site_id)


# -- how one is made --


def test_a_key_is_locator_dot_signature() -> None:
    key = keys.make(LOCATOR, keys.MAIL, 1)
    assert re.fullmatch(rf"{LOCATOR}\.[A-Za-z0-9_-]{{43}}", key)
    assert len(key) == keys.KEY_LENGTH
    assert keys.PATTERN.fullmatch(key)


def test_the_same_key_can_be_made_again() -> None:
    assert keys.make(LOCATOR, keys.MAIL, 1) == keys.make(LOCATOR, keys.MAIL, 1)


def test_the_signature_is_bound_to_locator_channel_and_site() -> None:
    made = {
        keys.make(locator, channel, site_id).partition(".")[2]
        for locator in (LOCATOR, LOCATOR[::-1])
        for channel in keys.CHANNELS
        for site_id in (0, 1, 2)
    }
    assert len(made) == 2 * 2 * 3


def test_a_locator_has_128_random_bits() -> None:
    locators = {keys.new_locator() for _ in range(1000)}
    assert len(locators) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", locator) for locator in locators)
    assert keys.LOCATOR_BYTES * 8 == 128


def test_people_see_six_characters_of_a_locator() -> None:
    assert keys.mask(LOCATOR) == "abcdef…"


def test_keys_in_a_text_are_cut() -> None:
    key, other = keys.make(LOCATOR, keys.MAIL, 1), keys.make(LOCATOR[::-1], keys.COPY, 1)
    text = f"GET /invited/{key}/?a=1&key={other} 200"
    assert keys.conceal(text) == "GET /invited/abcdef…/?a=1&key=vutsrq… 200"
    assert keys.conceal("nothing to hide") == "nothing to hide"


# -- what one opens --


@pytest.mark.django_db
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_a_key_names_its_row_and_its_channel(channel: str) -> None:
    make_invitation(email="eve@example.org")
    invitation = make_invitation()
    resolved = resolve(keys.make(invitation.locator, channel, 1))
    assert resolved == keys.Resolved(invitation, channel)


@pytest.mark.django_db
def test_it_costs_one_query(django_assert_num_queries: Any) -> None:
    key = make_invitation().key
    with django_assert_num_queries(1):
        resolve(key)


@pytest.mark.django_db
def test_the_row_does_not_show_in_a_log() -> None:
    invitation = make_invitation()
    assert invitation.locator not in repr(resolve(invitation.key))


@pytest.mark.django_db
def test_only_what_is_found_opens() -> None:
    key = make_invitation().key
    assert keys.resolve(key, lambda locator, site_id: None, 1) is None


@pytest.mark.django_db
def test_a_new_locator_kills_the_links_that_are_out() -> None:
    invitation = make_invitation()
    old = invitation.mail_key
    invitation.locator = keys.new_locator()
    invitation.save()
    assert resolve(old) is None
    assert resolve(invitation.mail_key)


@pytest.mark.django_db
@pytest.mark.parametrize(("of", "at"), [(1, 2), (2, 1), (0, 1), (1, 0)])
def test_a_key_of_another_site_opens_nothing(
    of: int, at: int, django_assert_num_queries: Any
) -> None:
    invitation = make_invitation(site_id=of)
    with django_assert_num_queries(0):
        assert resolve(invitation.key, at) is None


@pytest.mark.django_db
def test_a_row_of_another_site_is_not_found_with_a_key_of_this_one() -> None:
    invitation = make_invitation(site_id=2)
    assert resolve(keys.make(invitation.locator, keys.MAIL, 1)) is None


@pytest.mark.django_db
def test_a_database_that_ignores_case_finds_nothing_more() -> None:
    invitation = make_invitation()
    forged = keys.make(invitation.locator.swapcase(), keys.MAIL, 1)
    assert keys.resolve(forged, lambda locator, site_id: invitation, 1) is None
    assert keys.resolve(invitation.mail_key, lambda locator, site_id: invitation, 1)


# -- rotation --


@pytest.mark.django_db
def test_a_rotated_secret_key_still_opens_what_it_signed(settings: Any) -> None:
    invitation = make_invitation()
    old = invitation.mail_key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new"
    assert resolve(old) == keys.Resolved(invitation, keys.MAIL)
    assert invitation.mail_key != old
    assert resolve(invitation.mail_key) == keys.Resolved(invitation, keys.MAIL)


@pytest.mark.django_db
def test_a_lost_secret_key_opens_nothing(settings: Any, django_assert_num_queries: Any) -> None:
    key = make_invitation().mail_key
    settings.SECRET_KEY = "new"
    with django_assert_num_queries(0):
        assert resolve(key) is None


@pytest.mark.django_db
def test_the_signing_keys_can_be_apart_from_the_secret_key(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = ["first", "second"]
    invitation = make_invitation()
    key = invitation.key
    settings.SECRET_KEY = "new"
    settings.INVITATION_SIGNING_KEYS = ["newest", "first"]
    assert resolve(key)
    settings.INVITATION_SIGNING_KEYS = ["newest"]
    assert resolve(key) is None


@pytest.mark.django_db
def test_secret_key_fallbacks_do_not_count_where_signing_keys_are_set(settings: Any) -> None:
    key = make_invitation().key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.INVITATION_SIGNING_KEYS = ["own"]
    assert resolve(key) is None


# -- what is none --

RIGHT = keys.make(LOCATOR, keys.MAIL, 1)


def replaced(index: int, char: str) -> str:
    return RIGHT[:index] + char + RIGHT[index + 1 :]


mutated = st.one_of(
    st.builds(
        replaced,
        st.integers(0, len(RIGHT) - 1),
        st.one_of(st.sampled_from(SAFE + ". \n\0=%ſK٣"), st.characters(codec="utf-8")),
    ),
    st.integers(0, len(RIGHT) - 1).map(lambda end: RIGHT[:end]),
    st.integers(1, len(RIGHT)).map(lambda start: RIGHT[start:]),
    st.integers(0, len(RIGHT) - 1).map(lambda at: RIGHT[:at] + RIGHT[at + 1 :]),
    st.tuples(st.integers(0, len(RIGHT)), st.text(SAFE + ".\n\0", min_size=1)).map(
        lambda pair: RIGHT[: pair[0]] + pair[1] + RIGHT[pair[0] :]
    ),
    st.sampled_from(
        [
            RIGHT.upper(),
            RIGHT.swapcase(),
            RIGHT.replace(".", ":"),
            RIGHT + "\n",
            " " + RIGHT,
            RIGHT * 200,
            LOCATOR,
            RIGHT[::-1],
        ]
    ),
    st.text(),
    st.text(SAFE, min_size=66, max_size=66),
    st.builds("{}.{}".format, st.text(SAFE, min_size=22, max_size=22), st.text(SAFE, max_size=43)),
    st.tuples(st.sampled_from(keys.CHANNELS), st.integers(0, 99)).map(
        lambda pair: keys.make(LOCATOR, pair[0], pair[1] + 2)
    ),
    st.sampled_from(["Mail", "", "mail:1", "x"]).map(lambda name: keys.make(LOCATOR, name, 1)),
)


@pytest.fixture
def known() -> InvitationKey:
    """Return the invitation that the right key opens."""
    return make_invitation(locator=LOCATOR)


@pytest.mark.exhaustive
@pytest.mark.django_db
@settings(max_examples=5000)
@given(mutated)
@example("")
@example("\0")
@example("x" * 10_000)
@example(RIGHT[:-1] + ("A" if RIGHT[-1] != "A" else "B"))
def test_what_is_not_letter_by_letter_the_key_opens_nothing_without_a_query(
    known: InvitationKey, text: str
) -> None:
    if text == known.mail_key:
        return
    with CaptureQueriesContext(connection) as queries:
        assert resolve(text) is None
    assert len(queries) == 0


@pytest.mark.parametrize("text", ["x" * 10_000_000, f"{'x' * 10_000}.{'x' * 43}", "\ud800" * 66])
def test_what_has_not_the_shape_of_a_key_is_not_even_signed(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(links, "_signature", lambda *args: pytest.fail("signed"))
    assert resolve(text) is None
    assert resolve(f"{text}.{'x' * 43}") is None


@pytest.mark.parametrize("value", [None, 0, b"x" * 66, ["x"], object()])
def test_what_is_no_text_opens_nothing(value: object) -> None:
    assert resolve(value) is None


@pytest.mark.django_db
def test_each_character_of_the_key_counts(known: InvitationKey) -> None:
    assert resolve(RIGHT) == keys.Resolved(known, keys.MAIL)
    for index, char in enumerate(RIGHT):
        for other in SAFE + ".":
            if other != char:
                assert resolve(replaced(index, other)) is None
