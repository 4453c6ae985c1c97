"""A recipe that is prepared over OPC UA is a model that is promoted: it has to be proven, too."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("asyncua", reason="asyncua is not installed: run 'pip install rgbx[opcua]'")

from rgbx.errors import RgbxError
from rgbx_line.contract import FaultCode, LineState
from rgbx_line.gateway.opcua.vision_recipes import Recipes
from rgbx_line.gateway.opcua.vision_types import DONE
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder, LineSettings
from tiny_bundle import write_untrained_bundle

ENGINEER: Any = SimpleNamespace(name="emil")


class Asked:
    """A link to an inference that does what it is asked for."""

    def __init__(self, store: ModelStore) -> None:
        self.state = LineState(ready=True, fault=FaultCode.NONE, model_number=1)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._store = store

    async def ask(self, do: str, **content: Any) -> dict[str, Any]:
        if do == "models":
            numbers = self._store.models()
            return {"models": [{"number": n, "role": self._store.role(n), "sha256": "00" * 32} for n in numbers]}
        self.asked.append((do, content))
        return {}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(LineFolder(tmp_path).models)
    for number in (1, 2):
        store.add(write_untrained_bundle(tmp_path / f"bundle-{number}", iterations=number), "Ada")
    store.activate(1)
    store.shadow(2)
    return store


def prepare(folder: Path, store: ModelStore, number: int, **settings: Any) -> tuple[Asked, Any]:
    link: Any = Asked(store)
    line = LineSettings.model_validate({"folder": folder, "bundle": folder, "bins": {"A": 1}, **settings})
    values: Any = SimpleNamespace(recipe=lambda number, *_: number)
    recipes = Recipes(line, link, values)
    wanted = SimpleNamespace(Id=str(number))
    return link, asyncio.run(recipes._prepare(ENGINEER, SimpleNamespace(Id=""), wanted))[-1]


def test_a_model_that_is_not_proven_is_not_prepared(tmp_path: Path, store: ModelStore) -> None:
    with pytest.raises(RgbxError, match="Model 2 may not be promoted"):
        prepare(tmp_path, store, 2)


def test_one_may_always_go_back(tmp_path: Path, store: ModelStore) -> None:
    store.activate(2)
    link, status = prepare(tmp_path, store, 1)
    assert (status, link.asked) == (DONE, [("activate", {"number": 1, "who": "emil"})])


def test_where_nothing_is_asked_a_person_decides(tmp_path: Path, store: ModelStore) -> None:
    link, status = prepare(tmp_path, store, 2, promotion=None)
    assert (status, link.asked) == (DONE, [("activate", {"number": 2, "who": "emil"})])
