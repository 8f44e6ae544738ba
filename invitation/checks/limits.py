"""Checks of the limits of emails, lists and notes, and of how clients are told apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import repr as short_repr
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordResetView as DjangoPasswordResetView
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, router

from invitation.backends.account_mails import PasswordResetView
from invitation.checks import routing
from invitation.checks.values import (
    PERMISSION,
    Rule,
    is_number,
    is_quota_by_group,
    permissions_of,
    report,
)
from invitation.conf import LIMITS, LISTS, conf
from invitation.delivery.texts import TEXT_LENGTH_MAX


@dataclass(frozen=True)
class Numbers:
    """Setting that maps names to numbers, where a missing name keeps its default."""

    name: str
    id: str
    defaults: Mapping[str, int | None]
    least: int
    hint: str


NUMBERS = (
    Numbers(
        name="INVITATION_LIMITS",
        id="invitation.E049",
        defaults=LIMITS,
        least=0,
        hint="It is a number of emails in 24 hours. None is no limit. 0 sends none.",
    ),
    Numbers(
        name="INVITATION_LISTS",
        id="invitation.E035",
        defaults=LISTS,
        least=1,
        hint=(
            'For example {"rows": 1000, "bytes": 1024 * 1024}. None is no limit. '
            "DATA_UPLOAD_MAX_MEMORY_SIZE should be twice the bytes."
        ),
    ),
)

RULES = (
    Rule(
        name="INVITATION_NOTE_PERMISSION",
        id="invitation.E050",
        fits=lambda value: (
            value is None or (isinstance(value, str) and PERMISSION.fullmatch(value) is not None)
        ),
        wanted='a permission\'s name, "app_label.codename", or None',
        hint='For example "invitation.change_invitationkey". With None every inviter may.',
    ),
    Rule(
        name="INVITATION_NOTE_MAX_LENGTH",
        id="invitation.E052",
        fits=lambda value: is_number(value, 1, TEXT_LENGTH_MAX),
        wanted=f"a whole number of characters from 1 to {TEXT_LENGTH_MAX}",
        hint="To let nobody write a note, set INVITATION_NOTE_PERMISSION.",
    ),
)


def check_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report wrong values for the limits of emails, lists and notes."""
    found = [message for numbers in NUMBERS for message in _wrong_numbers(numbers)]
    return [*found, *report(RULES)]


def _wrong_numbers(numbers: Numbers) -> Iterator[CheckMessage]:
    """Return a message for each unknown name and each wrong number of a setting."""
    value: object = getattr(conf, numbers.name)
    names = ", ".join(f'"{name}"' for name in numbers.defaults)
    if not isinstance(value, Mapping):
        message = f"{numbers.name} is {short_repr(value)}, but it must be a mapping of {names}."
        yield Error(message, hint=numbers.hint, id=numbers.id)
        return
    for name, number in value.items():
        if name not in numbers.defaults:
            message = f"{numbers.name} has the unknown key {short_repr(name)}."
            yield Error(message, hint=f"Its keys are {names}.", id="invitation.E073")
        elif not (number is None or is_number(number, numbers.least)):
            message = (
                f'{numbers.name}["{name}"] is {short_repr(number)}, but it must be a whole number '
                f"from {numbers.least}, or None."
            )
            yield Error(message, hint=numbers.hint, id=numbers.id)


def check_groups(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn about names of groups in INVITATIONS_PER_USER that no group has."""
    value: object = conf.INVITATIONS_PER_USER
    if not is_quota_by_group(value) or router.db_for_read(Group) not in (databases or ()):
        return []
    try:
        known = sorted(Group.objects.values_list("name", flat=True))
    except DatabaseError:
        return []  # "migrate" runs the checks before it makes the tables.
    messages: list[CheckMessage] = []
    for name in cast("Mapping[str | None, int | None]", value):
        if name is not None and name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f' Did you mean "{near[0]}"?' if near else ""
            message = f'INVITATIONS_PER_USER has a quota for "{name}", but no group has this name.'
            hint = f"Check the spelling, or add the group.{meant}"
            messages.append(CheckWarning(message, hint=hint, id="invitation.W037"))
    return messages


def check_note_permission(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a permission for notes that does not exist or that nobody can have."""
    permission: object = conf.INVITATION_NOTE_PERMISSION
    if not isinstance(permission, str) or not PERMISSION.fullmatch(permission):
        return []  # It is None, or check_limits reports it.
    if not hasattr(get_user_model(), "has_perm"):
        message = (
            f"Nobody can write a note. INVITATION_NOTE_PERMISSION is set, but the user model "
            f"{get_user_model()._meta.label} has no has_perm()."
        )
        hint = "Let the user model inherit from django.contrib.auth.models.PermissionsMixin."
        return [Error(message, hint=hint, id="invitation.E051")]
    if permission in permissions_of(permission.partition(".")[0]):
        return []
    message = (
        f'Only superusers can write a note. INVITATION_NOTE_PERMISSION is "{permission}", and no '
        "model of an installed app has this permission."
    )
    hint = (
        "Check the spelling. If a migration or an authentication backend of yours adds it, silence "
        "this check."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W018")]


def check_client_address(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if a site behind a proxy does not set INVITATION_CLIENT_ADDRESS."""
    header: object = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    behind = header or getattr(settings, "USE_X_FORWARDED_HOST", False)
    rule: object = conf.INVITATION_CLIENT_ADDRESS
    if not behind or rule is not None:
        return []
    message = (
        "The site is behind a proxy, but INVITATION_CLIENT_ADDRESS is not set. If REMOTE_ADDR is "
        "the proxy's address, all visitors share the limits of one client."
    )
    hint = (
        "Set INVITATION_CLIENT_ADDRESS to a callable that returns the client's address. If the web "
        "server writes it into REMOTE_ADDR, silence this check."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W027")]


def check_password_reset(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about each page that emails a password link without a limit."""
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        view = getattr(route.callback, "view_class", None)
        if not isinstance(view, type) or issubclass(view, PasswordResetView):
            continue
        if issubclass(view, DjangoPasswordResetView) and routing.answers(route, routes):
            message = (
                f'The page at "/{route}" sends any number of emails to a member. Its view has no '
                "limit."
            )
            hint = (
                "Put a path with invitation.backends.account_mails.PasswordResetView before it, "
                "or silence this check if something else limits it."
            )
            messages.append(CheckWarning(message, hint=hint, id="invitation.W028"))
    return messages
