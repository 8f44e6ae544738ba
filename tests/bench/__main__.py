"""Measure, print the table, write it as JSON, and fail where a value is past its bound.

python -m tests.bench [--only NAME]... [--size ROWS]... [--database NAME]
                          [--seconds S] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.table import HEAD, LINES, MARGINS, Result, as_text

ROOT = Path(__file__).parents[2]
SIZES = [1_000, 100_000, 1_000_000]
DATABASES = ["sqlite", "postgresql"]
#: What tests/services answers where a server is not installed.
NOT_INSTALLED = 69


def options() -> argparse.Namespace:
    """Return what the command line says."""
    names = sorted({name.partition(".")[0] for name in LINES} | {"page300"})
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, default=[], metavar="NAME")
    parser.add_argument("--size", action="append", type=int, default=[], metavar="ROWS")
    parser.add_argument("--database", action="append", choices=DATABASES, default=[])
    parser.add_argument(
        "--seconds", type=float, default=1.25, help="of each comparison of requests"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", metavar="FILE")
    return parser.parse_args()


def measured(database: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure on one database in a process of its own; print each line as it comes."""
    sizes = sorted(chosen.size or SIZES)
    words = [database, ",".join(map(str, sizes)), ",".join(chosen.only)]
    command = [sys.executable, "-m", "tests.bench.work", *words]
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONHASHSEED": "0"}
    environment["INVITATION_BENCH_SECONDS"] = str(chosen.seconds)
    environment["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
    with tempfile.TemporaryDirectory(prefix="django-invitation-bench.") as folder:
        if database in ("sqlite", "none"):
            environment["INVITATION_TEST_DB"] = "sqlite"
            environment["INVITATION_BENCH_DATABASE"] = f"{folder}/bench.sqlite3"
        else:
            environment["INVITATION_BENCH_DATABASE"] = "postgres"
            command = [str(ROOT / "tests/services/with-postgresql"), *command]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [line for line in map(shown, process.stdout) if line is not None]
    if process.returncode == NOT_INSTALLED:
        print(f"skipped: {database}, which is not installed")  # noqa: T201
    elif process.returncode:
        lines.append({"name": database, "verdict": "FAILED"})
    return lines


def shown(line: str) -> dict[str, Any] | None:
    """Print what the measuring process says, and return it if it is a result."""
    said = json.loads(line)
    if "result" in said:
        fields = {k: v for k, v in said["result"].items() if k in Result.__dataclass_fields__}
        print(as_text(Result(**fields)), flush=True)  # noqa: T201
        return dict(said["result"])
    if said.get("head"):
        print(f"\n{said['note']}\n{HEAD}")  # noqa: T201
    elif "failed" in said:
        print(f"FAILED {said['failed']}\n{said['note']}")  # noqa: T201
        return {"name": said["failed"], "verdict": "FAILED"}
    elif "note" in said:
        print(said["note"])  # noqa: T201
    return None


def main() -> int:
    """Measure all that was asked for; return 1 if a value is past its bound."""
    chosen = options()
    started = time.monotonic()
    results: list[dict[str, Any]] = []
    databases = chosen.database or DATABASES
    if not chosen.only or "starting" in chosen.only:
        databases = ["none", *databases]
    if chosen.only == ["starting"]:
        databases = ["none"]
    for database in databases:
        results += measured(database, chosen)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    past = [row for row in results if row["verdict"] in ("PAST", "FAILED")]
    margins = ", ".join(f"{m:.0%} of {u or 'counts'}" for u, m in MARGINS.items())
    print(f"\n{time.monotonic() - started:.0f} s; margins for noise: {margins}")  # noqa: T201
    print(f"{len(past)} past their bounds; all values in {chosen.json}")  # noqa: T201
    return 1 if past else 0


if __name__ == "__main__":
    sys.exit(main())
