"""The pages of the documentation, taken apart: their prose and their fenced blocks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(\s*)```(\w*)")
_ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+")
_NOT_PROSE = re.compile(r"^\s*(#|\||<|!\[|:::|--8<--|---)")
_NOT_RUN = re.compile(r"^\s*<!-- not run: (.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None
    """The reason why no test runs it, from the comment ``<!-- not run: REASON -->`` above it."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return what people write: not the tables of results, which have a ``.json`` beside them and are generated."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
    return [page for page in found if not page.with_suffix(".json").exists()]


def notebooks() -> list[Path]:
    """Return all notebooks."""
    return sorted((DOCS / "notebooks").glob("*.ipynb"))


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page; of a notebook those of its Markdown cells."""
    if page.suffix != ".ipynb":
        return page.read_text().splitlines()
    cells = [cell["source"] for cell in json.loads(page.read_text())["cells"] if cell["cell_type"] == "markdown"]
    return [line for cell in cells for line in [*"".join(cell).splitlines(), ""]]


def is_item(line: str) -> bool:
    """Return whether a list's item begins here."""
    return _ITEM.match(line) is not None


def paragraphs(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each paragraph and list item as its lines and the number of the first of them."""
    fenced, start, current = False, 0, []
    for number, line in enumerate([*lines_of(page), ""], start=1):
        if _FENCE.match(line):
            fenced = not fenced
        prose = not fenced and line.strip() and not _NOT_PROSE.match(line) and not _FENCE.match(line)
        if current and (not prose or is_item(line)):
            yield start, current
            current = []
        if prose:
            start = start if current else number
            current.append(line)


def blocks(page: Path) -> Iterator[Block]:
    """Yield all fenced blocks of a page, in order."""
    lines = iter(enumerate(page.read_text().splitlines(), start=1))
    reason = None
    for number, line in lines:
        if comment := _NOT_RUN.match(line):
            reason = comment[1]
        elif fence := _FENCE.match(line):
            inside = []
            for _, within in lines:
                if _FENCE.match(within):
                    break
                inside.append(within.removeprefix(fence[1]))
            yield Block(page, number, fence[2], "\n".join(inside) + "\n", reason)
            reason = None
        elif line.strip():
            reason = None
