"""Settings of this app, each read at the moment of use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

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
    """Settings as typed properties, each with the name of its setting."""

    def raw(self, name: str) -> Any:
        """Return a setting as the site wrote it, or ``None``."""
        return getattr(settings, name, None)

    @property
    def LAZYSIGNUP_ENABLE(self) -> bool:
        """Whether visitors become guests."""
        return bool(getattr(settings, "LAZYSIGNUP_ENABLE", True))

    @property
    def LAZYSIGNUP_ON_GET(self) -> bool:
        """Whether a GET request makes a guest, too. Without it, only a POST does."""
        return bool(getattr(settings, "LAZYSIGNUP_ON_GET", False))

    @property
    def LAZYSIGNUP_USER_AGENT_BLACKLIST(self) -> Iterable[str]:
        """Regular expressions for user agents that make no guest, in any case."""
        given = getattr(settings, "LAZYSIGNUP_USER_AGENT_BLACKLIST", None)
        return ROBOTS if given is None else cast("Iterable[str]", given)

    @property
    def robots(self) -> re.Pattern[str] | None:
        """One pattern for all of them; ``None`` for an empty list."""
        return _compiled(tuple(self.LAZYSIGNUP_USER_AGENT_BLACKLIST))

    @property
    def LAZYSIGNUP_CUSTOM_USER_CREATION_FORM(self) -> str | None:
        """Dotted path of the form that makes an account of a guest."""
        return cast("str | None", getattr(settings, "LAZYSIGNUP_CUSTOM_USER_CREATION_FORM", None))

    @property
    def LAZYSIGNUP_USER_MODEL(self) -> str:
        """Model of the accounts. Another value than AUTH_USER_MODEL is reported by a check."""
        return cast(str, getattr(settings, "LAZYSIGNUP_USER_MODEL", settings.AUTH_USER_MODEL))

    @property
    def LAZYSIGNUP_NAME_GENERATOR(self) -> Callable[[], str] | None:
        """Callable that returns the name of a new guest, or its dotted path."""
        value: Any = getattr(settings, "LAZYSIGNUP_NAME_GENERATOR", None)
        return import_string(value) if isinstance(value, str) else value  # type: ignore[no-any-return]

    @property
    def LAZYSIGNUP_DAYS(self) -> float:
        """Days without activity after which a guest expires."""
        given = getattr(settings, "LAZYSIGNUP_DAYS", None)
        return float(settings.SESSION_COOKIE_AGE / 86_400 if given is None else given)

    @property
    def max_age(self) -> timedelta:
        """Time without activity after which a guest expires."""
        return timedelta(days=self.LAZYSIGNUP_DAYS)

    @property
    def apart(self) -> timedelta:
        """Time between two records of a guest's activity."""
        return min(timedelta(hours=1), self.max_age / 10)

    @property
    def LAZYSIGNUP_LIMIT_PER_CLIENT(self) -> int | None:
        """New guests that one client may make in an hour; ``None`` for any number."""
        return cast("int | None", getattr(settings, "LAZYSIGNUP_LIMIT_PER_CLIENT", 100))

    @property
    def LAZYSIGNUP_LIMIT(self) -> int | None:
        """New guests that all clients together may make in an hour; ``None`` for any number."""
        return cast("int | None", getattr(settings, "LAZYSIGNUP_LIMIT", 5_000))

    @property
    def LAZYSIGNUP_CONFIRM_EMAIL(self) -> bool:
        """Whether a guest confirms the address before the account is theirs."""
        return bool(getattr(settings, "LAZYSIGNUP_CONFIRM_EMAIL", False))

    @property
    def LAZYSIGNUP_WITH_INVITATION(self) -> bool | Callable[[Any], bool]:
        """Whether invited people may look around as a guest first.

        It may be a function of the invitation, or its dotted path.
        """
        value: Any = getattr(settings, "LAZYSIGNUP_WITH_INVITATION", False)
        return import_string(value) if isinstance(value, str) else value  # type: ignore[no-any-return]


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    one = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re.compile(one, re.IGNORECASE) if one else None


conf = Conf()
