"""Sites differ in what a test cannot switch: the user model, the installed apps.

The tests that are marked ``anywhere`` run again under each of these settings, in a process of
their own: all of them in `make exhaustive`, some of them on the database servers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def marked_files() -> list[str]:
    """Return the files with such tests: another may not even import without some app."""
    files = (ROOT / "tests").rglob("test_*.py")
    return sorted(str(file) for file in files if "mark.anywhere" in file.read_text("utf-8"))


#: What goes furthest through the app. These run with the first of their parameters alone.
SOME = [
    "tests/test_checks.py",
    "tests/test_conftest.py",
    "tests/test_project.py",
    "tests/test_walk.py",
]
EXTENT = ["some", pytest.param("all", marks=pytest.mark.exhaustive)]


def run_on(settings: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests on another kind of site, in a process of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # Neither a worker of the outer run nor counted by it.
        if not name.startswith(("PYTEST_", "COV_", "COVERAGE_", "DJANGO_"))
    }
    command = [sys.executable, "-m", "pytest", "-q", f"--ds={settings}", "--create-db"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


@pytest.mark.long
@pytest.mark.services
@pytest.mark.parametrize("extent", EXTENT)
@pytest.mark.parametrize("settings", ["tests.settings_another_site"])
def test_what_holds_anywhere_holds_on(settings: str, extent: str) -> None:
    files = marked_files() if extent == "all" else ["--first-case=tests", *SOME]
    run = run_on(settings, "-m", "anywhere", *files)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


@pytest.mark.long
def test_a_site_needs_no_redux_among_its_apps() -> None:
    run = run_on("tests.without_redux.settings", "tests/without_redux")
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert "skipped" not in run.stdout
