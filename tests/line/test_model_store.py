"""Models by number: whole, sealed, and each once."""

import json
from pathlib import Path

import pytest

from rgbx.errors import InputError, RgbxError
from rgbx_line.models import ModelStore
from tiny_bundle import write_untrained_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained_bundle(tmp_path_factory.mktemp("bundle") / "fused", "two_convolutions", 1)


def copied(bundle: Path, folder: Path, seal: str) -> Path:
    folder.mkdir()
    for path in bundle.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "SHA256SUMS").write_text((bundle / "SHA256SUMS").read_text() + seal)
    return folder


def test_roles_follow_what_people_do(tmp_path, bundle):
    store = ModelStore(tmp_path / "models")
    first = store.add(bundle, "Ada")
    other = store.add(copied(bundle, tmp_path / "other", "\n"), "Ada")
    assert (first.number, first.name, other.number) == (1, "fused", 2)
    store.activate(1)
    store.shadow(2)
    assert [store.role(number) for number in (1, 2)] == ["active", "candidate"]
    store.activate(2)
    assert [store.role(number) for number in (1, 2)] == ["previous", "active"]
    again = ModelStore(tmp_path / "models")
    assert (again.active, again.previous, again.candidate) == (2, 1, None)


def test_the_copy_is_the_bundle(tmp_path, bundle):
    store = ModelStore(tmp_path / "models")
    store.add(bundle, "Ada")
    copy = store.bundle(1)
    assert {path.name for path in copy.iterdir()} == {path.name for path in bundle.iterdir() if path.is_file()}
    assert (copy / "weights.safetensors").read_bytes() == (bundle / "weights.safetensors").read_bytes()


def test_a_bundle_is_added_once(tmp_path, bundle):
    store = ModelStore(tmp_path / "models")
    store.add(bundle, "Ada")
    with pytest.raises(RgbxError, match="in the store already, as model 1"):
        store.add(bundle, "Grace")


def test_a_changed_bundle_is_refused_and_leaves_nothing(tmp_path, bundle):
    changed = copied(bundle, tmp_path / "changed", "")
    (changed / "weights.safetensors").write_bytes(b"others")
    with pytest.raises(InputError, match="was changed"):
        ModelStore(tmp_path / "models").add(changed, "Ada")
    assert not list((tmp_path / "models").glob("*"))


def test_a_bundle_that_names_files_elsewhere_is_refused(tmp_path, bundle):
    (tmp_path / "secret").write_bytes(b"")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    evil = copied(bundle, tmp_path / "evil", f"{digest}  ../secret\n")
    with pytest.raises(InputError, match="none of the bundle's"):
        ModelStore(tmp_path / "models").add(evil, "Ada")


def test_a_number_that_is_none_is_refused(tmp_path):
    with pytest.raises(RgbxError, match=r"there is no model 7.*\(none\)"):
        ModelStore(tmp_path / "models").bundle(7)


def test_a_damaged_list_is_refused(tmp_path):
    (tmp_path / "models.json").write_text(json.dumps({"models": 3}))
    with pytest.raises(InputError, match="restore it"):
        ModelStore(tmp_path)
