"""The architecture holds: see `.importlinter`."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("contract", ["flow", "core", "render", "proving", "line", "acyclic"])
def test_contract_is_kept(contract, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(limit_to_contracts=(contract,), cache_dir=None) == 0


def test_scene_scripts_of_the_training_side_name_nothing_of_the_stand_in():
    """Scripts that run inside Blender are not imported, so the import contract cannot see them."""
    for source in (ROOT / "src" / "rgbx_render").rglob("*"):
        if source.suffix in {".py", ".yaml"}:
            assert "rgbx_proving" not in source.read_text(), source
            assert "conveyor" not in source.read_text(), source
