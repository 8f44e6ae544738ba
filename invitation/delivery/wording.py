"""Say times, and which site it is, as the mails say them: in the active language."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.utils import formats, timezone

from invitation import sites


def site_context(site_id: int) -> dict[str, Any]:
    """Return what every mail says of the site."""
    site = sites.get_site(site_id)
    return {"site": site, "site_name": site.name, "base_url": sites.base_url(site_id)}


def moment_in_words(moment: datetime | None) -> str:
    """Return an exact time with the site's time zone, or nothing for none."""
    if moment is None:
        return ""
    return moment_for_reader(moment, timezone.get_default_timezone())


def moment_for_reader(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return an exact time with its time zone, by default that of whoever reads the page."""
    if timezone.is_naive(moment):
        return formats.date_format(moment, "DATETIME_FORMAT")
    local = timezone.localtime(moment, zone)
    return f"{formats.date_format(local, 'DATETIME_FORMAT')} ({local.tzname()})"


def day_in_words(moment: datetime | None) -> str:
    """Return the day of a time in the site's time zone, or nothing for none."""
    if moment is not None and timezone.is_aware(moment):
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    return formats.date_format(moment, "DATE_FORMAT") if moment is not None else ""


def days_left(moment: datetime | None) -> int | None:
    """Return how many days remain until then, a begun one as a whole one."""
    if moment is None:
        return None
    return max(0, -(-(moment - timezone.now()) // timedelta(days=1)))
