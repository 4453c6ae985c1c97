"""Pages that a tired reader can skim: short paragraphs, short lines."""

import re
from itertools import pairwise

import pytest

from docs_pages import DOCS, ROOT, is_item, notebooks, pages, paragraphs

LONGEST_PARAGRAPH, LONGEST_LINE, README_LINES = 5, 120, 90

every_page = pytest.mark.parametrize("page", [*pages(), *notebooks()], ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_no_paragraph_is_long(page):
    long = [f"{page.name}:{start}" for start, lines in paragraphs(page) if len(lines) > LONGEST_PARAGRAPH]
    assert not long, f"split these, or make a list or a table of them: {long}"


@every_page
def test_no_line_of_prose_is_long(page):
    """Where a link leads does not count."""
    long = [
        f"{page.name}:{start + offset}"
        for start, lines in paragraphs(page)
        for offset, line in enumerate(lines)
        if len(re.sub(r"\]\([^)]*\)", "]", line)) > LONGEST_LINE
    ]
    assert not long, f"wrap these: {long}"


@every_page
def test_lists_stand_alone(page):
    """The site's Markdown takes a list for prose that has no empty line before it."""
    glued = [
        f"{page.name}:{second}"
        for (first, prose), (second, item) in pairwise(paragraphs(page))
        if first + len(prose) == second and is_item(item[0]) and not is_item(prose[0])
    ]
    assert not glued, f"put an empty line before these lists: {glued}"


def test_the_readme_fits_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_pages_are_found_and_taken_apart(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\none\ntwo\n- item\n  more\n\n| table |\n```console\nnot prose\n```\nlast\n")
    assert [(start, len(lines)) for start, lines in paragraphs(page)] == [(3, 2), (5, 2), (12, 1)]
    assert len(pages()) > 20
    assert not any(page.name == "table1.md" for page in pages())
    assert DOCS / "results" / "README.md" in pages()
