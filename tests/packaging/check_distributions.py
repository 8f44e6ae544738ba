"""Check what is about to be published: ``python tests/packaging/check_distributions.py dist``.

The sdist holds every file of the repository, the wheel every file of the package and nothing else,
and the wheel runs in an environment where nothing but its own requirements is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: What only the repository needs.
NOT_PUBLISHED = {".gitignore"}

#: A whole site: it is checked and migrated, and every template and asset of ours is found in it.
SITE = """
from pathlib import Path
import django
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.template.loader import get_template

settings.configure(
    SECRET_KEY="only for this check",
    ALLOWED_HOSTS=["example.com"],
    ROOT_URLCONF="invitation.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "invitation",
        "registration",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.sites",
        "django.contrib.staticfiles",
    ],
    SITE_ID=1,
    LOGIN_URL="auth_login",
    LOGIN_REDIRECT_URL="invitation_invite",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        },
    ],
    STATIC_URL="/static/",
)
django.setup()
import invitation

package = Path(invitation.__file__).parent
assert "site-packages" in package.parts, package
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
call_command("cleanupinvitation", verbosity=0)
for kind, find in (("templates", get_template), ("static", finders.find)):
    folder = package / kind
    for file in folder.rglob("*.*"):
        assert find(file.relative_to(folder).as_posix()), file
assert (package / "py.typed").is_file()
print("django-invitation", invitation.__version__, "runs on Django", django.get_version())
"""


def stop_if(problems: Iterable[str], what: str) -> None:
    """End with a message if there is any problem."""
    lines = sorted(problems)
    if lines:
        sys.exit("\n  ".join([f"{what}:", *lines]))


def repository() -> set[str]:
    """Return every file that is under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {file for file in listed.stdout.split("\0") if file and (ROOT / file).exists()}


def the_one(files: Iterable[Path], kind: str) -> Path:
    """Return the only file there should be."""
    found = list(files)
    if len(found) != 1:
        sys.exit(f"Expected one {kind}, found {len(found)}.")
    return found[0]


def check_sdist(path: Path) -> None:
    """Compare the sdist with the repository."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    stop_if(repository() - NOT_PUBLISHED - names, f"Not in {path.name}")


def check_wheel(path: Path) -> None:
    """Compare the wheel with the package."""
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    package = {file for file in repository() if file.startswith("invitation/")}
    stop_if(package - names, f"Not in {path.name}")
    ours = {name for name in names if ".dist-info/" not in name}
    stop_if(ours - package, f"Should not be in {path.name}")


def check_installed(path: Path) -> None:
    """Install the wheel with its requirements alone and run a site on it."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = os.path.join(folder, "bin", "python")
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", path.resolve()],
            check=True,
        )
        script = Path(folder, "site_on_the_wheel.py")
        script.write_text(SITE, encoding="utf-8")
        if subprocess.run([python, "-W", "error", script], cwd=folder, check=False).returncode:
            sys.exit(f"{path.name} does not run.")


def main() -> None:
    """Check the distributions in the folder that the command line names."""
    folder = Path(sys.argv[1])
    check_sdist(the_one(folder.glob("*.tar.gz"), "sdist"))
    wheel = the_one(folder.glob("*.whl"), "wheel")
    check_wheel(wheel)
    check_installed(wheel)


if __name__ == "__main__":
    main()
