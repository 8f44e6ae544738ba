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
#: crawlers that collect texts, and programs. Most robots call themselves one of the first words.
ROBOTS = (
    r"bot\b|bot[/;_-]|crawl|spider|slurp|scrap|archiver|preview|fetcher|monitor|scanner",
    r"googleother|google-extended|google-read-aloud|google-safety|mediapartners|lighthouse",
    r"facebookexternalhit|facebookcatalog|meta-external|whatsapp|skypeuripreview|embedly",
    r"vkshare|quora link|outbrain|pinterest|tumblr|bitlybot|flipboard|mastodon|pleroma|misskey",
    r"chatgpt-user|claude-user|claude-web|perplexity|anthropic|cohere-ai|bytespider|diffbot",
    r"ia_archiver|heritrix|yandex|baidu|sogou|exabot|petalbot|amazonbot|seznam",
    r"^(?:curl|wget|python|aiohttp|httpx|go-http|java|okhttp|libwww|axios|node|ruby|php|perl)\b",
    r"python-requests|headlesschrome|phantomjs|postmanruntime|insomnia|httpie|feed|rss",
)


class Conf:
    """Settings as typed properties, each with the name of its setting."""

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
        return float(getattr(settings, "LAZYSIGNUP_DAYS", settings.SESSION_COOKIE_AGE / 86_400))

    @property
    def max_age(self) -> timedelta:
        """Time without activity after which a guest expires."""
        return timedelta(days=self.LAZYSIGNUP_DAYS)

    @property
    def LAZYSIGNUP_LIMIT_PER_CLIENT(self) -> int | None:
        """New guests that one client may make in an hour; ``None`` for any number."""
        return cast("int | None", getattr(settings, "LAZYSIGNUP_LIMIT_PER_CLIENT", 20))

    @property
    def LAZYSIGNUP_LIMIT(self) -> int | None:
        """New guests that all clients together may make in an hour; ``None`` for any number."""
        return cast("int | None", getattr(settings, "LAZYSIGNUP_LIMIT", 5_000))

    @property
    def LAZYSIGNUP_CONFIRM_EMAIL(self) -> bool:
        """Whether a guest confirms the address before the account is theirs."""
        return bool(getattr(settings, "LAZYSIGNUP_CONFIRM_EMAIL", False))

    @property
    def LAZYSIGNUP_WITH_INVITATION(self) -> bool:
        """Whether every invited person may look around as a guest first."""
        return bool(getattr(settings, "LAZYSIGNUP_WITH_INVITATION", False))


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return (
        re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE) if patterns else None
    )


conf = Conf()
