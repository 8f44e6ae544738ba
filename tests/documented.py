"""The code that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parents[1] / "docs"


def code_blocks(page: Path) -> list[tuple[str, str]]:
    """Return the Python code of a page, each piece with its caption."""
    pieces = re.findall(
        r"(?m)^\.\. code-block:: python\n(?:   :caption: (.*)\n)?\n((?:(?:   .*)?\n)+)",
        page.read_text("utf-8"),
    )
    return [(caption, dedent(code)) for caption, code in pieces]
