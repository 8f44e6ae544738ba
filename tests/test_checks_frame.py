"""Pages in the site's own frame: a block that its base lacks is missed before anybody looks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from invitation.checks import CHECKS, frame
from tests.test_checks import ids

RECIPES = sorted((Path(__file__).parents[1] / "docs" / "theming").glob("*.html"))
OWN = '{% extends "base.html" %}{% block head %}{% block extra_head %}{% endblock %}{% endblock %}'
CARD = "{% block main %}<div>{% block content %}{% endblock %}</div>{% endblock %}"
MAIN = "{% block main %}{% endblock %}"
HEAD = "{% block head %}{% endblock %}"


@pytest.fixture
def frames(settings: Any, tmp_path: Path) -> Any:
    """Return a function that gives the site templates of its own."""

    def write(**files: str) -> list[str]:
        for number, (name, text) in enumerate(files.items()):
            file = tmp_path / str(number) / name.replace("__", "/")
            file = file.with_suffix(".html")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        folders = [tmp_path / str(number) for number in range(len(files))]
        settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": folders}]
        return ids(frame.check_frame)

    return write


def told() -> tuple[str, str]:
    [message] = frame.check_frame(None)
    return str(message.msg), str(message.hint)


def test_it_runs_with_the_others_and_says_nothing_of_our_own_frame() -> None:
    assert "check_frame" in {check.__name__ for check in CHECKS}
    assert ids(frame.check_frame) == []


def test_a_base_without_our_blocks_leaves_the_pages_blank(frames: Any) -> None:
    base = "{% block title %}{% endblock %}{% block body %}{% endblock %}"
    assert frames(invitation__base=OWN + CARD, base=base) == ["W041"]
    message, hint = told()
    assert (
        message == '"invitation/base.html" does not show the block "content". Our pages are blank.'
    )
    assert hint == 'It extends "base.html". Fill the blocks that it has: "title", "body".'


def test_what_stands_around_the_content_needs_a_block_of_the_base(frames: Any) -> None:
    """The pages fill "content" of most bases themselves, so the messages above it are lost."""
    base = f"{HEAD}<main>{{% block content %}}{{% endblock %}}</main>"
    assert frames(invitation__base=OWN + CARD, base=base) == ["W041"]
    message, hint = told()
    assert message.startswith('"invitation/base.html" fills the block "main", which no template')
    assert hint == 'Put "{% block main %}" around "{% block content %}" in "base.html".'
    wrapped = HEAD + "{% block main %}{% block content %}{% endblock %}{% endblock %}"
    assert frames(invitation__base=OWN + CARD, base=wrapped) == []
    assert frames(invitation__base=OWN + CARD + "{% block foot %}x{% endblock %}", base=wrapped)
    assert "Fill the blocks that it has" in told()[1]


def test_a_base_without_blocks_is_told_so(frames: Any) -> None:
    assert frames(invitation__base=OWN + CARD, base="<main></main>") == ["W041"]
    assert "which has no blocks" in told()[1]


def test_a_frame_without_the_block_is_told_to_add_it(frames: Any) -> None:
    assert frames(invitation__base="<main></main>") == ["W041"]
    assert told()[1] == 'Add "{% block content %}{% endblock %}" to it.'


def test_a_base_without_a_head_leaves_them_bare(frames: Any) -> None:
    assert frames(invitation__base=OWN + CARD, base=MAIN) == ["W041"]
    assert '"extra_head"' in told()[0]


@pytest.mark.parametrize(
    "base",
    [
        HEAD + MAIN,
        HEAD + "{% if user %}" + MAIN + "{% endif %}",
        HEAD + "{% block body %}" + MAIN + "{% endblock %}",
    ],
)
def test_a_base_that_shows_them_is_fine(frames: Any, base: str) -> None:
    assert frames(invitation__base=OWN + CARD, base=base) == []


def test_a_frame_may_do_without_the_head(frames: Any) -> None:
    assert frames(invitation__base='{% extends "base.html" %}' + CARD, base=MAIN) == []


@pytest.mark.parametrize(("kept", "found"), [("{{ block.super }}", []), ("Hello", ["W041"])])
def test_a_block_that_is_replaced_hides_what_is_in_it(
    frames: Any, kept: str, found: list[str]
) -> None:
    own = '{% extends "base.html" %}{% block body %}' + kept + "{% endblock %}"
    base = "{% block body %}{% block content %}{% endblock %}{% endblock %}"
    assert frames(invitation__base=own, base=base) == found


def test_blocks_within_each_other_are_looked_at_once(frames: Any) -> None:
    own = '{% extends "base.html" %}{% block a %}{% block b %}SUPER{% endblock %}{% endblock %}'
    base = "{% block b %}SUPER{% block a %}{% endblock %}{% endblock %}"
    files = {"invitation__base": own, "base": base}
    kept = {name: text.replace("SUPER", "{{ block.super }}") for name, text in files.items()}
    assert frames(**kept) == ["W041"]


def test_a_frame_may_extend_ours(frames: Any) -> None:
    own = '{% extends "invitation/base.html" %}{% block logo %}Choir{% endblock %}'
    assert frames(invitation__base=own) == []


@pytest.mark.parametrize("own", ["{% extends frame %}", "{% if %}"])
def test_what_only_a_request_or_another_check_can_tell_is_left_to_it(frames: Any, own: str) -> None:
    assert frames(invitation__base=own) == []


def test_another_template_engine_has_no_blocks_to_look_at(settings: Any) -> None:
    engine = "django.template.backends.dummy.TemplateStrings"
    folder = str(Path(frame.__file__).parents[1] / "templates")
    settings.TEMPLATES = [{"BACKEND": engine, "DIRS": [folder]}]
    assert ids(frame.check_frame) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_needs_the_blocks_that_it_names(frames: Any, recipe: Path) -> None:
    named = re.findall(r"blocks? (\w+) and (\w+)", recipe.read_text("utf-8"))
    assert named == [("head", "main")]
    assert frames(invitation__base=recipe.read_text("utf-8"), base=HEAD + MAIN) == []
    assert frames(invitation__base=recipe.read_text("utf-8"), base=HEAD) == ["W041"]
