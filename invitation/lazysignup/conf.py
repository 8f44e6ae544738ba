"""Settings of this app, each read at the moment of use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

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


class Conf:
    """Settings, each under its name. What stands here is the default."""

    #: Whether visitors become guests.
    LAZYSIGNUP_ENABLE = True
    #: Whether a GET request makes a guest, too. Without it, only a POST does.
    LAZYSIGNUP_ON_GET = False
    #: Regular expressions for user agents that make no guest, in any case.
    LAZYSIGNUP_USER_AGENT_BLACKLIST: Iterable[str] | None = ROBOTS
    #: Form that makes an account of a guest.
    LAZYSIGNUP_CUSTOM_USER_CREATION_FORM: Any = None
    #: Model of the accounts, which a check alone reads: it must be AUTH_USER_MODEL.
    LAZYSIGNUP_USER_MODEL: str | None = None
    #: Callable that returns the name of a new guest.
    LAZYSIGNUP_NAME_GENERATOR: Callable[[], str] | None = None
    #: Days without activity after which a guest expires; ``None`` for the age of a session.
    LAZYSIGNUP_DAYS: float | None = None
    #: New guests that one client may make in an hour; ``None`` for any number.
    LAZYSIGNUP_LIMIT_PER_CLIENT: int | None = 100
    #: New guests that all clients together may make in an hour; ``None`` for any number.
    LAZYSIGNUP_LIMIT: int | None = 5_000
    #: Whether a guest confirms the address before the account is theirs.
    LAZYSIGNUP_CONFIRM_EMAIL = False
    #: Whether invited people may look around as guests first, or a function of the invitation.
    LAZYSIGNUP_WITH_INVITATION: bool | Callable[[Any], bool] = False

    def __getattribute__(self, name: str) -> Any:
        """Return what the site says, or the default. The path of an object stands for it."""
        value = super().__getattribute__(name)
        if not name.startswith("LAZYSIGNUP_"):
            return value
        value = getattr(settings, name, value)
        return import_string(value) if isinstance(value, str) else value

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
