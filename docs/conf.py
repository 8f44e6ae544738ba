"""Configure Sphinx: ``make docs`` builds into ``docs/_build/html``."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402  (the path and the settings come first)

django.setup()

from invitation import __version__  # noqa: E402

project = "django-invitation"
copyright = "2026, django-invitation contributors"
version = release = __version__

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["images"]
html_static_path = ["_static"]
html_css_files = ["tiles.css"]
html_theme = "furo"
html_title = f"django-invitation {version}"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
}
nitpicky = False
