"""Words of emails: times and the site's name, and whose templates the words come from."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from datetime import timezone as zones
from pathlib import Path
from typing import Any

from django.template.loader import get_template
from django.utils import formats, timezone

from invitation.keys import sites

#: Folder with the templates of this app.
OURS = Path(__file__).resolve().parents[1] / "templates"


def site_context(site_id: int) -> dict[str, Any]:
    """Return the context about the site that every email needs."""
    about = sites.describe(sites.get_site(site_id))
    return {**about, "base_url": sites.base_url(site_id)}


def moment_in_words(moment: datetime | None) -> str:
    """Return an exact time in the site's time zone, or an empty string for ``None``."""
    if moment is None:
        return ""
    return moment_for_reader(moment, timezone.get_default_timezone())


def moment_for_reader(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return an exact time with its time zone, by default the current reader's."""
    if timezone.is_naive(moment):
        return formats.date_format(moment, "DATETIME_FORMAT")
    local = timezone.localtime(moment, zone)
    return f"{formats.date_format(local, 'DATETIME_FORMAT')} ({local.tzname()})"


def day_in_words(moment: datetime | None) -> str:
    """Return the day of a time in the site's time zone, or an empty string for ``None``."""
    if moment is not None and timezone.is_aware(moment):
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    return formats.date_format(moment, "DATE_FORMAT") if moment is not None else ""


def end_in_words(moment: datetime | None) -> str:
    """Return when something expires, in the site's time zone; see ``end_of``."""
    if moment is None:
        return ""
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    return end_of(moment)


def end_of(moment: datetime) -> str:
    """Return the day of a local time, and the time only if it is not the end of the day.

    Midnight is the end of the day before.
    """
    if moment.time() == time():
        return formats.date_format(moment - timedelta(days=1), "DATE_FORMAT")
    words = formats.date_format(moment, "DATE_FORMAT")
    if (moment.hour, moment.minute) == (23, 59):
        return words
    end = formats.time_format(moment, "TIME_FORMAT")
    return f"{words}, {end} {moment.tzname() or ''}".rstrip()


def end_of_day(moment: datetime, days: int = 0) -> datetime:
    """Return the last second of the day so many days later, in the active time zone.

    Without a zone of the member's own, that is the site's. A change of the clocks in between makes
    no difference. If a clock shows the last second twice, it is the later one.
    """
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    last = datetime.combine(moment.date() + timedelta(days=days), time(23, 59, 59))
    if moment.tzinfo is None:
        return last
    return last.replace(tzinfo=moment.tzinfo, fold=1).astimezone(zones.utc)


def days_left(moment: datetime | None) -> int | None:
    """Return how many whole days remain until a time, and one on the last day.

    It is ``None`` for ``None``, and 0 when the time is over.
    """
    if moment is None:
        return None
    left = moment - timezone.now()
    return max(left.days, 1) if left > timedelta(0) else 0


def is_ours(name: str) -> bool:
    """Return whether a template comes from this app. Raises ``TemplateDoesNotExist``."""
    template: Any = get_template(name)
    origin = str(getattr(getattr(template, "origin", None), "name", None) or "")
    return OURS in Path(origin).parents


def sends_html(text: str, html: str) -> bool:
    """Return whether the HTML template belongs beside the text template.

    A site of 1.0 overrides the text alone. Our HTML would then say something else than the text,
    and most programs show only the HTML. Raises ``TemplateDoesNotExist``.
    """
    return is_ours(text) or not is_ours(html)
