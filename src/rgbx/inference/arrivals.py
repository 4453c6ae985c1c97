"""Which images show one device: pairs by name or by time, in a folder as it is or in folders as they fill."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.datasets.acquisition import time_taken
from rgbx.datasets.images import is_image
from rgbx.errors import InputError
from rgbx.modality import IMAGE_SUFFIXES, MODALITIES, Modality


class Pairing(Config):
    """How a photograph and a radiograph of one device find each other."""

    by: Literal["name", "time"] = "name"
    rgb_suffix: str = "_rgb"
    """What may end a photograph's name, before ``.png`` and the like; the rest of the name is the device's."""
    xray_suffix: str = "_xray"
    window: float = Field(default=1.0, gt=0.0)
    """Seconds that the two may be apart, by time; less than half of what is between two devices."""
    offset: float = 0.0
    """Seconds from a device's photograph to its radiograph, by time."""
    wait: float = Field(default=10.0, ge=0.0)
    """Seconds that a hot folder waits for the second image before the device is answered with the first alone."""
    settle: float = Field(default=0.2, ge=0.0)
    """Seconds that a file's size and time have to stay the same until it counts as whole; 0 where files are written
    under another name, or elsewhere, and then renamed."""

    def device(self, path: Path, modality: Modality) -> str:
        """Return the name of the device that a file shows, by its own name."""
        stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
        return stem.removesuffix(self.suffix(modality)) or stem

    def suffix(self, modality: Modality) -> str:
        """Return what may end the names of a modality's images."""
        return self.rgb_suffix if modality == "rgb" else self.xray_suffix


@dataclass(frozen=True)
class Image:
    """A whole file."""

    path: Path
    modality: Modality
    device: str
    """By its name."""
    arrived: float | None = None
    """When, in seconds since 1970; None where it does not matter."""
    seen: float = 0.0
    """When it was first found to be whole."""
    taken: float = 0.0
    """When, in seconds since 1970, on the photographs' clock; only by time."""


@dataclass(frozen=True)
class Arrival:
    """The images of one device."""

    name: str
    images: Mapping[Modality, Path]
    arrived: float | None
    """When its first image did."""
    acquired: float | None
    """When its last image did."""


class PairQueue:
    """Images that wait for the other one of their device."""

    def __init__(self, pairing: Pairing, modalities: Sequence[Modality]) -> None:
        self._pairing = pairing
        self._both = len(modalities) == 2
        self._waiting: list[Image] = []

    def add(self, image: Image) -> Arrival | None:
        """Return the device that is complete with ``image``, if one is."""
        if not self._both:
            return _arrival([image])
        partners = [other for other in self._waiting if other.modality != image.modality and self._fit(other, image)]
        if not partners:
            self._waiting.append(image)
            return None
        partner = min(partners, key=lambda other: abs(other.taken - image.taken))
        self._waiting.remove(partner)
        return _arrival([partner, image])

    def overdue(self, now: float) -> list[Arrival]:
        """Give up waiting for what should have come by ``now``; return the devices of one image."""
        late = [image for image in self._waiting if now - image.seen >= self._pairing.wait]
        self._waiting = [image for image in self._waiting if image not in late]
        return [_arrival([image]) for image in late]

    def _fit(self, first: Image, second: Image) -> bool:
        if self._pairing.by == "name":
            return first.device == second.device
        return abs(first.taken - second.taken) <= self._pairing.window


class HotFolders:
    """Folders that images arrive in, one for each modality; :meth:`look` says what is new.

    Args:
        folders: where photographs, radiographs or both arrive.
        pairing: how they find each other.
        done: images that have been answered before.
        say: what tells somebody of trouble, in a sentence.

    Raises:
        InputError: a folder does not exist.
    """

    def __init__(
        self,
        folders: Mapping[Modality, Path],
        pairing: Pairing,
        done: Mapping[Modality, Iterable[Path]],
        say: Callable[[str], None],
    ) -> None:
        for folder in folders.values():
            check_folder(folder)
        self._folders = folders
        self._pairing = pairing
        self._say = say
        self._pairs = PairQueue(pairing, tuple(folders))
        self._growing: dict[Path, tuple[tuple[int, int], float]] = {}
        self._known: dict[Modality, set[str]] = {
            modality: {path.name for path in done.get(modality, ())} for modality in folders
        }
        self._answered = {
            pairing.device(path, modality) for modality in folders for path in done.get(modality, ())
        }  # by name only: a second image that comes after its device was answered
        self._unreachable: set[Path] = set()
        self._began: float | None = None

    def look(self, now: float) -> list[Arrival]:
        """Return the devices that are complete, or that have waited long enough, by ``now`` (seconds since 1970)."""
        if self._began is None:
            self._began = now
        devices = [self._pairs.add(image) for image in self._new_images(now)]
        found = [device for device in devices if device is not None] + self._pairs.overdue(now)
        if self._pairing.by == "name":
            self._answered.update(device.name for device in found)
        return found

    def _new_images(self, now: float) -> list[Image]:
        images = [
            image
            for modality, folder in self._folders.items()
            for entry in self._entries(folder)
            if entry.name not in self._known[modality] and (image := self._whole(Path(entry.path), modality, now))
        ]
        return sorted(images, key=lambda image: (image.taken, image.path.name))

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """List a folder; a network drive that is away is nothing but an empty folder until it is back."""
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            if folder not in self._unreachable:
                self._say(f"{folder} cannot be reached ({error.strerror}): waiting until it can.")
            self._unreachable.add(folder)
            return []
        self._unreachable.discard(folder)
        return found

    def _whole(self, path: Path, modality: Modality, now: float) -> Image | None:
        """Return a file once its size and time have stayed the same for long enough."""
        try:
            if not is_image(path):
                return None
            status = path.stat()
        except OSError:  # gone again
            return None
        state = (status.st_size, status.st_mtime_ns)
        before, since = self._growing.get(path, (None, now))
        if state != before:
            since = now
        self._growing[path] = (state, since)
        if now - since < self._pairing.settle:
            return None
        del self._growing[path]
        self._known[modality].add(path.name)
        device = self._pairing.device(path, modality)
        if self._pairing.by == "name" and device in self._answered:
            self._say(f"{path} came when its device had been answered: it is left out.")
            return None
        # What was there before the watch began has been waiting since it was written.
        arrived = status.st_mtime if since == self._began else since
        return _image(path, modality, self._pairing, arrived, now)


def arrivals_in(folder: Path, modalities: Sequence[Modality], pairing: Pairing) -> list[Arrival]:
    """Return the devices whose images are in a folder, by name.

    Args:
        folder: with subfolders ``rgb`` and ``xray`` (or one of them), or with images that say by the end of their name
            what they are; what says nothing is of the only modality there is.
        modalities: those of the bundle.
        pairing: how images find each other.

    Raises:
        InputError: the folder does not exist or holds no images, or an image does not say what it is.
    """
    check_folder(folder)
    pairs = PairQueue(pairing, modalities)
    images = [
        _image(path, modality, pairing, None, 0.0)
        for path, modality in _sorted_by_modality(folder, modalities, pairing)
    ]
    if not images:
        raise InputError(folder, "holds no images", f"put some into it, with one of {', '.join(IMAGE_SUFFIXES)}")
    devices = [pairs.add(image) for image in sorted(images, key=lambda image: (image.taken, image.path.name))]
    return [device for device in devices if device is not None] + pairs.overdue(pairing.wait)


def check_folder(folder: Path) -> None:
    """Refuse what is no folder."""
    if not folder.is_dir():
        raise InputError(folder, "is no folder", "give the folder that the images are in")


def _sorted_by_modality(folder: Path, modalities: Sequence[Modality], pairing: Pairing) -> list[tuple[Path, Modality]]:
    subfolders = [modality for modality in modalities if (folder / modality).is_dir()]
    if subfolders:
        return [(path, modality) for modality in subfolders for path in (folder / modality).iterdir() if is_image(path)]
    said = [(path, _modality(path, modalities, pairing)) for path in folder.iterdir() if is_image(path)]
    return [(path, modality) for path, modality in said if modality in modalities]


def _modality(path: Path, modalities: Sequence[Modality], pairing: Pairing) -> Modality:
    stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
    for modality in MODALITIES:
        if stem.endswith(pairing.suffix(modality)):
            return modality
    if len(modalities) > 1:
        ends = f"'{pairing.rgb_suffix}' and '{pairing.xray_suffix}'"
        raise InputError(
            path, f"ends in neither of {ends}", "rename it, or put images into subfolders 'rgb' and 'xray'"
        )
    return modalities[0]


def _image(path: Path, modality: Modality, pairing: Pairing, arrived: float | None, seen: float) -> Image:
    taken = 0.0
    if pairing.by == "time":
        taken = _time(path) - (pairing.offset if modality == "xray" else 0.0)
    return Image(path, modality, pairing.device(path, modality), arrived, seen, taken)


def _time(path: Path) -> float:
    """Return when an image was taken; one that cannot be read is answered as such, by the time of its file."""
    try:
        return time_taken(path).timestamp()
    except InputError:
        return path.stat().st_mtime


def _arrival(images: Sequence[Image]) -> Arrival:
    arrivals = [image.arrived for image in images if image.arrived is not None]
    return Arrival(
        images[0].device,
        {image.modality: image.path for image in images},
        min(arrivals, default=None),
        max(arrivals, default=None),
    )
