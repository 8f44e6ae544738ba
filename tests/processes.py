"""Processes of a site, such as a new project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_in(folder: Path, *command: str, **environment: str) -> str:
    """Run Python in a folder, with this package and no settings, and return what it printed.

    What it printed as errors comes first. It must end well.
    """
    kept = {name: text for name, text in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr + done.stdout
