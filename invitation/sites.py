"""Say which site an invitation belongs to and where its links begin.

Works with and without ``django.contrib.sites``. A link never begins with what a request says:
the Host header is the visitor's to choose, and a mail must not carry it (SECURITY: host
poisoning). It begins with INVITATION_BASE_URL, or the Site's domain, or the first concrete name
in ALLOWED_HOSTS, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from invitation.conf import conf

#: Stored where ``django.contrib.sites`` is not installed; a real Site never has this id.
NO_SITE_ID = 0

#: Names that are reached without TLS while a site is developed.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class SiteLike(Protocol):
    """Describe what templates may ask of a site."""

    @property
    def name(self) -> str:
        """Give the name that people know it by."""
        ...

    @property
    def domain(self) -> str:
        """Give its host name."""
        ...


@dataclass(frozen=True)
class SiteStandIn:
    """Stand in for a Site where ``django.contrib.sites`` is not installed."""

    domain: str
    name: str

    def __str__(self) -> str:
        return self.name


def current_site_id(request: HttpRequest | None = None) -> int:
    """Return the id of the current Site, or ``NO_SITE_ID`` without ``django.contrib.sites``.

    ``request`` is needed only by sites that leave SITE_ID unset and go by host name.
    """
    if not apps.is_installed("django.contrib.sites"):
        return NO_SITE_ID
    if getattr(settings, "SITE_ID", None):
        return int(settings.SITE_ID)
    site: Any = get_current_site(request)
    return int(site.pk)


def is_missing(error: Exception) -> bool:
    """Tell whether an error says that there is no such Site."""
    if not apps.is_installed("django.contrib.sites"):
        return False
    model: Any = apps.get_model("sites", "Site")
    return isinstance(error, model.DoesNotExist)


def hosts_without_a_site() -> list[str]:
    """Return the names in ALLOWED_HOSTS that no Site has; none where SITE_ID says which it is."""
    if not apps.is_installed("django.contrib.sites") or getattr(settings, "SITE_ID", None):
        return []
    model: Any = apps.get_model("sites", "Site")
    domains = model._default_manager.values_list("domain", flat=True)
    known = {urlsplit(f"//{domain}").hostname for domain in domains}
    hosts = (host for host in settings.ALLOWED_HOSTS if "*" not in host and host[:1] != ".")
    return [host for host in hosts if host.strip("[]").lower() not in known]


def exists(site_id: int) -> bool:
    """Tell whether this project has a site of this id; one query with ``django.contrib.sites``."""
    if not apps.is_installed("django.contrib.sites"):
        return site_id == NO_SITE_ID
    return bool(apps.get_model("sites", "Site")._default_manager.filter(pk=site_id).exists())


def get_site(site_id: int) -> SiteLike:
    """Return the Site of this id, or a stand-in with the name and domain of the base URL."""
    if site_id != NO_SITE_ID and apps.is_installed("django.contrib.sites"):
        manager: Any = apps.get_model("sites", "Site")._default_manager
        # get_current() and not get(): it keeps the Site in memory, so that no request asks twice.
        if site_id == getattr(settings, "SITE_ID", None):
            return manager.get_current()  # type: ignore[no-any-return]
        return manager.get(pk=site_id)  # type: ignore[no-any-return]
    host = urlsplit(base_url(NO_SITE_ID)).netloc
    return SiteStandIn(domain=host, name=host)


def base_url(site_id: int) -> str:
    """Return what this site's links begin with: scheme, host and perhaps a path, no slash.

    Raises ``ImproperlyConfigured`` where nothing trustworthy names the host.
    """
    if conf.INVITATION_BASE_URL:
        return conf.INVITATION_BASE_URL.rstrip("/")
    if site_id != NO_SITE_ID and apps.is_installed("django.contrib.sites"):
        return with_scheme(get_site(site_id).domain)
    for host in settings.ALLOWED_HOSTS:
        if "*" not in host:
            return with_scheme(host.lstrip("."))
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        # What Django itself allows with these two settings, at runserver's port.
        return with_scheme("localhost:8000")
    raise ImproperlyConfigured(
        "Links in invitation mails need a host: set INVITATION_BASE_URL, for example to "
        '"https://example.org", or install django.contrib.sites, or name a host in ALLOWED_HOSTS.'
    )


@lru_cache(maxsize=64)
def with_scheme(host: str) -> str:
    """Return the address of a host: with TLS, unless it is the computer of whoever follows it."""
    return f"http://{host}" if is_local(f"//{host}") else f"https://{host}"


def is_local(address: str) -> bool:
    """Tell whether an address leads to the computer of whoever follows it."""
    try:
        return urlsplit(address).hostname in LOCAL_NAMES
    except ValueError:
        return False


def absolute(path: str, site_id: int) -> str:
    """Return a path of this site as the address that a mail may carry."""
    return base_url(site_id) + path
