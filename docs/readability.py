"""Words and reading grade of each page: ``python docs/readability.py``.

It exits with 1 if the pages together, a how-to guide or a sentence have too many words, or if the
tutorial or a guide reads harder than ``GRADE``. The grade is that of Flesch and Kincaid, for the
sentences of a page: code, tables and names in code are left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent

#: Most words of all pages, of one guide and of one sentence, and the hardest grade.
WORDS, GUIDE_WORDS, SENTENCE_WORDS, GRADE = 16_000, 400, 20, 9.0

_DIRECTIVE = re.compile(r"^\s*\.\. ")
_LITERAL = re.compile(r"``[^`]+``")
_ROLE = re.compile(r":\w+:`[^`]+`")
_LINK = re.compile(r"https?://\S+")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_ITEM = re.compile(r"^\s*(?:[*-]|#\.|\d\.)\s+")


class Page(NamedTuple):
    """Words and grade of one page."""

    name: str
    words: int
    grade: float
    #: Sentences that are too long.
    long: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether the page must be easy to read."""
        return self.name == "tutorial.rst" or self.is_guide

    @property
    def is_guide(self) -> bool:
        """Whether the page is a how-to guide."""
        return self.name.startswith("howto/")


def sentences(text: str) -> Iterator[str]:
    """Return the sentences of a page, without directives and their content, titles and terms."""
    for block in _blocks(text):
        for sentence in re.split(r"(?<=[.!?])\s+", block):
            if len(_WORD.findall(sentence)) > 1:
                yield sentence


def _blocks(text: str) -> Iterator[str]:
    lines, block = text.splitlines(), ""
    inside: int | None = None  # indentation of a directive whose content is left out
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        indentation = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or indentation > inside):
            continue
        inside = indentation if _DIRECTIVE.match(line) else None
        title = bool(re.fullmatch(r"[=~-]{3,}", line) or re.fullmatch(r"[=~-]{3,}", following))
        term = (
            bool(line.strip())
            and following.startswith(" " * (indentation + 1))
            and not _ITEM.match(line)
        )
        if inside is not None or title or term or not line.strip() or _ITEM.match(line):
            if block:
                yield block
            block = ""
        if inside is None and not title and not term and line.strip():
            block = f"{block} {_ITEM.sub('', line).strip()}".strip()
    if block:
        yield block


def syllables(word: str) -> int:
    """Return roughly how many syllables an English word has."""
    letters = re.sub(r"[^a-z]", "", word.lower())
    groups = len(re.findall(r"[aeiouy]+", letters))
    if re.search(r"[^aeiouyl]e$|[^aeiouytd]ed$|[^aeiouysxz]es$", letters) and groups > 1:
        groups -= 1
    return max(groups, 1)


def long_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences with more than ``SENTENCE_WORDS`` words, names in code included."""
    found = sentences(_ROLE.sub("page", text))
    return tuple(sentence for sentence in found if len(sentence.split()) > SENTENCE_WORDS)


def grade(text: str) -> float:
    """Return the grade of Flesch and Kincaid; 0 for a page without sentences."""
    plain = _LINK.sub("", _ROLE.sub("", _LITERAL.sub("", text)))
    found = [_WORD.findall(sentence) for sentence in sentences(plain)]
    words = [word for sentence in found for word in sentence]
    if not words:
        return 0.0
    per_sentence = len(words) / len(found)
    per_word = sum(syllables(word) for word in words) / len(words)
    return 0.39 * per_sentence + 11.8 * per_word - 15.59


def pages() -> list[Page]:
    """Return all pages but the changelog, with the words of prose and code."""
    files = sorted(file for file in DOCS.rglob("*.rst") if file.name != "changelog.rst")
    texts = {file.relative_to(DOCS).as_posix(): file.read_text("utf-8") for file in files}
    return [
        Page(name, len(text.split()), grade(text), long_sentences(text))
        for name, text in texts.items()
    ]


def complaints(found: list[Page]) -> Iterator[str]:
    """Return what is past a bound."""
    total = sum(page.words for page in found)
    if total > WORDS:
        yield f"All pages: {total} words, more than {WORDS}."
    for page in found:
        if page.is_guide and page.words > GUIDE_WORDS:
            yield f"{page.name}: {page.words} words, more than {GUIDE_WORDS}."
        for sentence in page.long:
            yield f"{page.name}: more than {SENTENCE_WORDS} words: {sentence}"
        if page.bounded and page.grade > GRADE:
            yield f"{page.name}: grade {page.grade:.1f}, more than {GRADE}."


def main() -> int:
    """Write the table and what is past a bound."""
    found = pages()
    for page in found:
        sys.stdout.write(f"{page.words:6}  {page.grade:5.1f}  {page.name}\n")
    sys.stdout.write(f"{sum(page.words for page in found):6}         all pages\n")
    wrong = list(complaints(found))
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
