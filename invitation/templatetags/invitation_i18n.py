"""A faster ``translate`` for pages that anybody opens."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import Node, Parser, Token
from django.template.context import Context
from django.templatetags import i18n
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()


class TextNode(Node):
    """Node that prints the translation of a text from its template."""

    def __init__(self, text: str) -> None:
        # The catalogues have a percent sign of a template like this.
        self.message = text.replace("%", "%%")

    def render(self, context: Context) -> str:
        """Return the text in the language of the page."""
        return gettext(self.message).replace("%%", "%")


@register.tag("translate")
def translate(parser: Parser, token: Token) -> Node:
    """Translate a text: Django's ``{% translate %}``, several times as fast for a plain text.

    Django evaluates even a plain text as an expression each time.
    """
    node: Any = i18n.do_translate(parser, token)
    plain = not (node.noop or node.asvar or node.message_context or node.filter_expression.filters)
    text = getattr(node.filter_expression.var, "literal", None)
    return TextNode(text) if plain and isinstance(text, SafeString) else node
