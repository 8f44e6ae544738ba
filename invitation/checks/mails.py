"""Checks of what invitation emails need: links that work, and a delivery that sends."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router
from django.urls import NoReverseMatch, reverse

from invitation import keys
from invitation.checks import routing, values
from invitation.conf import conf
from invitation.delivery.base import get_delivery
from invitation.delivery.members import INDEXES, declared_index
from invitation.delivery.messages import MessageWriter
from invitation.flows import upkeep
from invitation.keys import sites, unsubscribing
from invitation.models import InvitationKey, SuppressedAddress

#: Sample key with every character that a key may contain.
SAMPLE_KEY = f"{'-_aZ09-_aZ09-_aZ09-_aZ'}.{'-' * keys.SIGNATURE_LENGTH}"

#: Seconds in which a mail server on this machine answers.
LOCAL_TIMEOUT = 0.5

#: Domain of the first Site in ``django.contrib.sites``, until somebody changes it.
SAMPLE_DOMAIN = "example.com"


def check_base_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report links without a host, with a path, with http, or to the reader's own computer.

    If the Site gives the host, ``check_site`` checks it in the database.
    """
    given: object = conf.INVITATION_BASE_URL
    if given and not values.is_base_url(given):
        return []  # check_values reports it.
    if not given and apps.is_installed("django.contrib.sites"):
        return []
    try:
        base = sites.base_url(sites.NO_SITE_ID)
    except ImproperlyConfigured:
        message = "Links in emails have no host."
        hint = (
            'Set INVITATION_BASE_URL, for example to "https://example.org". Or install '
            'django.contrib.sites, or name a host without "*" in ALLOWED_HOSTS.'
        )
        return [Error(message, hint=hint, id="invitation.E014")]
    messages: list[CheckMessage] = []
    local = None if settings.DEBUG else _local_links(base)
    if local is not None:
        messages.append(local)
    elif sites.is_local(base) and not (conf.INVITATION_SITE_NAME or sites.has_sites()):
        messages.append(_nameless(urlsplit(base).netloc))
    if urlsplit(base).path:
        message = (
            f'INVITATION_BASE_URL is "{base}", which has a path. Links have it twice if '
            "SCRIPT_NAME or FORCE_SCRIPT_NAME has it too."
        )
        hint = "Leave out the path. Set FORCE_SCRIPT_NAME if the site does not begin at /."
        messages.append(CheckWarning(message, hint=hint, id="invitation.W004"))
    if not settings.DEBUG and urlsplit(base).scheme == "http" and not sites.is_local(base):
        message = (
            f'Links in emails begin with "{base}". DEBUG is off, and without TLS others on the '
            "network can read the key."
        )
        hint = 'Set INVITATION_BASE_URL to the public address, "https://...".'
        messages.append(CheckWarning(message, hint=hint, id="invitation.W005"))
    return messages


def check_delivery(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a delivery that cannot be loaded, a wrong index, and what its own check finds."""
    try:
        delivery = get_delivery()
    except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
        message = str(error)
        if not isinstance(error, ImproperlyConfigured):
            path = conf.INVITATION_DELIVERY
            message = f"INVITATION_DELIVERY cannot be {path!r}: {error}"
        hint = "Name a subclass of invitation.delivery.base.BaseDelivery that defines send()."
        return [Error(message, hint=hint, id="invitation.E009")]
    messages = list(delivery.check())
    if delivery.email_index not in (None, *INDEXES):
        message = f"email_index of the delivery cannot be {delivery.email_index!r}."
        hint = 'Set it to "upper", "lower", "exact" or None.'
        messages.append(Error(message, hint=hint, id="invitation.E057"))
    return messages


def check_mail_server(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn a developer whose emails go to a mail server on this machine that is not there.

    Django's default EMAIL_BACKEND does that. Only this machine is asked, and it answers at once.
    """
    if not settings.DEBUG:
        return []
    try:
        delivery: Any = get_delivery()
        connection = delivery.open_connection()
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return []  # check_delivery reports it; a delivery of another kind has no connection.
    # A mail backend without a network connection has neither.
    host, port = getattr(connection, "host", ""), getattr(connection, "port", None)
    if not (port and sites.is_local(f"//{host}")):
        return []
    try:
        socket.create_connection((host, port), LOCAL_TIMEOUT).close()
    except OSError:
        message = f"No email can leave: no mail server answers at {host}:{port}."
        return [CheckWarning(message, hint=_how_to_print_emails(), id="invitation.W038")]
    return []


def _how_to_print_emails() -> str:
    console = "django.core.mail.backends.console.EmailBackend"
    modern = django.VERSION >= (6, 1)
    setting = f'MAILERS = {{"default": {{"BACKEND": "{console}"}}}}' if modern else ""
    setting = setting or f'EMAIL_BACKEND = "{console}"'
    return f"To see emails in the terminal while you develop, set {setting}."


def check_members(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if invited people with an account are not recognised, for want of an index."""
    try:
        delivery = get_delivery()
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return []  # check_delivery reports it.
    if not (isinstance(delivery, MessageWriter) and delivery.recognises_members):
        return []
    model: Any = get_user_model()
    names = {field.name for field in model._meta.get_fields()}
    known = delivery.email_index or declared_index(model)
    if known is not None or model.get_email_field_name() not in names:
        return []
    message = (
        "Invited people with an account get the email for people without one. No index of the user "
        "table finds an address."
    )
    hint = (
        'Create such an index, and set email_index of your delivery (see "Databases" in the '
        "documentation). Or set recognises_members = False."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W033")]


def check_link(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that the link in an email cannot be made, or that several URLs match."""
    routes, _failure = routing.find_routes()
    if not routes:
        return []
    found = [route for route in routes if route.name == "invitation_invited"]
    try:
        reverse("invitation_invited", kwargs={"invitation_key": SAMPLE_KEY})
    except NoReverseMatch:
        hint = (
            'Add path("accounts/", include("invitation.urls")) to ROOT_URLCONF, without a '
            "namespace and without parameters in its prefix."
        )
        if not found:
            message = "The URLs of invitation are not included. Nobody can be invited."
            return [CheckWarning(message, hint=hint, id="invitation.W006")]
        message = (
            'No URL named "invitation_invited" takes every invitation key. No invitation can be '
            "sent or shown."
        )
        return [Error(message, hint=hint, id="invitation.E027")]
    if len(found) < 2:
        return []
    paths = ", ".join(f'"/{route}"' for route in found)
    message = f"The URLs of invitation are included more than once: {paths}."
    hint = (
        "Include only one of invitation.urls and invitation.backends.*.urls. Links lead to the "
        "last one."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W007")]


def check_site(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report that SITE_ID names no Site, or a Site whose domain cannot begin a link.

    The domain may be no host at all, or the sample domain of each first Site.
    """
    site_id = getattr(settings, "SITE_ID", None)
    if not apps.is_installed("django.contrib.sites") or not site_id:
        return []  # Without SITE_ID the host of a request names the Site.
    model: Any = apps.get_model("sites", "Site")
    if router.db_for_read(model) not in (databases or ()):
        return []
    try:
        site = model._default_manager.filter(pk=site_id).first()
    except DatabaseError:
        return []  # "migrate" runs the checks before it makes the tables.
    if site is None:
        message = f"SITE_ID is {site_id!r}, but there is no Site with this id."
        hint = "Add it in the admin, or set SITE_ID to the id of a Site."
        return [Error(message, hint=hint, id="invitation.E015")]
    domain, name = site.domain, site.name
    sample = name == SAMPLE_DOMAIN or sites.is_local(f"//{name}")
    nameless = [_nameless(name)] if sample and not conf.INVITATION_SITE_NAME else []
    if conf.INVITATION_BASE_URL:
        return nameless  # The domain is not used.
    if "/" in domain or not values.is_base_url(f"https://{domain}"):
        message = f"Links in emails lead nowhere. The domain of the Site is {domain!r}."
        hint = (
            'Change it in the admin to a host without scheme and slash, such as "example.org" or '
            '"bücher.example", or set INVITATION_BASE_URL.'
        )
        return [Error(message, hint=hint, id="invitation.E026")]
    if not settings.DEBUG and (local := _local_links(sites.with_scheme(domain))) is not None:
        return [local]
    if SAMPLE_DOMAIN in settings.ALLOWED_HOSTS:
        return []
    if domain != SAMPLE_DOMAIN:
        return nameless
    message = f'Links in emails lead to "{SAMPLE_DOMAIN}". The Site still has this domain.'
    hint = (
        "Change the Site's domain and name in the admin, or set INVITATION_BASE_URL and "
        "INVITATION_SITE_NAME."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W008")]


def check_hosts(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn about names in ALLOWED_HOSTS without a Site, if SITE_ID is not set.

    The host of a request then names its Site.
    """
    if not apps.is_installed("django.contrib.sites"):
        return []
    if router.db_for_read(apps.get_model("sites", "Site")) not in (databases or ()):
        return []
    try:
        hosts = sites.hosts_without_a_site()
    except DatabaseError:
        return []  # "migrate" runs the checks before it makes the tables.
    if not hosts:
        return []
    shown = ", ".join(f'"{host}"' for host in hosts)
    message = (
        f"SITE_ID is not set, and no Site has the domain {shown}. Our pages do not work there."
    )
    hint = (
        "Add a Site with this domain, in these letters, in the admin. Or set SITE_ID, or remove "
        "the host from ALLOWED_HOSTS."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W022")]


def check_clock(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn if the clocks of this machine and of the database differ."""
    if router.db_for_write(InvitationKey) not in (databases or ()):
        return []
    try:
        difference = upkeep.clock_difference()
    except DatabaseError:
        return []  # The database cannot be reached. This is for other checks to report.
    if abs(difference) <= upkeep.APART:
        return []
    seconds = round(abs(difference).total_seconds())
    message = f"The clocks of this machine and of the database differ by {seconds} seconds."
    hint = "Let both follow a time server. Until then, cleanupinvitation deletes nothing."
    return [CheckWarning(message, hint=hint, id="invitation.W023")]


def check_unsubscribed(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn about unsubscribed addresses that get invitations again.

    The key that hashed them is no longer listed.
    """
    if router.db_for_write(SuppressedAddress) not in (databases or ()):
        return []
    try:
        lost = SuppressedAddress.objects.exclude(key_id__in=unsubscribing.key_ids()).count()
    except DatabaseError:
        return []  # "migrate" has not made the table yet.
    if not lost:
        return []
    message = (
        f"{lost} unsubscribed addresses get invitations again. They were hashed with a key that is "
        "not in INVITATION_SIGNING_KEYS any more."
    )
    hint = (
        "Put that key back after the new one, or SECRET_KEY's old value into SECRET_KEY_FALLBACKS. "
        "If it is lost, delete these rows in the admin."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W017")]


def _nameless(name: str) -> CheckMessage:
    """Return a warning that people read this name of the site."""
    message = f'Pages and emails call the site "{name}".'
    hint = 'Set INVITATION_SITE_NAME to its name, for example "Garden Club".'
    return CheckWarning(message, hint=hint, id="invitation.W036")


def _local_links(base: str) -> CheckMessage | None:
    """Return a warning if links of a public site lead to the reader's own computer.

    Return ``None`` if they do not.
    """
    # Django's test runner adds the last one.
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "testserver"]
    public = [host for host in hosts if not sites.is_local(f"//{host.lstrip('.')}")]
    if not public or not sites.is_local(base):
        return None
    message = (
        f'Links in emails begin with "{base}". They lead people to their own computer. The site is '
        f'called "{public[0]}".'
    )
    hint = (
        "Set INVITATION_BASE_URL to the public address. Or change the Site's domain, or name the "
        "public host first in ALLOWED_HOSTS."
    )
    return CheckWarning(message, hint=hint, id="invitation.W015")
