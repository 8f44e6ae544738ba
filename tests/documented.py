"""The code that the documentation shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parents[1] / "docs"
ROOT = DOCS.parent


def code_blocks(page: Path) -> list[tuple[str, str]]:
    """Return the Python code of a page, each piece with its caption."""
    pieces = re.findall(
        r"(?m)^\.\. code-block:: python\n(?:   :caption: (.*)\n)?\n((?:(?:   .*)?\n)+)",
        page.read_text("utf-8"),
    )
    return [(caption, dedent(code)) for caption, code in pieces]


class Project:
    """Hold a folder in which programs run, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, **environment: str) -> str:
        mute = ("DJANGO", "PYTEST", "COV")
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={
                **{name: text for name, text in os.environ.items() if not name.startswith(mute)},
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder)]),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
