"""Errors: a stable code, words for people, and both can be changed."""

from __future__ import annotations

import copy
import pickle

import pytest
from django.utils import translation
from django.utils.translation import gettext_lazy

from invitation import exceptions
from invitation.exceptions import InvitationError, KeyRefused

KINDS = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, InvitationError)
]


#: What fills the places in the words of some.
PARAMS = {
    exceptions.AddressMismatch: {"email": "a@b.c"},
    exceptions.AccountTooNew: {"moment": "Nov. 29, 2026, noon"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_a_code_and_words(kind: type[InvitationError]) -> None:
    error = kind(params=PARAMS[kind]) if kind in PARAMS else kind()
    assert error.code.replace("_", "").isalpha()
    assert error.code == error.code.lower()
    assert str(error).endswith(".")
    assert "%" not in str(error)


def test_codes_are_not_shared() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(exceptions.NoKey, 404), (exceptions.KeyNotFound, 404), (exceptions.KeyExpired, 410)],
)
def test_a_refused_key_has_a_status(kind: type[KeyRefused], status: int) -> None:
    assert kind().status == status


def test_words_code_and_places_can_be_given() -> None:
    error = InvitationError("%(number)d left", code="few", params={"number": 3})
    assert (str(error), error.code, error.params) == ("3 left", "few", {"number": 3})


def test_words_without_places_may_hold_a_percent_sign() -> None:
    assert str(InvitationError("100% wrong")) == "100% wrong"


def test_words_are_translated_when_they_are_shown() -> None:
    error = InvitationError(gettext_lazy("Yes"))
    with translation.override("de"):
        assert str(error) == "Ja"
    assert str(error) == "Yes"


def test_a_failed_delivery_says_whether_for_good() -> None:
    assert not exceptions.DeliveryFailed().permanent
    assert exceptions.DeliveryFailed("550", permanent=True).permanent


@pytest.mark.parametrize(
    "error",
    [
        InvitationError("%(number)d left", code="few", params={"number": 3}),
        exceptions.KeyExpired(),
        exceptions.DeliveryFailed("550 no", permanent=True),
    ],
)
def test_an_error_survives_the_way_to_another_process(error: InvitationError) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert type(other) is type(error)
        assert str(other) == str(error)
        for name in ("code", "params", "permanent"):
            assert getattr(other, name, None) == getattr(error, name, None)
