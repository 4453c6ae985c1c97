"""The models of a line: sealed bundles by number; one is active, one was before, and one may be a candidate."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rgbx.config import Config, build_record
from rgbx.errors import RgbxError
from rgbx.files import atomic_folder, read_json, write_json
from rgbx.models.header import read_bundle_header
from rgbx.models.seal import SUMS, sealed_names
from rgbx_line.contract import LARGEST_WORD

ModelRole = Literal["active", "previous", "candidate", "stored"]
"""``candidate``: sees every part, and its answers are logged and never sent. ``previous``: stays loaded, to go back to.
"""


class StoredModel(Config):
    """A bundle in the store."""

    number: int
    """``ModelNumber``; no two bundles of a line share one."""
    name: str
    """Of the folder that it came from."""
    weights_sha256: str
    added: datetime
    who: str
    """Added it."""


class _Stored(Config):
    format: int = 1
    models: tuple[StoredModel, ...] = ()
    active: int | None = None
    previous: int | None = None
    candidate: int | None = None


class ModelStore:
    """The folder that holds them; the inference process alone changes it.

    Args:
        folder: of the store; made when something is added.

    Raises:
        InputError: its list is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / "models.json"
        self._stored = _Stored()
        if self._list.exists():
            remedy = "restore it from a backup"
            self._stored = build_record(_Stored, read_json(self._list), self._list, remedy)

    @property
    def active(self) -> int | None:
        """Number of the model that answers."""
        return self._stored.active

    @property
    def previous(self) -> int | None:
        """Number of the one that answered before."""
        return self._stored.previous

    @property
    def candidate(self) -> int | None:
        """Number of the one that shadows the active one."""
        return self._stored.candidate

    def models(self) -> dict[int, StoredModel]:
        """Return all of them by number."""
        return {model.number: model for model in self._stored.models}

    def role(self, number: int) -> ModelRole:
        """Return what a model does."""
        if number == self.active:
            return "active"
        if number == self.candidate:
            return "candidate"
        return "previous" if number == self.previous else "stored"

    def bundle(self, number: int) -> Path:
        """Return the folder of a model.

        Raises:
            RgbxError: there is none of this number.
        """
        if number not in self.models():
            known = ", ".join(map(str, self.models())) or "none"
            raise RgbxError(f"there is no model {number}: choose one of those in the store ({known}).")
        return self._folder / f"{number:05d}"

    def add(self, bundle: Path, who: str) -> StoredModel:
        """Copy the sealed files of a bundle into the store.

        Raises:
            RgbxError: it is no bundle, was changed, or has been added already.
        """
        header = read_bundle_header(bundle)
        same = [model.number for model in self._stored.models if _same(self.bundle(model.number), bundle)]
        if same:
            raise RgbxError(f"{bundle} is in the store already, as model {same[0]}.")
        number = max(self.models(), default=0) + 1
        if number > LARGEST_WORD:
            raise RgbxError(f"the store has numbered {LARGEST_WORD} models: begin another line folder.")
        with atomic_folder(self._folder / f"{number:05d}") as copy:
            for name in [*sealed_names(bundle), SUMS]:
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle / name, copy / name)
        model = StoredModel(
            number=number,
            name=bundle.resolve().name,
            weights_sha256=header.weights_sha256,
            added=datetime.now(UTC),
            who=who,
        )
        self._keep(self._stored.updated({"models": (*self._stored.models, model)}))
        return model

    def activate(self, number: int) -> None:
        """Make a model the active one, and that which was active the previous one."""
        candidate = None if number == self.candidate else self.candidate
        previous = self.previous if number == self.active else self.active
        self._keep(self._stored.updated({"active": number, "previous": previous, "candidate": candidate}))

    def shadow(self, number: int | None) -> None:
        """Make a model the candidate; None for no candidate."""
        self._keep(self._stored.updated({"candidate": number}))

    def _keep(self, stored: _Stored) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._list, stored.model_dump(mode="json"))
        self._stored = stored


def _same(stored: Path, bundle: Path) -> bool:
    return (stored / SUMS).read_bytes() == (bundle / SUMS).read_bytes()
