"""Give templates what not every page and mail finds in its context."""

from __future__ import annotations

from django import template
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist

from invitation import sites

register = template.Library()


@register.simple_tag(takes_context=True)
def invitation_site(context: template.Context) -> sites.SiteLike | None:
    """Return the current site, for its name: ``{% invitation_site as site %}``.

    ``None`` where nothing names a site: a page's heading is no reason to fail.
    """
    try:
        return sites.get_site(sites.current_site_id(context.get("request")))
    except (ImproperlyConfigured, ObjectDoesNotExist):
        return None


@register.simple_tag(takes_context=True)
def invitation_base_url(context: template.Context) -> str:
    """Return what links in a mail begin with: ``{% invitation_base_url as base_url %}``.

    The same for every mail of the site, those of the registration host included, which would
    otherwise go by the visitor's Host header and guess the scheme. Only where nothing else names
    the host, the ``site`` of the mail's context does.
    """
    site = context.get("site")
    site_id = getattr(site, "pk", None)
    try:
        if site_id is None:
            site_id = sites.current_site_id(context.get("request"))
        return sites.base_url(site_id)
    except (ImproperlyConfigured, ObjectDoesNotExist):
        return f"https://{site.domain}" if site is not None else ""
