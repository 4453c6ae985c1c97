"""What is public, that it costs nothing until it is used, and that others can see its types."""

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rgbx
from lacking import preamble, run_python

ROOT = Path(__file__).parents[2]
FUNCTIONS = [name for name in rgbx.__all__ if inspect.isfunction(getattr(rgbx, name))]


def test_importing_rgbx_imports_nothing_else():
    ran = run_python("import sys; before = set(sys.modules); import rgbx; print(*sorted(set(sys.modules) - before))")
    added = {name.partition(".")[0] for name in ran.stdout.split()}
    assert added - sys.stdlib_module_names == {"rgbx"}, ran.stderr
    assert "rgbx.api" not in ran.stdout.split()


def test_every_public_name_is_there_in_the_base_install():
    ran = run_python(f"{preamble()}\nfrom rgbx import *\nimport rgbx\nprint(set(rgbx.__all__) <= set(globals()))")
    assert ran.stdout == "True\n", ran.stderr


def test_public_names_are_listed_and_others_are_not_there():
    assert set(rgbx.__all__) == set(dir(rgbx))
    assert issubclass(rgbx.ConfigError, rgbx.RgbxError)
    with pytest.raises(AttributeError, match="module 'rgbx' has no attribute 'nothing'"):
        _ = rgbx.nothing
    assert not hasattr(rgbx, "__wrapped__")


def test_type_checkers_see_the_same_names_from_the_same_places():
    stub = ast.parse((ROOT / "src/rgbx/__init__.pyi").read_text())
    seen = {alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == rgbx._HOMES


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_says_what_it_takes_gives_and_raises(name):
    function = getattr(rgbx, name)
    text = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:", "Example:"):
        assert section in text, section
    for parameter in inspect.signature(function).parameters.values():
        assert f"\n    {parameter.name}: " in text, parameter
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("package", ["rgbx", "rgbx_render", "rgbx_line", "rgbx_proving"])
def test_types_are_shipped(package):
    """Hatch puts everything of a listed package into the wheel that git does not ignore."""
    marker = ROOT / "src" / package / "py.typed"
    assert marker.read_bytes() == b""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/rgbx", "src/rgbx_render", "src/rgbx_line", "src/rgbx_proving"]}
    for shipped in (marker, ROOT / "src/rgbx/__init__.pyi"):
        ignored = subprocess.run(["git", "check-ignore", "--quiet", str(shipped)], cwd=ROOT, check=False)
        assert ignored.returncode == 1


@pytest.mark.slow
def test_mypy_sees_what_a_call_returns(tmp_path):
    code = tmp_path / "use.py"
    code.write_text(
        "import rgbx\n"
        "reveal_type(rgbx.load('model').predict().label)\n"
        "reveal_type(rgbx.radiograph([], 0.1).image)\n"
        "reveal_type(rgbx.create_stream('resnet18', classes=2))\n"
        "rgbx.load(3)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", str(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 'str"' in ran.stdout
    assert "unsignedinteger" in ran.stdout
    assert 'Revealed type is "rgbx.models.icam.ICam"' in ran.stdout
    assert 'Argument 1 to "load" has incompatible type "int"' in ran.stdout
