"""Start and stop the demo as ``make demo`` does."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import free_port, start_demo, stop_demo


def test_the_demo_starts_says_so_stops_with_ctrl_c_and_keeps_its_data(tmp_path: Path) -> None:
    port = free_port()
    demo, first = start_demo(tmp_path, port)
    assert first.endswith(f"Demo ready at http://127.0.0.1:{port}/\n")
    assert "rosa" in first
    said = stop_demo(demo)
    assert demo.process.returncode == 0
    assert "Traceback" not in said
    demo, second = start_demo(tmp_path, port)
    stop_demo(demo)
    assert "Made members" in first
    assert "Made members" not in second
