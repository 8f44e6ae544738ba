"""Check the rules of the architecture that import-linter cannot see.

Those that it can see are in pyproject.toml.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import django
import pytest

from invitation import apps

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invitation"

#: Hosts of registration: only their own backend may import them.
HOSTS = {"registration", "allauth", "django_registration", "anymail", "dj_rest_auth"}
OUR_SETTINGS = re.compile(r"^(INVITATION|INVITE|ACCOUNT_INVITATION|LAZYSIGNUP)S?_")
BELOW_HTTP = ("flows", "delivery", "models", "keys", "addresses", "exceptions")
#: Know requests, and are imported by nothing below the gate: see pyproject.toml.
#: The site may be found by the host that was asked for.
ABOVE_HTTP = {PACKAGE / "keys" / x for x in ("masking.py", "masked_errors.py", "sites.py")}
LONGEST_MODULE = 400
#: Apps that a site need not have. Each is one folder with modules of its own, and needs no trunk.
OPTIONAL_APPS = {"lazysignup"}


def modules(*below: str) -> list[Path]:
    """Return the package's modules, or those of some of its rooms."""
    rooms = [PACKAGE / room for room in below] or [PACKAGE]
    found = [file for room in rooms for file in room.rglob("*.py")]
    found += [file for room in rooms if (file := room.with_suffix(".py")).exists()]
    return sorted(file for file in found if "migrations" not in file.parts)


def app_of(file: Path) -> str:
    """Return the optional app that a module belongs to; the trunk is an empty text."""
    first = file.relative_to(PACKAGE).parts[0]
    return first if first in OPTIONAL_APPS else ""


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), filename=str(file))


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def broken(
    rule: Callable[[ast.Module], Iterable[str]], files: Iterable[Path]
) -> dict[str, list[str]]:
    """Return what breaks a rule, by module."""
    found = {name(file): list(rule(parse(file))) for file in files}
    return {module: offences for module, offences in found.items() if offences}


# Who may know what


def settings_read(tree: ast.Module) -> Iterator[str]:
    """Yield what is read from Django: ``settings.X`` and ``getattr(settings, "X")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "settings":
                yield node.attr
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            called, thing, setting = (ast.unparse(x) for x in (node.func, *node.args[:2]))
            if called in ("getattr", "hasattr") and thing == "settings":
                # A name that only the run knows may be one of ours.
                yield setting.strip("'") if setting.startswith("'") else "INVITATION_?"


@pytest.mark.parametrize(
    "source",
    [
        "settings.INVITE_MODE",
        "settings.INVITATIONS_PER_USER",
        "getattr(settings, 'ACCOUNT_INVITATION_DAYS', 7)",
        "hasattr(settings, 'INVITATION_DELIVERY')",
        "getattr(settings, name)",
    ],
)
def test_a_read_of_our_settings_is_seen(source: str) -> None:
    assert any(OUR_SETTINGS.match(setting) for setting in settings_read(ast.parse(source)))


def test_only_conf_reads_our_settings() -> None:
    confs = {PACKAGE / app / "conf.py" for app in ("", *OPTIONAL_APPS)}
    others = [file for file in modules() if file not in confs]
    assert broken(lambda tree: filter(OUR_SETTINGS.match, settings_read(tree)), others) == {}


def test_only_a_backend_imports_its_host() -> None:
    # What guests have to do with a host does not need the trunk, so its backends neither.
    free = {PACKAGE / "backends", PACKAGE / "lazysignup" / "apps.py"}
    others = [file for file in modules() if free.isdisjoint({file, *file.parents})]
    assert broken(lambda tree: (x for x in imports(tree) if x.split(".")[0] in HOSTS), others) == {}


def test_only_its_own_module_imports_what_runs_a_worker() -> None:
    workers = {"celery", "kombu", "django_tasks", "django_tasks_db"}
    others = [file for file in modules() if PACKAGE / "delivery" / "workers" not in file.parents]
    found = broken(
        lambda tree: (
            x for x in imports(tree) if x.split(".")[0] in workers or x.startswith("django.tasks")
        ),
        others,
    )
    assert found == {}


def test_only_delivery_builds_mail() -> None:
    # An optional app also works where the trunk, and so its outbox, is not installed. A site's
    # tests read what Django's test runner keeps.
    free = {PACKAGE / "delivery", PACKAGE / "lazysignup" / "views.py", PACKAGE / "testing"}
    others = [file for file in modules() if free.isdisjoint({file, *file.parents})]
    mail = "django.core.mail"
    assert broken(lambda tree: (x for x in imports(tree) if x.startswith(mail)), others) == {}


def cookies_set(tree: ast.Module) -> Iterator[str]:
    calls = {"set_cookie", "set_signed_cookie", "delete_cookie"}
    return (x.attr for x in ast.walk(tree) if isinstance(x, ast.Attribute) and x.attr in calls)


def test_only_visitor_sets_cookies() -> None:
    others = [file for file in modules() if file != PACKAGE / "gate" / "visitor.py"]
    assert broken(cookies_set, others) == {}


def requests_taken(tree: ast.Module) -> Iterator[str]:
    yield from (x.arg for x in ast.walk(tree) if isinstance(x, ast.arg) and x.arg == "request")
    yield from (x for x in imports(tree) if x.startswith("django.http"))


def test_no_request_goes_below_the_views() -> None:
    assert broken(requests_taken, sorted(set(modules(*BELOW_HTTP)) - ABOVE_HTTP)) == {}


# Importing does nothing


def does_something(node: ast.stmt) -> bool:
    """Tell whether a statement of a module's top level acts instead of naming something."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)  # else a docstring
    if isinstance(node, ast.If):
        return any(does_something(x) for x in [*node.body, *node.orelse])
    if isinstance(node, ast.Try):
        handlers = [x for handler in node.handlers for x in handler.body]
        return any(
            does_something(x) for x in [*node.body, *handlers, *node.orelse, *node.finalbody]
        )
    if isinstance(node, ast.FunctionDef):
        # @receiver(signal) connects; @admin.register and @register.filter are Django's idiom.
        return any("receiver" in ast.unparse(decorator) for decorator in node.decorator_list)
    names = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.ClassDef,
        ast.AsyncFunctionDef,
    )
    return not isinstance(node, names)


@pytest.mark.parametrize(
    "source",
    [
        "signal.connect(receiver)",
        "@receiver(post_save)\ndef handle(**kwargs): ...",
        "if DEBUG:\n    register(check)",
        "for model in models:\n    admin.site.register(model)",
        "del name",
    ],
)
def test_work_at_import_is_seen(source: str) -> None:
    assert does_something(ast.parse(source).body[0])


def test_a_module_only_names_things() -> None:
    assert broken(lambda tree: map(ast.unparse, filter(does_something, tree.body)), modules()) == {}


IMPORT_THEM_ALL = """
import importlib, sys
from pathlib import Path
import django
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

package = Path("invitation").resolve()

def ours(frame):
    return package in Path(frame.f_code.co_filename).resolve().parents

def watch(cls, method, asked_by_us):
    original = getattr(cls, method)
    def watched(*args, **kwargs):
        frames = [sys._getframe(1)]
        while frames[-1].f_back:
            frames.append(frames[-1].f_back)
        # Connecting may pass through django.dispatch.receiver; what Django connects is its affair.
        by_us = any(map(ours, frames[:2])) if asked_by_us else True
        if by_us and any(ours(frame) and frame.f_code.co_name == "<module>" for frame in frames):
            raise AssertionError(f"{cls.__name__}.{method} when a module is imported")
        return original(*args, **kwargs)
    setattr(cls, method, watched)

watch(Signal, "connect", asked_by_us=True)
watch(ModelSignal, "connect", asked_by_us=True)
watch(BaseDatabaseWrapper, "connect", asked_by_us=False)
django.setup()
importlib.import_module(settings.ROOT_URLCONF)
late = ["invitation.checks.values", "invitation.delivery.email", "invitation.delivery.celery"]
late += ["invitation.admin.lineage", "invitation.addresses.recipients"]
late += ["invitation.addresses.people", "invitation.addresses.headings"]
if settings.SETTINGS_MODULE == "tests.settings":  # what a host imports is its affair
    late += ["email_validator", "dns", "idna", "segno"]
assert not (early := sys.modules.keys() & late), f"Requests rarely need {early}."
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


#: The modules that need a package which a site need not have, and that package.
OPTIONAL = {
    "invitation.delivery.workers.celery": "celery",
    "invitation.delivery.workers.tasks": "django.tasks"
    if django.VERSION >= (6, 0)
    else "django_tasks",
    "invitation.testing.pytest": "pytest",
}
#: The modules whose host is not among the apps of the tests' own site, and a site that has it.
HOST_SITES = {
    "invitation.backends.allauth": "tests.hosts.allauth.settings",
    "invitation.backends.registration5": "tests.hosts.registration5.settings",
    "invitation.backends.rest_auth": "tests.hosts.rest_auth.settings",
}
WITHOUT_THEM = """
import sys
sys.modules |= dict.fromkeys(["celery", "kombu", "django_tasks", "django_tasks_db", "pytest"])
"""


def module_names() -> list[str]:
    names = [name(file)[: -len(".py")].replace("/", ".") for file in modules()]
    return [x.removesuffix(".__init__") for x in names]


def import_them(names: list[str], *, program: str = "", site: str = "tests.settings") -> str:
    """Return the errors of a process that imports these modules on a site."""
    run = subprocess.run(
        [sys.executable, "-c", program + IMPORT_THEM_ALL, *names],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": site},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stderr if run.returncode else ""


@pytest.mark.parametrize(
    "alone", [None, *(pytest.param(a, marks=pytest.mark.long) for a in OPTIONAL)]
)
def test_importing_the_modules_neither_connects_nor_queries(alone: str | None) -> None:
    if alone is None:
        left_out = (*OPTIONAL, *HOST_SITES)
        names = [x for x in module_names() if not x.startswith(left_out)]
        assert import_them(names, program=WITHOUT_THEM) == ""
    else:
        pytest.importorskip(OPTIONAL[alone], reason=f"{alone} needs {OPTIONAL[alone]}")
        assert import_them([alone]) == ""


@pytest.mark.parametrize("host", HOST_SITES)
def test_importing_the_modules_of_a_host_neither_connects_nor_queries(host: str) -> None:
    if host.endswith("registration5"):
        pytest.importorskip("django_registration", reason="tox -e registration5 has it")
    names = [x for x in module_names() if x.startswith(host)]
    assert names
    assert import_them(names, site=HOST_SITES[host]) == ""


# Modules


def test_every_module_has_a_noun_for_a_name() -> None:
    no_room = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [name(file) for file in modules() if file.stem in no_room] == []


def test_no_module_is_too_long() -> None:
    lengths = {name(file): len(file.read_text("utf-8").splitlines()) for file in modules()}
    assert {module: length for module, length in lengths.items() if length > LONGEST_MODULE} == {}


# Rooms

#: What ``ls`` shows of the package. Optional apps stand beside the trunk and are not counted.
ENTRIES_MAX = 26
ROOMS = [
    "lists",
    "sharing",
    "arriving",
    "inviting",
    "privacy",
    "upkeep",
    "mail",
    "quota",
    "after_commit",
]
SHORTEST_MODULE = 40
#: Why a module is short, by its name; a folder of Django's or a URLconf is as long as it is.
SHORT = {
    "addresses/networks.py": "needed by the gate and by guests, who may have no gate",
    "management/named_members.py": "two commands look members up by name",
    "lazysignup/backends.py": "a name of the app's predecessor, for settings that still list it",
    "lazysignup/middleware.py": "named in a site's settings",
    "lazysignup/management/commands/delete_expired_users.py": "a second name of a command",
    "lazysignup/management/commands/remove_expired_users.py": "a command is as long as it is",
    "lazysignup/templatetags/guest_user.py": "a second name of a library",
    "lazysignup/templatetags/lazysignup_tags.py": "a library of one filter",
    "backends/allauth/headless_passkeys.py": "imports an app of allauth that a site need not have",
    "backends/allauth/headless_social.py": "imports an app of allauth that a site need not have",
    "backends/allauth/headless_urls.py": "a URLconf",
    "backends/allauth/social_views.py": "imports an app of allauth that a site need not have",
    "backends/default/views.py": "a workflow of redux that adds one word to it",
    "backends/proofs.py": "named in a site's settings",
    "backends/registration5/one_step/views.py": "a workflow of the host that adds one word to it",
    "backends/simple/views.py": "a workflow of redux that adds one word to it",
    "delivery/dummy.py": "a delivery of its own, named in settings",
    "delivery/outbox.py": "a delivery of its own, named in settings",
    "delivery/senders.py": "one question, which checks and a delivery ask",
    "delivery/workers/celery.py": "imports a package that need not be installed",
    "delivery/workers/tasks.py": "imports a package that need not be installed",
    "flows/inviting/languages.py": "needed by lists, too, and about nothing else",
    "flows/mail/timing.py": "holds what a process remembers, which nothing else should touch",
    "flows/arriving/disowning.py": "needed by one page, and about nothing else",
    "gate/protecting.py": "needed by every page of the gate, and imports nothing of it",
    "keys/qr.py": "imports a package that need not be installed",
    "models/managers/proofs.py": "the manager of one model",
    "models/managers/writer.py": "what all other managers inherit",
    "views/asking.py": "needed by the pages of both kinds of invitations",
    "models/moments.py": "one question, which rows and verbs ask",
    "testing/pytest.py": "imports a package that need not be installed",
}
#: Names of several modules that are about the same thing, seen from several layers.
ONE_MEANING = {
    "accepting",
    "unsubscribing",
    "account_mails",
    "base",
    "celery",
    "forgetting",
    "groups",
    "invitations",
    "inviting",
    "limits",
    "lists",
    "mails",
    "managing",
    "opening",
    "outcomes",
    "previewing",
    "proofs",
    "quotas",
    "renewing",
    "retries",
    "sharing",
    "suppressions",
    "tasks",
    "unsubscribe",
    "urls",
    "views",
}
#: Names that Django, or this project, has for a module of each app.
DJANGOS_NAMES = {"apps", "conf", "exceptions", "forms", "signals"}


def entries(folder: Path) -> list[str]:
    hidden = {"__pycache__", *OPTIONAL_APPS}
    return sorted(x.name for x in folder.iterdir() if x.name not in hidden and x.name[0] != ".")


def test_every_entry_counts(tmp_path: Path) -> None:
    for made in ("one.py", "py.typed"):
        (tmp_path / made).touch()
    for made in ("room", "__pycache__"):
        (tmp_path / made).mkdir()
    assert entries(tmp_path) == ["one.py", "py.typed", "room"]


def test_the_top_level_can_be_read_at_one_glance() -> None:
    assert len(entries(PACKAGE)) <= ENTRIES_MAX, entries(PACKAGE)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def not_its_own(tree: ast.Module, room: str) -> Iterator[str]:
    """Yield what a room's ``__init__`` does besides handing on what its modules define."""
    own = f"invitation.flows.{room}."
    named: set[str] = set()
    handed_on: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(own):
            named |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            handed_on |= set(ast.literal_eval(node.value))
        elif not is_docstring(node):
            yield ast.unparse(node)
    yield from sorted(named ^ handed_on)


@pytest.mark.parametrize(
    "source",
    [
        "from invitation.flows.mail import queue\n__all__ = ['queue']",
        "from invitation.flows.quota.spending import spend",
        "__all__ = ['spend']",
        "import re",
        "def spend(): ...",
        "GRANT_MAX = 1",
    ],
)
def test_what_a_room_should_not_hand_on_is_seen(source: str) -> None:
    assert list(not_its_own(ast.parse(source), "quota"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_hands_on_its_own_verbs_and_nothing_else(room: str) -> None:
    assert list(not_its_own(parse(PACKAGE / "flows" / room / "__init__.py"), room)) == []


def test_there_is_no_flat_list_of_verbs() -> None:
    assert all(map(is_docstring, parse(PACKAGE / "flows" / "__init__.py").body))
    assert [x.name for x in (PACKAGE / "flows").glob("*.py")] == ["__init__.py"]


def room_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the rooms that a module imports from, and what it names there."""
    for imported in imports(tree):
        parts = imported.split(".")
        if parts[:2] == ["invitation", "flows"] and len(parts) > 2 and parts[2] in ROOMS:
            yield parts[2], ".".join(parts[3:])


def upwards(tree: ast.Module, room: str) -> Iterator[str]:
    """Yield the rooms above this one that a module of it imports."""
    above = ROOMS[: ROOMS.index(room)]
    return (other for other, _name in room_imports(tree) if other in above)


@pytest.mark.parametrize(
    "source",
    [
        "from invitation.flows import mail",
        "from invitation.flows.mail import queue",
        "def grant():\n    from invitation.flows.upkeep.cleanup import expire",
    ],
)
def test_an_import_from_a_room_above_is_seen(source: str) -> None:
    assert list(upwards(ast.parse(source), "quota"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    assert broken(lambda tree: upwards(tree, room), modules(f"flows/{room}")) == {}


def test_import_linter_knows_the_same_rooms() -> None:
    assert sorted(
        x.name
        for x in (PACKAGE / "flows").iterdir()
        if x.suffix != ".py" and x.name != "__pycache__"
    ) == sorted(ROOMS)
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    contract = text.split('"A room imports only rooms below it"')[1].split("[[")[0]
    assert re.findall(r'^    "(\w+)",$', contract, re.MULTILINE) == ROOMS


def past_the_door(tree: ast.Module, own: str = "") -> Iterator[str]:
    """Yield what is imported from a module of another room instead of from the room."""
    folders = {room: {x.stem for x in (PACKAGE / "flows" / room).glob("*.py")} for room in ROOMS}
    for room, name in room_imports(tree):
        if room != own and name.split(".")[0] in folders[room]:
            yield f"{room}.{name}"


@pytest.mark.parametrize(
    "source",
    [
        "from invitation.flows.quota.spending import spend",
        "from invitation.flows.quota import spending",
        "import invitation.flows.quota.spending",
    ],
)
def test_an_import_past_the_door_of_a_room_is_seen(source: str) -> None:
    assert list(past_the_door(ast.parse(source)))


def test_nobody_imports_the_modules_of_another_room() -> None:
    for room in ROOMS:
        files = modules(f"flows/{room}")
        assert broken(lambda tree, own=room: past_the_door(tree, own), files) == {}
    others = [file for file in modules() if PACKAGE / "flows" not in file.parents]
    assert broken(past_the_door, others) == {}


def test_ready_connects_every_receiver() -> None:
    receiving = {
        name(file)[: -len(".py")].replace("/", ".")
        for file in modules()
        if app_of(file) == ""  # an optional app connects its own
        and any(isinstance(x, ast.FunctionDef) and x.name == "connect" for x in parse(file).body)
    }
    assert sorted(apps.RECEIVERS) == sorted(receiving)


def test_a_short_module_has_a_reason() -> None:
    free = {"__init__.py", "urls.py", "apps.py", "signals.py", "exceptions.py"}
    lengths = {
        file.relative_to(PACKAGE).as_posix(): len(file.read_text("utf-8").splitlines())
        for file in modules()
        if file.name not in free
    }
    short = {module for module, length in lengths.items() if length < SHORTEST_MODULE}
    assert short <= set(SHORT)


def test_one_name_has_one_meaning() -> None:
    found: dict[str, set[str]] = {}
    for file in modules():
        if app_of(file) and file.stem in DJANGOS_NAMES:
            continue
        if file.name != "__init__.py":
            found.setdefault(file.stem, set()).add(name(file))
        elif PACKAGE / "flows" in file.parents and file.parent != PACKAGE / "flows":
            found.setdefault(file.parent.name, set()).add(name(file))
    several = {word for word, files in found.items() if len(files) > 1}
    assert several <= ONE_MEANING


# Pages

TEMPLATES = sorted(
    file
    for folder in ("invitation", "example")
    for file in (ROOT / folder).rglob("templates/**/*.html")
    if "email" not in file.name  # an email has no style sheet beside it
)
STYLES = sorted(
    file
    for folder in ("invitation", "example")
    for file in (ROOT / folder).rglob("static/**/*.css")
)
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}|<!--.*?-->", re.DOTALL)
INLINE = {
    "a script in the page": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "a style sheet in the page": re.compile(r"<style", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a script as an address": re.compile(r"javascript:", re.IGNORECASE),
}
#: What a browser fetches by itself; a link that a person may follow is another matter.
FETCHED = re.compile(
    r"""(?:\s(?:src|srcset|poster|data)\s*=|<link\b[^>]*\shref\s*=|@import|url\()\s*["']?\s*(?:https?:)?//""",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "page",
    [
        "<script>x()</script>",
        "<style>b{}</style>",
        '<p class="a" style="color:red">',
        '<a href="/" onclick="x()">',
        '<a href="javascript:x()">',
    ],
)
def test_what_a_strict_content_security_policy_blocks_is_seen(page: str) -> None:
    assert any(pattern.search(page) for pattern in INLINE.values())


@pytest.mark.parametrize(
    "page",
    [
        '<img src="https://cdn.example/x.png">',
        "<script src='//cdn.example/x.js'></script>",
        '<link rel="stylesheet" href="https://cdn.example/x.css">',
        "body { background: url(https://cdn.example/x.png) }",
        '@import "https://cdn.example/x.css"',
    ],
)
def test_an_asset_from_elsewhere_is_seen(page: str) -> None:
    assert FETCHED.search(page)


@pytest.mark.parametrize("file", TEMPLATES, ids=name)
def test_a_page_works_under_a_strict_content_security_policy(file: Path) -> None:
    page = COMMENT.sub("", file.read_text("utf-8"))
    assert [what for what, pattern in INLINE.items() if pattern.search(page)] == []


@pytest.mark.parametrize(
    "file",
    [*TEMPLATES, *STYLES],
    ids=name,
)
def test_a_page_fetches_nothing_from_elsewhere(file: Path) -> None:
    text = COMMENT.sub("", file.read_text("utf-8"))
    assert FETCHED.findall(text) == []
