"""Check what the mails say, when people are reminded, and of what inviters are told."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from invitation.checks.values import DAYS_MAX, Rule, is_number, report
from invitation.conf import conf
from invitation.flows.notifying import NEWS

#: A longer one leaves a subject no room where a list of mails is shown.
PREFIX_LENGTH_MAX = 60


def is_prefix(value: object) -> bool:
    """Tell whether this can stand in front of a subject, in one line with it."""
    return isinstance(value, str) and value.isprintable() and len(value) <= PREFIX_LENGTH_MAX


def is_choice_of_news(value: object) -> bool:
    """Tell whether this names news, or what says of each inviter which he wants."""
    if isinstance(value, list | tuple | set | frozenset):
        return all(isinstance(one, str) and one in NEWS for one in value)
    try:
        return callable(import_string(value) if isinstance(value, str) else value)
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return False


RULES = (
    Rule(
        name="INVITATION_SUBJECT_PREFIX",
        id="invitation.E053",
        fits=is_prefix,
        wanted=f"a text of one line and {PREFIX_LENGTH_MAX} characters at most",
        hint='For example "[Club] ", with the blank that is to follow it.',
    ),
    Rule(
        name="INVITATION_REMINDER_DAYS",
        id="invitation.E054",
        fits=lambda value: value is None or is_number(value, 1, DAYS_MAX),
        wanted=f"a whole number of days from 1 to {DAYS_MAX}, or None",
        hint="For example 2. With None nobody is reminded.",
    ),
    Rule(
        name="INVITATION_NOTIFY_INVITER",
        id="invitation.E055",
        fits=is_choice_of_news,
        wanted='a list of "accepted" and "expired", a callable, or the dotted path of one',
        hint='For example ["accepted"]. A callable gets the inviter and returns such a list.',
    ),
)


def check_writing(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a prefix that is none, days that mean nothing, and news that there are not."""
    messages = report(RULES)
    for message in messages:
        if message.msg.startswith("INVITATION_NOTIFY_INVITER"):
            message.msg += _why_no_import(conf.INVITATION_NOTIFY_INVITER)
    return messages


def _why_no_import(value: object) -> str:
    """Return with what importing a dotted path fails, or nothing."""
    if not isinstance(value, str):
        return ""
    try:
        import_string(value)
    except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
        return f" Importing it failed with {type(error).__name__}: {error}"
    return ""
