"""Settings of this app, each read at the moment of use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from django.conf import settings
from django.utils.module_loading import import_string

T = TypeVar("T")
#: Regular expressions for user agents that make no guest: search engines, previews of links,
#: crawlers that collect texts, and programs. Robots call themselves one of the first words, or name
#: a page about themselves. Browsers do neither; Cubot is a maker of phones.
ROBOTS = (
    r"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scrap|archiver|preview|fetch|monitor|scanner|validator",
    r"https?://|mailto:|headless|lighthouse|phantomjs|electron|google-|-google|googleother",
    r"facebookexternalhit|facebookcatalog|meta-external|^whatsapp|^viber|^tumblr|^pinterest",
    r"embedly|iframely|vkshare|quora link|slack-imgproxy|flipboardproxy|nuzzel|cardyb|jetpack",
    r"chatgpt-|claude-|perplexity|anthropic|cohere-|mistralai|ia_archiver|heritrix|mediapartners",
    r"^(?:curl|wget|python|aiohttp|httpx|java|okhttp|axios|node|undici|deno|bun|ruby|faraday)\b",
    r"^(?:go-http|apache-http|libwww|guzzle|php|perl|dart|reqwest|postman|insomnia|httpie|lavf)",
    r"windowspowershell|feedly|feedburner|\brss\b",
)


class Setting(Generic[T]):
    """Setting of the site, read when it is asked for."""

    def __init__(self, default: T, *, path: bool = False) -> None:
        self.default, self.path = default, path

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> T:
        """Return what the site says, or the default. The path of an object stands for it."""
        value: Any = getattr(settings, self.name, None)
        if self.path and isinstance(value, str):
            value = import_string(value)
        return cast("T", value if hasattr(settings, self.name) else self.default)


class Conf:
    """Settings, each under its name."""

    #: Whether visitors become guests.
    LAZYSIGNUP_ENABLE = Setting(True)
    #: Whether a GET request makes a guest, too. Without it, only a POST does.
    LAZYSIGNUP_ON_GET = Setting(False)
    #: Regular expressions for user agents that make no guest, in any case.
    LAZYSIGNUP_USER_AGENT_BLACKLIST: Setting[Iterable[str] | None] = Setting(ROBOTS)
    #: Form that makes an account of a guest.
    LAZYSIGNUP_CUSTOM_USER_CREATION_FORM: Setting[Any] = Setting(None, path=True)
    #: Model of the accounts. Another one than AUTH_USER_MODEL is reported by a check.
    LAZYSIGNUP_USER_MODEL: Setting[str | None] = Setting(None)
    #: Callable that returns the name of a new guest.
    LAZYSIGNUP_NAME_GENERATOR: Setting[Callable[[], str] | None] = Setting(None, path=True)
    #: Days without activity after which a guest expires; ``None`` for the age of a session.
    LAZYSIGNUP_DAYS: Setting[float | None] = Setting(None)
    #: New guests that one client may make in an hour; ``None`` for any number.
    LAZYSIGNUP_LIMIT_PER_CLIENT: Setting[int | None] = Setting(100)
    #: New guests that all clients together may make in an hour; ``None`` for any number.
    LAZYSIGNUP_LIMIT: Setting[int | None] = Setting(5_000)
    #: Whether a guest confirms the address before the account is theirs.
    LAZYSIGNUP_CONFIRM_EMAIL = Setting(False)
    #: Whether invited people may look around as guests first, or a function of the invitation.
    LAZYSIGNUP_WITH_INVITATION: Setting[bool | Callable[[Any], bool]] = Setting(False, path=True)

    def raw(self, name: str) -> Any:
        """Return a setting as the site wrote it, or ``None``."""
        return getattr(settings, name, None)

    @property
    def robots(self) -> re.Pattern[str] | None:
        """One pattern for all user agents that make no guest; ``None`` without any."""
        given = self.LAZYSIGNUP_USER_AGENT_BLACKLIST
        return _compiled(tuple(ROBOTS if given is None else given))

    @property
    def max_age(self) -> timedelta:
        """Time without activity after which a guest expires."""
        days = self.LAZYSIGNUP_DAYS
        return timedelta(days=settings.SESSION_COOKIE_AGE / 86_400 if days is None else days)

    @property
    def apart(self) -> timedelta:
        """Time between two records of a guest's activity."""
        return min(timedelta(hours=1), self.max_age / 10)


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    one = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re.compile(one, re.IGNORECASE) if one else None


conf = Conf()
