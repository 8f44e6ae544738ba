"""Checks of the settings for the text of emails, reminders and news for inviters."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from invitation.checks.values import DAYS_MAX, Rule, is_number, report
from invitation.conf import conf
from invitation.flows.mail import NEWS

#: Maximum length of a prefix. A longer one leaves no room for the subject in a list of emails.
PREFIX_LENGTH_MAX = 60

#: Maximum length of the site's name and of the sentence about it. The name is part of subjects.
SITE_NAME_LENGTH_MAX = 60
SITE_BLURB_LENGTH_MAX = 200


def is_prefix(value: object) -> bool:
    """Return whether the value can stand before a subject, in one line with it."""
    return isinstance(value, str) and value.isprintable() and len(value) <= PREFIX_LENGTH_MAX


def is_choice_of_news(value: object) -> bool:
    """Return whether the value lists news, or is a callable that returns such a list.

    A dotted path of a callable is also allowed.
    """
    if isinstance(value, list | tuple | set | frozenset):
        return all(isinstance(one, str) and one in NEWS for one in value)
    try:
        return callable(import_string(value) if isinstance(value, str) else value)
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return False


def is_line(value: object, most: int) -> bool:
    """Return whether the value is a text of one line, perhaps a lazy translation, or empty."""
    if not isinstance(value, str | Promise):
        return False
    text = str(value)
    return text.isprintable() and text == text.strip() and len(text) <= most


RULES = (
    Rule(
        name="INVITATION_SITE_NAME",
        id="invitation.E074",
        fits=lambda value: is_line(value, SITE_NAME_LENGTH_MAX),
        wanted=f"a text of one line and {SITE_NAME_LENGTH_MAX} characters at most",
        hint='For example "Garden Club". Leave it out to show the Site\'s name, or the host.',
    ),
    Rule(
        name="INVITATION_SITE_BLURB",
        id="invitation.E075",
        fits=lambda value: is_line(value, SITE_BLURB_LENGTH_MAX),
        wanted=f"a text of one line and {SITE_BLURB_LENGTH_MAX} characters at most",
        hint='For example "We swap seeds and tools in our street." Leave it out to show none.',
    ),
    Rule(
        name="INVITATION_SUBJECT_PREFIX",
        id="invitation.E053",
        fits=is_prefix,
        wanted=f"a text of one line and {PREFIX_LENGTH_MAX} characters at most",
        hint='For example "[Club] ", with the space after it.',
    ),
    Rule(
        name="INVITATION_REMINDER_DAYS",
        id="invitation.E054",
        fits=lambda value: value is None or is_number(value, 1, DAYS_MAX),
        wanted=f"a whole number of days from 1 to {DAYS_MAX}, or None",
        hint="For example 2. With None, nobody is reminded.",
    ),
    Rule(
        name="INVITATION_NOTIFY_INVITER",
        id="invitation.E055",
        fits=is_choice_of_news,
        wanted='a list of "accepted", "declined", "expired", a callable, or the dotted path of one',
        hint='For example ["accepted"]. A callable gets the inviter and returns such a list.',
    ),
)


def check_writing(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report wrong values for the prefix, the reminder days and the inviters' news."""
    messages = report(RULES)
    for message in messages:
        if message.msg.startswith("INVITATION_NOTIFY_INVITER"):
            message.msg += _why_no_import(conf.INVITATION_NOTIFY_INVITER)
    return messages


def _why_no_import(value: object) -> str:
    """Return the error of importing a dotted path, or an empty string."""
    if not isinstance(value, str):
        return ""
    try:
        import_string(value)
    except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
        return f" Importing it failed with {type(error).__name__}: {error}"
    return ""
