"""URLconf of the site: each test has its own."""

from __future__ import annotations

from typing import Any

urlpatterns: list[Any] = []
