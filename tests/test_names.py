"""One word for one thing: a public name is defined in one module of the whole source and means one thing."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"

SCENE_SCRIPTS = {"arrange", "prepare"}
"""What ``photography/worker.py`` calls in the scene script it is given: every scene script defines both."""


def public_names(module: Path) -> set[str]:
    """Return the functions, classes and constants that a module defines at its top and does not call private."""
    names: set[str] = set()
    for statement in ast.parse(module.read_text()).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def defined_more_than_once(modules: list[Path]) -> dict[str, list[str]]:
    """Return the names that several modules define, with those modules."""
    definers: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for name in public_names(module):
            definers[name].append(module.relative_to(SOURCE).as_posix())
    return {name: where for name, where in definers.items() if len(where) > 1 and name not in SCENE_SCRIPTS}


def modules() -> list[Path]:
    """Return all modules but the public API's, which offers what the stops below it do, by the same names."""
    public = {*(SOURCE / "rgbx" / "api").glob("*.py"), SOURCE / "rgbx_render" / "api.py"}
    return sorted(set(SOURCE.rglob("*.py")) - public)


def test_names_are_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import os\nONE, _TWO = 1, 2\nthree: int = 3\n\ndef four():\n    inner = 1\n\nclass Five:\n    six = 6\n"
    )
    assert public_names(module) == {"ONE", "three", "four", "Five"}
    assert {name for module in modules() for name in public_names(module)} >= {"SampleSet", "render_set", "take_views"}


def test_a_public_name_is_defined_once() -> None:
    assert defined_more_than_once(modules()) == {}
