"""What stands outside of the code agrees with it: versions, extras, workflows and the Makefile."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import rgbx
from rgbx.errors import MissingToolError

ROOT = Path(__file__).parent.parent
OURS = {"rgbx", "rgbx_render", "rgbx_line", "rgbx_proving"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
PYTHONS = {
    name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.fullmatch(r"Programming .* :: \d\.\d+", name)
}


def steps() -> Iterator[tuple[str, dict]]:
    for name, workflow in WORKFLOWS.items():
        for job in workflow["jobs"].values():
            yield from ((name, step) for step in job["steps"])


def commands() -> Iterator[tuple[str, str]]:
    yield "ci", (ROOT / ".ci/run").read_text()
    yield from ((name, step["run"]) for name, step in steps() if "run" in step)


def matrices(name: str) -> Iterator[dict]:
    yield from (job["strategy"]["matrix"] for job in WORKFLOWS[name]["jobs"].values() if "strategy" in job)


def test_one_version_everywhere() -> None:
    version = PROJECT["version"]
    assert rgbx.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.search(r"^## (.+) — \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version


def test_workflows_call_what_is_there() -> None:
    called = {target for _, command in commands() for target in re.findall(r"^make ([\w-]+)", command, re.MULTILINE)}
    assert called <= TARGETS
    assert {"check", "test", "test-all", "docs"} <= called
    scripts = {path for _, command in commands() for path in re.findall(r"\b(?:tests|scripts)/[\w/.-]+", command)}
    assert scripts
    assert [path for path in scripts if not (ROOT / path).exists()] == []


def test_every_python_that_is_promised_is_tested() -> None:
    pythons = {entry["python-version"] for matrix in matrices("ci") for entry in matrix.get("include", [])}
    assert pythons == PYTHONS
    assert min(PYTHONS) == PROJECT["requires-python"].removeprefix(">=")
    wanted = {step["with"]["python-version"] for _, step in steps() if "setup-python" in step.get("uses", "")}
    assert {version for version in wanted if "matrix" not in version} <= PYTHONS


def test_the_line_is_tested_on_every_system_that_is_promised() -> None:
    systems = {system for matrix in matrices("ci") for system in matrix.get("os", [])}
    assert systems == {"ubuntu-latest", "windows-latest", "macos-latest"}
    promised = {name.split(" :: ")[-1] for name in PROJECT["classifiers"] if name.startswith("Operating System")}
    assert promised == {"Linux", "Windows", "MacOS"}


def test_blender_is_left_out_where_it_cannot_be() -> None:
    for matrix in matrices("ci"):
        for entry in matrix.get("include", []):
            assert ("without-blender" in entry) == (entry["python-version"] != "3.11")


def test_publishing_needs_no_secret() -> None:
    publish = WORKFLOWS["publish"]["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"]
    assert "secrets" not in (ROOT / ".github/workflows/publish.yml").read_text()


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_ask_for_something(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    if form.stem != "config":
        assert {"name", "description", "body"} <= set(content)
        assert any(part.get("validations", {}).get("required") for part in content["body"])


@pytest.mark.parametrize(
    "program",
    [path for place in ("benchmarks", "scripts", "docs/pictures") for path in sorted((ROOT / place).glob("*.py"))],
    ids=lambda path: path.stem,
)
def test_programs_beside_the_package_ask_it_for_what_it_has(program: Path) -> None:
    """Benchmarks and the like are run by hand, now and then: what they import must not vanish in the meantime."""
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            try:
                module = importlib.import_module(node.module)
            except MissingToolError:
                continue
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert [name for name in missing if not (Path(module.__file__).parent / f"{name}.py").exists()] == []


def test_every_extra_is_part_of_the_developers() -> None:
    extras = PROJECT["optional-dependencies"]
    inside: set[str] = {"dev"}
    while True:
        named = {
            each
            for extra in inside
            for requirement in extras[extra]
            for each in re.findall(r"[\w-]+", "".join(re.findall(r"^rgbx\[(.+)\]", requirement)))
        }
        if named <= inside:
            break
        inside |= named
    assert inside == set(extras) - {"vtk", "peers"}
