"""Give templates what not every page and mail finds in its context."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.template.base import FilterExpression, Parser, Token, render_value_in_context
from django.utils import formats
from django.utils.translation import gettext as _

from invitation import addresses, destinations, flows, sites, texts, visitor
from invitation.conf import conf

register = template.Library()

#: What is raised where nothing, or no row, says which site this is or where its links begin.
UNKNOWN = (ImproperlyConfigured, ObjectDoesNotExist)


@register.simple_tag(takes_context=True)
def invitation_site(context: template.Context) -> sites.SiteLike | None:
    """Return the site, for its name: ``{% invitation_site as site %}``.

    It is the Site that the page or mail names itself, else the current one. What else a context
    calls ``site`` is named after the visitor's Host header, so that is only the last resort.
    ``None`` where nothing names a site: a page's heading is no reason to fail.
    """
    known: sites.SiteLike | None = _named_site(context)
    if known is not None:
        return known
    try:
        return sites.get_site(sites.current_site_id(context.get("request")))
    except UNKNOWN:
        return context.get("site")


@register.simple_tag(takes_context=True)
def invitation_base_url(context: template.Context) -> str:
    """Return what links in a mail begin with: ``{% invitation_base_url as base_url %}``.

    The same for every mail of the site, those of Django and of the registration host included,
    which would otherwise go by the visitor's Host header and guess the scheme. Only where nothing
    else names the host, the ``site``, or ``protocol`` and ``domain``, of the mail's context do.
    """
    known = _named_site(context)
    try:
        site_id = sites.current_site_id(context.get("request")) if known is None else known.pk
        return sites.base_url(site_id)
    except UNKNOWN:
        site = context.get("site")
        domain = getattr(site, "domain", "") or context.get("domain")
        # The setting needs no site, and so holds where nothing says which one it is.
        guess = f"{context.get('protocol') or 'https'}://{domain}" if domain else ""
        if domain and apps.is_installed("django.contrib.sites"):
            guess = sites.with_scheme(domain)  # It is a Site's; the scheme would be the request's.
        return (conf.INVITATION_BASE_URL or guess).rstrip("/")


@register.simple_tag(takes_context=True)
def invitation_may_register(context: template.Context) -> bool:
    """Tell whether it makes sense to offer registration: ``{% invitation_may_register as may %}``.

    Yes if it is open to all, or if the visitor has come with an invitation. Asks no row: whether
    that still opens anything is for the page behind the link to say.
    """
    request = context.get("request")
    carries = request is not None and visitor.recall(request.COOKIES) != ""
    return carries or not conf.INVITE_MODE


@register.simple_tag(takes_context=True)
def invitation_received(context: template.Context) -> int:
    """Return how many invitations wait for who is signed in: ``{% invitation_received as n %}``.

    Those to an address that he has proven to be his. Nobody who is not signed in costs a query;
    else they are counted once for each request, besides what INVITATION_VERIFIED_ADDRESSES costs.
    """
    request: Any = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return 0
    # Kept with the account: in one request, another one may log in.
    counted: dict[Any, int] = request.__dict__.setdefault("_invitation_received", {})
    if user.pk not in counted:
        try:
            rows = flows.received_invitations(user, sites.current_site_id(request))
        except UNKNOWN:
            return 0
        counted[user.pk] = rows.usable().count()
    return counted[user.pk]


@register.tag("remaining_invitations")
def remaining_invitations(parser: Parser, token: Token) -> RemainingNode:
    """Tell how many invitations a member has left: ``{% remaining_invitations user %}``.

    It prints the number, or "unlimited" in the page's language. With ``as left`` it prints nothing,
    and ``left`` is the number, or ``None`` for no limit, as in the context of the pages. A visitor
    has none. One query, and one more where the site's limit goes by groups.
    """
    name, *arguments = token.split_contents()
    if len(arguments) == 1:
        return RemainingNode(parser.compile_filter(arguments[0]))
    if len(arguments) == 3 and arguments[1] == "as":
        return RemainingNode(parser.compile_filter(arguments[0]), arguments[2])
    message = f"Write {{% {name} user %}} or {{% {name} user as left %}}."
    raise template.TemplateSyntaxError(message)


class RemainingNode(template.Node):
    """Print or keep how many invitations a member has left."""

    def __init__(self, user: FilterExpression, target: str = "") -> None:
        self.user = user
        self.target = target

    def render(self, context: template.Context) -> str:
        """Return the number in words, or nothing if it is kept for the template."""
        user = self.user.resolve(context, ignore_failures=True)
        # A context without a user is that of a visitor, whatever stands for him.
        left = flows.remaining_invitations(user) if hasattr(user, "is_authenticated") else 0
        if self.target:
            context[self.target] = left
            return ""
        return _("unlimited") if left is None else str(render_value_in_context(left, context))


@register.filter
def invitation_address(email: str) -> str:
    """Return an address as people read it: ``{{ invitation.email|invitation_address }}``."""
    return addresses.display(str(email)) if email else ""


@register.filter(expects_localtime=True)
def invitation_time(moment: datetime) -> str:
    """Return a time of day to end a sentence with: ``{{ next_try|invitation_time }}``.

    With its time zone; where there is none, without the full stop of "p.m.".
    """
    words = formats.time_format(moment, "TIME_FORMAT")
    zone = moment.tzname()
    return f"{words} {zone}" if zone else words.removesuffix(".")


@register.filter
def invitation_destination(path: str) -> str:
    """Return the name of a landing page: ``{{ invitation.destination|invitation_destination }}``.

    That is what the site offers it as, else its path; nothing where nobody is led there.
    """
    path = destinations.safe(path)
    return str(dict(conf.INVITATION_DESTINATIONS).get(path, path)) if path else ""


@register.filter
def invitation_person(user: Any) -> str:
    """Return the name of an account, never its address: ``{{ user|invitation_person }}``."""
    return texts.inviter_name(user)


def _named_site(context: template.Context) -> Any:
    """Return the row of ``django.contrib.sites`` that the context holds, or ``None``."""
    site = context.get("site")
    if not apps.is_installed("django.contrib.sites"):
        return None
    return site if isinstance(site, apps.get_model("sites", "Site")) else None
