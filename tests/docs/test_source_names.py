"""Modules, names and files of the source that the pages speak of are ones that there are."""

import re
from importlib import import_module

import pytest

from docs_pages import ROOT, blocks, lines_of, notebooks, pages

FOLDERS = (ROOT, ROOT / "src", ROOT / "src/rgbx", ROOT / "src/rgbx_render", ROOT / "src/rgbx_proving", ROOT / "docs")


def found(name: str) -> bool:
    """Return whether a dotted name is a module, or something in one."""
    module, _, rest = name.partition(".")
    place = import_module(module)
    for part in filter(None, rest.split(".")):
        if not hasattr(place, part):
            try:
                import_module(f"{place.__name__}.{part}")
            except (ImportError, AttributeError):
                return False
        place = getattr(place, part)
    return True


@pytest.mark.parametrize("page", [*pages(), *notebooks()], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_speaks_of_is_there(page):
    text = "\n".join(lines_of(page))
    names = set(re.findall(r"`(rgbx(?:_proving)?(?:\.\w+)+)`", text)) - {"rgbx.NAME"}
    groups = set(re.findall(r'entry-points\."(rgbx\.\w+)"', text)) | set(re.findall(r"`(rgbx\.\w+)` \|", text))
    assert [name for name in sorted(names - groups) if not found(name)] == []
    files = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.py)`", text))
    files = {name for name in files if not any((folder / name).exists() for folder in FOLDERS)}
    assert [name for name in sorted(files) if not list((ROOT / "src").rglob(name))] == []
    scripts = set(re.findall(r"(?:python|torchrun) ((?:benchmarks|scripts|docs)/[\w/]+\.py)", text))
    assert [name for name in sorted(scripts) if not (ROOT / name).exists()] == []
    modules = {name for name in re.findall(r"python -m ([\w.]+)", text) if name.startswith("rgbx")}
    assert [name for name in sorted(modules) if not found(name)] == []


def test_a_name_that_is_not_there_is_noticed():
    assert found("rgbx.evaluation.evaluate.evaluate_bundle")
    assert not found("rgbx.evaluation.exits")
    assert [block for page in pages() for block in blocks(page)]
