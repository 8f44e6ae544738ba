"""The site of an invitation, and the beginning of its links.

It works with and without ``django.contrib.sites``. A link never begins with text from a request.
The visitor chooses the Host header, and an email must not contain it (SECURITY: host poisoning). A
link begins with INVITATION_BASE_URL, or the Site's domain, or the first concrete name in
ALLOWED_HOSTS, in this order.

A link carries its host in ASCII (IDNA 2008, RFC 5891), even if the site's name has other letters.
Some email programs open no other link, and a header must not hold one (RFC 2369).
"""

from __future__ import annotations

import re
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit, urlunsplit

from django.apps import apps
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.encoding import iri_to_uri

from invitation.conf import conf

#: Id that is stored without ``django.contrib.sites``; a real Site never has this id.
NO_SITE_ID = 0

#: Host names without TLS, used during development.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_PORT = re.compile(r":[0-9]*\Z")


class SiteLike(Protocol):
    """Attributes of a site that templates may use."""

    @property
    def name(self) -> str:
        """Name of the site for people."""
        ...

    @property
    def domain(self) -> str:
        """Host name of the site."""
        ...


class SiteStandIn(NamedTuple):
    """Replacement for a Site where ``django.contrib.sites`` is not installed."""

    domain: str
    name: str

    def __str__(self) -> str:
        return self.name


def has_sites() -> bool:
    """Return whether ``django.contrib.sites`` is installed.

    Every page asks several times, and ``apps.is_installed`` looks at one app after the other.
    """
    app = apps.app_configs.get("sites")
    return app is not None and app.name == "django.contrib.sites"


def current_site_id(request: HttpRequest | None = None) -> int:
    """Return the id of the current Site, or ``NO_SITE_ID`` without ``django.contrib.sites``.

    ``request`` is needed only if SITE_ID is not set and the host name decides.
    """
    if not has_sites():
        return NO_SITE_ID
    if getattr(settings, "SITE_ID", None):
        return int(settings.SITE_ID)
    site: Any = get_current_site(request)
    return int(site.pk)


def is_missing(error: Exception) -> bool:
    """Return whether the error means that a Site does not exist."""
    if not has_sites():
        return False
    model: Any = apps.get_model("sites", "Site")
    return isinstance(error, model.DoesNotExist)


def hosts_without_a_site() -> list[str]:
    """Return the names in ALLOWED_HOSTS, in ASCII, that no Site has.

    The result is empty if SITE_ID is set. Browsers ask for a host in ASCII, and Django compares
    the domain of a Site with that.
    """
    if not has_sites() or getattr(settings, "SITE_ID", None):
        return []
    model: Any = apps.get_model("sites", "Site")
    domains = model._default_manager.values_list("domain", flat=True)
    known = {urlsplit(f"//{domain}").hostname for domain in domains}
    hosts = (host for host in settings.ALLOWED_HOSTS if "*" not in host and host[:1] != ".")
    asked_for = dict.fromkeys(ascii_host(host) for host in hosts)
    return [host for host in asked_for if host.strip("[]").lower() not in known]


def exists(site_id: int) -> bool:
    """Return whether this project has a site with this id.

    It makes one query with ``django.contrib.sites``.
    """
    if not has_sites():
        return site_id == NO_SITE_ID
    return bool(apps.get_model("sites", "Site")._default_manager.filter(pk=site_id).exists())


def get_site(site_id: int) -> SiteLike:
    """Return the Site with this id, or a replacement from the host of the base URL."""
    site: SiteLike = named(_find_site(site_id))
    return site


def named(site: Any) -> Any:
    """Return the site with the name that people read: INVITATION_SITE_NAME, else its own."""
    name = str(conf.INVITATION_SITE_NAME)
    if not name or site is None:
        return site
    if isinstance(site, SiteStandIn):
        return site._replace(name=name)
    # The row itself is shared by all requests of the process.
    copied = copy(site)
    copied.name = name
    return copied


def describe(site: SiteLike) -> dict[str, Any]:
    """Return what pages and emails may say about the site: ``site_name`` and ``site_blurb``.

    ``site`` is the site itself.
    """
    return {"site": site, "site_name": site.name, "site_blurb": str(conf.INVITATION_SITE_BLURB)}


def describe_current(request: HttpRequest) -> dict[str, Any]:
    """Return what a page may say about the site of its request."""
    return describe(get_site(current_site_id(request)))


def _find_site(site_id: int) -> SiteLike:
    if site_id != NO_SITE_ID and has_sites():
        manager: Any = apps.get_model("sites", "Site")._default_manager
        # get_current() caches the Site in memory, so a request does not query it again.
        if site_id == getattr(settings, "SITE_ID", None):
            return manager.get_current()  # type: ignore[no-any-return]
        return manager.get(pk=site_id)  # type: ignore[no-any-return]
    name = urlsplit(_configured_base(NO_SITE_ID)).netloc
    return SiteStandIn(domain=ascii_host(name), name=name)


def base_url(site_id: int) -> str:
    """Return the beginning of this site's links: scheme, host and perhaps a path, no final slash.

    It is ASCII. Raises ``ImproperlyConfigured`` if no trusted source names the host, or if the
    host has no ASCII form.
    """
    base = ascii_url(_configured_base(site_id))
    if not base.isascii():
        raise ImproperlyConfigured(
            f"Links in invitation emails cannot begin with {base!r}: it is no host name. "
            "Set INVITATION_BASE_URL, or change the Site's domain."
        )
    return base


def _configured_base(site_id: int) -> str:
    """Return the beginning of this site's links as somebody has entered it."""
    if conf.INVITATION_BASE_URL:
        return conf.INVITATION_BASE_URL.rstrip("/")
    if site_id != NO_SITE_ID and has_sites():
        return with_scheme(_find_site(site_id).domain)
    for host in settings.ALLOWED_HOSTS:
        if "*" not in host and ascii_host(host).isascii():
            return with_scheme(host.lstrip("."))
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        # Django itself allows this host with these two settings. The port is that of runserver.
        return with_scheme("localhost:8000")
    raise ImproperlyConfigured(
        "Links in emails need a host. Set INVITATION_BASE_URL, for example to "
        '"https://example.org", or install django.contrib.sites, or name a host in ALLOWED_HOSTS.'
    )


@lru_cache(maxsize=64)
def with_scheme(host: str) -> str:
    """Return the address of a host: ``http`` for a local host, else ``https``."""
    return f"http://{host}" if is_local(f"//{host}") else f"https://{host}"


@lru_cache(maxsize=64)
def ascii_url(url: str) -> str:
    """Return an HTTP address in ASCII, or with its host unchanged if that has no ASCII form."""
    if url.isascii():
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: the system checks report it
        return url
    path = iri_to_uri(parts.path)
    return urlunsplit(parts._replace(netloc=ascii_host(parts.netloc), path=path))


@lru_cache(maxsize=64)
def ascii_host(host: str) -> str:
    """Return a host, perhaps with a port, in ASCII (IDNA 2008, as browsers map it, UTS #46).

    A host without an ASCII form is returned unchanged: the system checks report it.
    """
    if host.isascii():
        return host
    import idna  # large tables

    port = _PORT.search(host)
    name = host[: port.start()] if port else host
    try:
        # An underscore is no letter of IDNA, but hosts have it. So each label is for itself.
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
        coded = [one if one.isascii() else idna.alabel(one).decode() for one in labels]
    except idna.IDNAError:
        return host
    return ".".join(coded) + (port[0] if port else "") if all(coded[1:-1]) else host


def is_local(address: str) -> bool:
    """Return whether an address leads to the reader's own computer."""
    try:
        return urlsplit(address).hostname in LOCAL_NAMES
    except ValueError:
        return False


def absolute(path: str, site_id: int) -> str:
    """Return a path of this site as an absolute address for emails."""
    return base_url(site_id) + path
