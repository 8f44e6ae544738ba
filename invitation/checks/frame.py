"""Check of the site's own frame: whether its base template shows what our pages put into it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.template import Template, TemplateDoesNotExist, TemplateSyntaxError
from django.template.base import VariableNode
from django.template.loader import get_template
from django.template.loader_tags import BlockNode, ExtendsNode

FRAME = "invitation/base.html"
#: Blocks of the frame that our pages fill, and how the pages are without them.
FILLED = {
    "content": "blank",
    "extra_head": "without the scripts and styles of its head",
}


def check_frame(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if our pages would be blank or bare in the frame that the site gives them.

    The block of most bases is "content", which our pages fill themselves. What the frame puts
    around it needs a block of its own.

    Django drops a block that the parent template does not have, without a word.
    """
    try:
        frame: Any = get_template(FRAME)
    except (TemplateDoesNotExist, TemplateSyntaxError, UnicodeError):
        return []  # check_templates reports it.
    # Another template engine has no blocks to look at.
    template = getattr(frame, "template", None)
    chain = _chain(template) if isinstance(template, Template) else []
    if not chain:
        return []
    shown, defined = _shown(chain), {name for one in chain for name in _blocks(one)}
    for block, lack in FILLED.items():
        # A frame may leave out the block of the head on purpose, but not lose it.
        if block not in shown and (block == "content" or block in defined):
            message = f'"{FRAME}" does not show the block "{block}". Our pages are {lack}.'
            return _warning(message, _hint(chain))
    lost = next((block for block in _filled(chain[0]) if block.name not in shown), None)
    if lost is None:
        return []
    message = f'"{FRAME}" fills the block "{lost.name}", which no template that it extends has.'
    message += " What is in it is on no page."
    hint, base = _hint(chain), chain[-1]
    if {"content"} & _blocks(lost).keys() & _blocks(base).keys():
        hint = f'Put "{{% block {lost.name} %}}" around "{{% block content %}}" in "{base.name}".'
    return _warning(message, hint)


def _warning(message: str, hint: str) -> list[CheckMessage]:
    return [CheckWarning(message, hint=hint, id="invitation.W041")]


def _filled(template: Any) -> list[Any]:
    """Return the blocks that a template gives to the one that it extends."""
    extends = template.nodelist.get_nodes_by_type(ExtendsNode)
    nodes = extends[0].nodelist if extends else []
    return [node for node in nodes if isinstance(node, BlockNode)]


def _hint(chain: list[Any]) -> str:
    """Return what to do, with the blocks that the site's base has."""
    if len(chain) == 1:
        return 'Add "{% block content %}{% endblock %}" to it.'
    base, names = chain[-1].name, [f'"{name}"' for name in _blocks(chain[-1])]
    if not names:
        return f'It extends "{base}", which has no blocks. Add some there, and fill them here.'
    return f'It extends "{base}". Fill the blocks that it has: {", ".join(names)}.'


def _chain(template: Any) -> list[Any]:
    """Return a template and all that it extends; empty if only a request can tell that."""
    chain = [template]
    while extends := template.nodelist.get_nodes_by_type(ExtendsNode):
        name = extends[0].parent_name.var
        if not isinstance(name, str):
            return []
        # A template may extend another one of its own name, which comes after it.
        seen = [one.origin for one in chain]
        template, _ = template.engine.find_template(name, skip=seen)
        chain.append(template)
    return chain


def _blocks(template: Any) -> dict[str, Any]:
    """Return the blocks of a template by name, in the order in which they begin."""
    return {node.name: node for node in template.nodelist.get_nodes_by_type(BlockNode)}


def _shown(chain: list[Any]) -> set[str]:
    """Return the names of the blocks that a page shows which extends the first template."""
    versions = [_blocks(template) for template in chain]
    shown: set[str] = set()

    def look(nodes: Iterable[Any]) -> None:
        for node in nodes:
            if not isinstance(node, BlockNode):
                for name in node.child_nodelists:
                    look(getattr(node, name, ()))
            elif node.name not in shown:
                shown.add(node.name)
                for block in (blocks[node.name] for blocks in versions if node.name in blocks):
                    look(block.nodelist)
                    if not _keeps_the_parents(block):
                        break

    look(chain[-1].nodelist)
    return shown


def _keeps_the_parents(block: Any) -> bool:
    """Return whether a block also shows the parent's block: ``{{ block.super }}``."""
    variables = block.nodelist.get_nodes_by_type(VariableNode)
    return any(str(one.filter_expression).startswith("block.super") for one in variables)
