"""The benchmark runs, and says what is past its bound; what it measures is no test's affair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import NOT_INSTALLED
from tests.bench.table import LINES, Result

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("open", 2.2, "ok"),
        ("open", 2.3, "margin"),
        ("open", 4.1, "PAST"),
        ("open.queries", 3, "PAST"),
        ("shared.counted", 0.96, "ok"),
        ("shared.counted", 0.94, "margin"),
        ("shared.counted", 0.5, "PAST"),
        ("sizes.floor", 1000, ""),
    ],
)
def test_a_value_past_its_bound_and_the_margin_is_told(
    name: str, value: float, verdict: str
) -> None:
    assert Result(name, value).judge().verdict == verdict


@pytest.mark.long
def test_the_benchmark_runs_on_a_small_site(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    rows = ["sizes", "open", "refuse", "allowed", "invite", "register"]
    words = ["--size", "100", "--database", "sqlite", "--seconds", "0"]
    words += ["--json", str(file), *(word for row in rows for word in ("--only", row))]
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", *words],
        cwd=ROOT,
        env={**os.environ, "INVITATION_TEST_DB": "sqlite"},
        capture_output=True,
        text=True,
        check=False,
    )
    results = json.loads(file.read_text("utf-8"))
    assert "FAILED" not in run.stdout, run.stdout + run.stderr
    assert run.returncode == any(row["verdict"] == "PAST" for row in results)
    measured = {row["name"] for row in results}
    assert measured == {name for name in LINES if name.partition(".")[0] in rows}


@pytest.mark.long
def test_rows_that_the_server_makes_are_like_the_others() -> None:
    run = subprocess.run(
        ["tests/services/with-postgresql", sys.executable, "-m", "tests.bench.repeated"],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == NOT_INSTALLED:
        pytest.skip("needs PostgreSQL")
    assert run.returncode == 0, run.stdout + run.stderr
