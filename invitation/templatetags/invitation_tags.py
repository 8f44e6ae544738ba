"""Template tags and filters for pages and emails."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import template
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.forms import BoundField
from django.template import TemplateDoesNotExist
from django.template.base import FilterExpression, Parser, Token, render_value_in_context
from django.templatetags import tz
from django.utils import formats
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from invitation import addresses, gate
from invitation.conf import conf
from invitation.delivery import texts, wording
from invitation.flows import arriving, quota
from invitation.gate import visitor
from invitation.keys import destinations, sites

register = template.Library()

#: Errors that are raised if the current site or the base of its links is not known.
UNKNOWN = (ImproperlyConfigured, ObjectDoesNotExist)

#: Number of characters from which an address may be too long for one line of a narrow window.
BREAKS_FROM = 21
#: Slash of a link, without those after its scheme.
_SLASH = re.compile(r"(?<=[^/:<])/(?=[^/])")


@register.simple_tag(takes_context=True)
def invitation_site(context: template.Context) -> sites.SiteLike | None:
    """Return the site, for its name: ``{% invitation_site as site %}``.

    It is the ``Site`` in the context of the page or email, else the current one. Any other ``site``
    in a context is named after the visitor's Host header, so it is the last choice. Returns
    ``None`` if nothing names a site, so that a page can still be shown.
    """
    known: sites.SiteLike | None = sites.named(_named_site(context))
    if known is not None:
        return known
    try:
        return sites.get_site(sites.current_site_id(context.get("request")))
    except UNKNOWN:
        return sites.named(context.get("site"))  # type: ignore[no-any-return]


@register.simple_tag(takes_context=True)
def invitation_site_name(context: template.Context) -> str:
    """Return the name of the site: ``{% invitation_site_name as site_name %}``.

    It is INVITATION_SITE_NAME, else the name of ``invitation_site``. Empty if nothing names a site.
    """
    return str(conf.INVITATION_SITE_NAME) or getattr(invitation_site(context), "name", "")


@register.simple_tag
def invitation_site_blurb() -> str:
    """Return one sentence about the site: ``{% invitation_site_blurb as site_blurb %}``."""
    return str(conf.INVITATION_SITE_BLURB)


@register.simple_tag(takes_context=True)
def invitation_base_url(context: template.Context) -> str:
    """Return the start of the links in an email: ``{% invitation_base_url as base_url %}``.

    It is the same for every email of the site. This includes the emails of Django and of the
    registration package. Without it, they would use the visitor's Host header and guess the scheme.
    The ``site``, or ``protocol`` and ``domain``, of the email's context are used only if nothing
    else names the host.
    """
    known = _named_site(context)
    try:
        site_id = sites.current_site_id(context.get("request")) if known is None else known.pk
        return sites.base_url(site_id)
    except UNKNOWN:
        site = context.get("site")
        domain = getattr(site, "domain", "") or context.get("domain")
        # The setting needs no site, so it works where the site is not known.
        guess = f"{context.get('protocol') or 'https'}://{domain}" if domain else ""
        if domain and apps.is_installed("django.contrib.sites"):
            # The domain is that of a ``Site``. The context has only the scheme of the request.
            guess = sites.with_scheme(domain)
        return sites.ascii_url((conf.INVITATION_BASE_URL or guess).rstrip("/"))


@register.simple_tag(takes_context=True)
def invitation_may_register(context: template.Context) -> bool:
    """Return whether to offer registration: ``{% invitation_may_register as may %}``.

    It is true if registration is open to all, or if the visitor came with an invitation. It runs no
    query. The page behind the link checks whether the invitation is still pending.
    """
    request = context.get("request")
    carries = request is not None and visitor.recall(request.COOKIES) != ""
    return carries or not conf.INVITE_MODE


@register.simple_tag
def invitation_signup_url() -> str:
    """Return the URL of the sign-up page: ``{% invitation_signup_url as url %}``; else empty."""
    return gate.signup_url()


@register.simple_tag
def invitation_login_url() -> str:
    """Return the URL of the login page: ``{% invitation_login_url as url %}``; else empty."""
    return gate.login_url()


@register.simple_tag(takes_context=True)
def invitation_sent(context: template.Context) -> Any:
    """Return the invitation that the member has just sent: ``{% invitation_sent as sent %}``.

    Only the page after sending has one. Every page may ask.
    """
    return context.get("sent_invitation")


@register.simple_tag(takes_context=True)
def invitation_received(context: template.Context) -> int:
    """Return how many invitations wait for the current user: ``{% invitation_received as n %}``.

    It counts invitations to an address that the user has proven to be theirs. A visitor who is not
    logged in causes no query. For a member, it counts once for each request.
    INVITATION_VERIFIED_ADDRESSES may cost more.
    """
    request: Any = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return 0
    # Stored by account, because another account may log in during one request.
    counted: dict[Any, int] = request.__dict__.setdefault("_invitation_received", {})
    if user.pk not in counted:
        try:
            rows = arriving.received_invitations(user, sites.current_site_id(request))
        except UNKNOWN:
            return 0
        counted[user.pk] = rows.usable().count()
    return counted[user.pk]


@register.simple_tag
def invitation_html_beside(text: str) -> str:
    """Print nothing beside our own text of an email: ``{% invitation_html_beside "a/b.txt" %}``.

    Use it in the HTML template of an email. Raises ``TemplateDoesNotExist`` if the site overrides
    the text template. The registration package then sends the text alone.
    """
    if not wording.is_ours(text):
        raise TemplateDoesNotExist(text)
    return ""


@register.tag("remaining_invitations")
def remaining_invitations(parser: Parser, token: Token) -> RemainingNode:
    """Return how many invitations a member has left: ``{% remaining_invitations user %}``.

    It prints the number, or "unlimited" in the page's language. With ``as left`` it prints nothing
    and sets ``left``, as in the context of the pages. ``left`` is the number, or ``None`` for no
    limit. A visitor has none left. It runs one query, and one more where the site's limit depends
    on groups.

    Raises ``TemplateSyntaxError`` for other arguments.
    """
    name, *arguments = token.split_contents()
    if len(arguments) == 1:
        return RemainingNode(parser.compile_filter(arguments[0]))
    if len(arguments) == 3 and arguments[1] == "as":
        return RemainingNode(parser.compile_filter(arguments[0]), arguments[2])
    message = f"Write {{% {name} user %}} or {{% {name} user as left %}}."
    raise template.TemplateSyntaxError(message)


class RemainingNode(template.Node):
    """Template node that prints or stores how many invitations a member has left."""

    def __init__(self, user: FilterExpression, target: str = "") -> None:
        self.user = user
        self.target = target

    def render(self, context: template.Context) -> str:
        """Return the number in words, or an empty text if it is stored in a variable."""
        user = self.user.resolve(context, ignore_failures=True)
        # A context without a user belongs to a visitor, whatever value the template engine
        # supplies.
        left = quota.remaining_invitations(user) if hasattr(user, "is_authenticated") else 0
        if self.target:
            context[self.target] = left
            return ""
        return _("unlimited") if left is None else str(render_value_in_context(left, context))


@register.filter
def invitation_optional(field: BoundField) -> bool:
    """Return whether a field of a form may stay empty, whatever the other fields contain."""
    return not field.field.required and field.name not in getattr(field.form, "needed_fields", ())


@register.filter
def invitation_guest(user: Any) -> bool:
    """Return whether an account is that of a guest: ``{% if user|invitation_guest %}``."""
    return hasattr(user, "is_authenticated") and quota.is_guest(user)


@register.filter
def invitation_address(email: str) -> str:
    """Return an address as people read it: ``{{ invitation.email|invitation_address }}``."""
    return addresses.display(str(email)) if email else ""


@register.filter
def invitation_breaks(email: str) -> str:
    """Return a long address as HTML that breaks after its @: ``{{ email|invitation_breaks }}``.

    A browser breaks other text at blanks. An address has none, so it would break in a word. A part
    that is long by itself also breaks at its dots, and a link after its slashes.
    """
    text = conditional_escape(email)
    if len(text) < BREAKS_FROM:
        return text
    parts = (x if len(x) < BREAKS_FROM else x.replace(".", "<wbr>.") for x in text.split("@"))
    # Safe: what is put in is markup of our own, and the rest is escaped.
    return mark_safe(_SLASH.sub("/<wbr>", "@<wbr>".join(parts)))  # noqa: S308 (see above)


@register.filter(expects_localtime=True)
def invitation_time(moment: datetime) -> str:
    """Return a time of day for the end of a sentence: ``{{ next_try|invitation_time }}``.

    The time zone is added. Without a time zone, the full stop of "p.m." is removed.
    """
    words = formats.time_format(moment, "TIME_FORMAT")
    zone = moment.tzname()
    return f"{words} {zone}" if zone else words.removesuffix(".")


@register.filter(expects_localtime=True)
def invitation_moment(moment: datetime | None) -> str:
    """Return a day with its time and time zone as HTML: ``{{ expires_at|invitation_moment }}``.

    The ``time`` element has the same moment in the form for machines. It is empty without a moment.
    """
    if not moment:
        return ""
    return format_html(
        '<time datetime="{}">{}, {} {}</time>',
        tz.utc(moment).isoformat(),
        formats.date_format(moment, "DATE_FORMAT"),
        formats.time_format(moment, "TIME_FORMAT"),
        moment.tzname() or "",
    )


@register.filter(expects_localtime=True)
def invitation_end(moment: datetime | None) -> str:
    """Return when something expires as HTML: ``{{ expires_at|invitation_end }}``.

    It is the day, and the time only if it is not the end of the day. The ``time`` element has the
    moment in the form for machines. It is empty without a moment.
    """
    if not moment:
        return ""
    words = wording.end_of(moment)
    return format_html('<time datetime="{}">{}</time>', tz.utc(moment).isoformat(), words)


@register.filter
def invitation_destination(path: str) -> str:
    """Return the name of a landing page: ``{{ invitation.destination|invitation_destination }}``.

    This is the site's name for the page, else its path. It is empty if there is no landing page.
    """
    path = destinations.safe(path)
    return str(dict(conf.INVITATION_DESTINATIONS).get(path, path)) if path else ""


@register.filter
def invitation_person(user: Any) -> str:
    """Return the name of an account, never its address: ``{{ user|invitation_person }}``."""
    return texts.inviter_name(user)


def _named_site(context: template.Context) -> Any:
    """Return the row of ``django.contrib.sites`` in the context, or ``None``."""
    site = context.get("site")
    if not apps.is_installed("django.contrib.sites"):
        return None
    return site if isinstance(site, apps.get_model("sites", "Site")) else None
