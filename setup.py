"""Package django-invitation: its metadata, what it needs, what goes into the wheel.

Tool settings are in pyproject.toml.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """Return the one version number, which stands in ``invitation/__init__.py``."""
    text = (HERE / "invitation" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__(?:: \w+)? = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError('invitation/__init__.py has no line __version__ = "..."')
    return found.group(1)


TEST = [
    "aiosmtpd>=1.4.6",
    "babel>=2.16",
    "celery[redis]>=5.4",
    "coverage[toml]>=7.6",
    "dj-rest-auth>=7",
    "django-allauth[headless,mfa,socialaccount]>=65.8.1",
    "django-anymail>=13",
    "django-guest-user>=0.5",
    "django-ninja>=1.4",
    "django-tasks>=0.12",
    "django-tasks-db>=0.13",
    "djangorestframework>=3.16",
    "djoser>=2.3",
    "gunicorn>=23",
    "hypothesis>=6.100",
    "import-linter>=2.5",
    "pillow>=11",
    "pytest>=8.3",
    "pytest-cov>=6",
    "pytest-django>=4.11",
    "pytest-xdist>=3.6",
    "segno>=1.6",
    "time-machine>=2.16",
    "zxing-cpp>=2.3",
]
LINT = ["django-stubs>=5.2", "mypy>=1.15", "ruff>=0.12"]
DOCS = ["furo>=2024.8", "sphinx>=8.1"]
RELEASE = ["build>=1.2", "check-manifest>=0.50", "tox>=4.24", "tox-uv>=1.25", "twine>=6.1"]

setup(
    name="django-invitation",
    version=version(),
    description="Invitations for Django: members invite, registration is open to who holds a key.",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="django-invitation contributors",
    license_expression="BSD-3-Clause",
    license_files=["LICENSE"],
    keywords=["django", "invitation", "invite", "registration", "sign-up", "quota"],
    packages=find_packages(include=["invitation", "invitation.*"]),
    package_data={
        "invitation": [
            "py.typed",
            "templates/**/*",
            "static/**/*",
            "locale/**/*",
        ],
        "invitation.lazysignup": ["templates/**/*", "locale/**/*"],
    },
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        "Django>=5.2,<7",
        "django-registration-redux>=2.13,<3",
        "email-validator>=2.4",
        # Imported by addresses.py itself; an older one reads right-to-left labels another way.
        "idna>=3.20",
    ],
    extras_require={
        "test": TEST,
        "lint": LINT,
        "docs": DOCS,
        "browser": ["playwright>=1.50"],
        "postgresql": ["psycopg[binary]>=3.2"],
        "mysql": ["mysqlclient>=2.2.1"],
        "allauth": ["django-allauth>=65.8.1"],
        "registration5": ["django-registration>=5.1,<6"],
        "qr": ["segno>=1.6"],
        "anymail": ["django-anymail>=13"],
        # The first of the two is Django's own from Django 6.0 on, and then lies idle.
        "tasks": ["django-tasks>=0.12", "django-tasks-db>=0.13"],
        "celery": ["celery>=5.4"],
        "dev": [*TEST, *LINT, *DOCS, *RELEASE],
    },
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
)
