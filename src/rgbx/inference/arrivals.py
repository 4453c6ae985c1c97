"""Which images show one device: pairs by name or by time, in a folder as it is or in folders as they fill."""

import os
import unicodedata
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.datasets.acquisition import time_taken
from rgbx.datasets.image_kind import file_kind, is_image
from rgbx.errors import InputError
from rgbx.modality import IMAGE_SUFFIXES, MODALITIES, Modality
from rgbx.names import printable, same_name

TAIL = 256
"""Bytes at the end of a file that are zeros where its writer has reserved the space, but not filled it yet."""
BAD_REMEMBERED = 100
"""How many devices with a bad image a hot folder looks at again, in case it was only half written."""
ANSWERED_REMEMBERED = 100_000
"""Names of devices answered since a hot folder was opened, so that a second image that comes later is left out."""
State = tuple[int, int]
"""Size of a file in bytes, and when it was changed, in ns."""


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
        stem, ending = _stem(path), _composed(self.suffix(modality))
        return stem[: -len(ending)] or stem if ending and _ends_with(stem, ending) else stem

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
    state: State | None = None
    """When it was taken for whole."""
    arrived: float | None = None
    """When, in seconds since 1970; None where it does not matter."""
    seen: float = 0.0
    """When it was first found to be whole."""
    taken: float = 0.0
    """When, in seconds since 1970, on the photographs' clock; only by time."""
    refused: InputError | None = None
    """Why it is not to be read."""

    @property
    def key(self) -> str:
        """What two images of one device share, by name."""
        return same_name(self.device)


@dataclass(frozen=True)
class Arrival:
    """The images of one device."""

    name: str
    images: Mapping[Modality, Path]
    arrived: float | None
    """When its first image did."""
    acquired: float | None
    """When its last image did."""
    states: Mapping[Modality, State] = field(default_factory=dict, compare=False)
    """Of the files, when they were taken for whole."""
    refused: Mapping[Modality, InputError] = field(default_factory=dict)
    """Why an image is not to be read."""

    def changed(self) -> bool:
        """Say whether a file has changed since it was taken for whole; one that is gone has not."""
        return any(_state(self.images[modality], state) != state for modality, state in self.states.items())


class PairQueue:
    """Images that wait for the other one of their device."""

    def __init__(self, pairing: Pairing, modalities: Sequence[Modality]) -> None:
        self._wait = pairing.wait
        self._both = len(modalities) == 2
        self._waiting: dict[tuple[Modality, Path], Image] = {}
        """In the order in which they were added."""
        self._index = _ByName() if pairing.by == "name" else _ByTime(pairing.window)

    def add(self, image: Image) -> Arrival | None:
        """Return the device that is complete with ``image``, if one is."""
        if not self._both:
            return _arrival([image])
        partner = self._index.partner(image)
        if partner is None:
            self._waiting[image.modality, image.path] = image
            self._index.add(image)
            return None
        self._drop(partner)
        return _arrival([partner, image])

    def twin(self, image: Image) -> Image | None:
        """Return an image that waits and is, by its name, of the same device and modality."""
        return self._index.twin(image) if isinstance(self._index, _ByName) else None

    def overdue(self, now: float) -> list[Arrival]:
        """Give up waiting for what should have come by ``now``; return the devices of one image."""
        late = list(takewhile(lambda image: now - image.seen >= self._wait, self._waiting.values()))
        for image in late:
            self._drop(image)
        return [_arrival([image]) for image in late]

    def _drop(self, image: Image) -> None:
        del self._waiting[image.modality, image.path]
        self._index.drop(image)


class _ByName:
    """Images that wait, to be found by the name of their device."""

    def __init__(self) -> None:
        self._images: dict[tuple[Modality, str], Image] = {}

    def add(self, image: Image) -> None:
        self._images[image.modality, image.key] = image

    def drop(self, image: Image) -> None:
        del self._images[image.modality, image.key]

    def partner(self, image: Image) -> Image | None:
        return self._images.get((_OTHER[image.modality], image.key))

    def twin(self, image: Image) -> Image | None:
        return self._images.get((image.modality, image.key))


class _ByTime:
    """Images that wait, to be found by when they were taken."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._images: dict[Modality, list[Image]] = {modality: [] for modality in MODALITIES}
        """Sorted."""

    def add(self, image: Image) -> None:
        insort(self._images[image.modality], image, key=_when)

    def drop(self, image: Image) -> None:
        images = self._images[image.modality]
        del images[bisect_left(images, _when(image), key=_when)]

    def partner(self, image: Image) -> Image | None:
        others = self._images[_OTHER[image.modality]]
        place = bisect_left(others, image.taken, key=lambda other: other.taken)
        beside = [other for other in others[max(0, place - 1) : place + 1] if self._apart(other, image) <= self._window]
        return min(beside, key=lambda other: self._apart(other, image), default=None)

    def _apart(self, first: Image, second: Image) -> float:
        return abs(first.taken - second.taken)


_OTHER: dict[Modality, Modality] = {"rgb": "xray", "xray": "rgb"}


def _when(image: Image) -> tuple[float, Path]:
    return image.taken, image.path


class HotFolders:
    """Folders that images arrive in, one for each modality; :meth:`look` says what is new.

    Args:
        folders: where photographs, radiographs or both arrive.
        pairing: how they find each other.
        done: images that have been answered before.
        say: what tells somebody of trouble, in a sentence.
        left_out: told each image that belongs to no device that will come, since its own has been answered or has such
            an image.

    Raises:
        InputError: a folder does not exist.
    """

    def __init__(
        self,
        folders: Mapping[Modality, Path],
        pairing: Pairing,
        done: Mapping[Modality, Iterable[Path]],
        say: Callable[[str], None],
        left_out: Callable[[Image], None] = lambda _: None,
    ) -> None:
        for folder in folders.values():
            check_folder(folder)
        self._folders = folders
        self._pairing = pairing
        self._say = lambda text: say(printable(text))
        self._left_out = left_out
        self._pairs = PairQueue(pairing, tuple(folders))
        self._growing: dict[Path, tuple[State, float]] = {}
        self._known: dict[Modality, set[str]] = {
            modality: {printable(path.name) for path in done.get(modality, ())} for modality in folders
        }
        self._answered: dict[str, None] = {}  # by name only: a second image that comes after its device was answered
        for modality in folders:
            for path in done.get(modality, ()):
                self._answered[same_name(pairing.device(path, modality))] = None
        self._kept = max(ANSWERED_REMEMBERED, len(self._answered))
        self._bad: deque[Arrival] = deque(maxlen=BAD_REMEMBERED)
        self._unreachable: set[Path] = set()
        self._began: float | None = None

    @property
    def unreachable(self) -> frozenset[Path]:
        """Folders that could not be listed when they were last looked into."""
        return frozenset(self._unreachable)

    def look(self, now: float) -> list[Arrival]:
        """Return the devices that are complete, or that have waited long enough, by ``now`` (seconds since 1970)."""
        if self._began is None:
            self._began = now
        for again in [device for device in self._bad if device.changed()]:
            self._bad.remove(again)
            self.put_back(again)
        found = []
        for image in self._new_images(now):
            device = self._pairs.add(image) if self._is_wanted(image) else None
            if device is not None:
                self._note_answered(image.key)
                found.append(device)
        overdue = self._pairs.overdue(now)
        for device in overdue:
            self._note_answered(same_name(device.name))
        return found + overdue

    def put_back(self, device: Arrival) -> None:
        """Take a device for new, since its files were not whole when they were read."""
        for modality, path in device.images.items():
            self._known[modality].discard(printable(path.name))
        self._answered.pop(same_name(device.name), None)

    def note_bad(self, device: Arrival) -> None:
        """Remember that an image of a device could not be used: when a file of it changes, it comes again."""
        self._bad.append(device)

    def _note_answered(self, key: str) -> None:
        self._answered[key] = None
        if len(self._answered) > self._kept:
            del self._answered[next(iter(self._answered))]

    def _new_images(self, now: float) -> list[Image]:
        images = []
        for modality, folder in self._folders.items():
            entries = self._entries(folder)
            if folder not in self._unreachable:
                self._forget_missing(modality, folder, entries)
            for entry in entries:
                if printable(entry.name) not in self._known[modality]:
                    try:
                        image = self._whole(Path(entry.path), modality, now)
                    except OSError:  # gone again, or the drive is
                        continue
                    if image is not None:
                        self._known[modality].add(printable(entry.name))
                        images.append(image)
        return sorted(images, key=lambda image: (image.taken, image.path.name))

    def _forget_missing(self, modality: Modality, folder: Path, entries: Iterable[os.DirEntry[str]]) -> None:
        """Forget what was taken away: a line runs for years."""
        there = {entry.name for entry in entries}
        self._known[modality] &= set(map(printable, there))
        for path in [path for path in self._growing if path.parent == folder and path.name not in there]:
            del self._growing[path]

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
        if not is_image(path):
            return None
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns)
        before, since = self._growing.get(path, (None, now))
        if state != before:
            since = now
        self._growing[path] = (state, since)
        if status.st_size == 0 or now - since < self._pairing.settle:
            return None
        # Who sets settle to 0 promises that files are whole from the first.
        unfilled = self._pairing.settle > 0 and _ends_in_zeros(path)
        if unfilled and now - since < self._pairing.wait:
            return None
        # What was there before the watch began has been waiting since it was written.
        arrived = status.st_mtime if since == self._began else since
        image = _image(path, modality, self._pairing, state, arrived, now)
        del self._growing[path]
        return replace(image, refused=_unfilled(path)) if unfilled else image

    def _is_wanted(self, image: Image) -> bool:
        """Say whether an image is, by its name, of a device that has not been answered, and has no such image yet."""
        if self._pairing.by == "time":
            return True
        if image.key in self._answered:
            self._say(f"{image.path} came when its device had been answered: it is left out.")
            self._left_out(image)
            return False
        twin = self._pairs.twin(image)
        if twin is not None:
            self._say(f"{image.path} shows the same device as {twin.path.name} by its name: it is left out.")
            self._left_out(image)
        return twin is None


def _ends_in_zeros(path: Path) -> bool:
    """Say whether a file ends in zeros, or is still held by its writer, as Windows says."""
    try:
        with path.open("rb") as content:
            content.seek(-min(TAIL, path.stat().st_size), os.SEEK_END)
            return not any(content.read())
    except PermissionError:
        return True


def _unfilled(path: Path) -> InputError | None:
    """Refuse a file that ends in zeros where these would pass for pixels; other formats have an end of their own."""
    try:
        would_pass = file_kind(path) in ("tiff", "dicom")
    except InputError:  # which is said when it is read
        return None
    if not would_pass:
        return None
    return InputError(
        path,
        "ends in zeros, as a file does that was not written to its end",
        "write it under another name and rename it when it is whole, and set settle=0",
    )


def arrivals_in(folder: Path, modalities: Sequence[Modality], pairing: Pairing) -> list[Arrival]:
    """Return the devices whose images are in a folder, by name.

    Args:
        folder: with subfolders ``rgb`` and ``xray`` (or one of them), or with images that say by the end of their name
            what they are; what says nothing is of the only modality there is.
        modalities: those of the bundle.
        pairing: how images find each other.

    Raises:
        InputError: the folder does not exist or holds no images, an image does not say what it is, or two of one
            modality show the same device.
    """
    check_folder(folder)
    pairs = PairQueue(pairing, modalities)
    images = [
        _image(path, modality, pairing, _state(path), None, 0.0)
        for path, modality in _sorted_by_modality(folder, modalities, pairing)
    ]
    if not images:
        raise InputError(folder, "holds no images", f"put some into it, with one of {', '.join(IMAGE_SUFFIXES)}")
    if len(modalities) > 1 and pairing.by == "name":
        _refuse_twins(images)
    devices = [pairs.add(image) for image in sorted(images, key=lambda image: (image.taken, image.path.name))]
    return [device for device in devices if device is not None] + pairs.overdue(pairing.wait)


def _refuse_twins(images: Sequence[Image]) -> None:
    known: dict[tuple[Modality, str], Image] = {}
    for image in sorted(images, key=lambda image: image.path.name):
        other = known.setdefault((image.modality, image.key), image)
        if other is not image:
            raise InputError(
                image.path, f"and {other.path.name} show one device by their names", "rename or remove one of them"
            )


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
    for modality in MODALITIES:
        if _ends_with(_stem(path), pairing.suffix(modality)):
            return modality
    if len(modalities) > 1:
        ends = f"'{pairing.rgb_suffix}' and '{pairing.xray_suffix}'"
        raise InputError(
            path, f"ends in neither of {ends}", "rename it, or put images into subfolders 'rgb' and 'xray'"
        )
    return modalities[0]


def _stem(path: Path) -> str:
    """Return the name of a file without the suffix of an image, in the one form (NFC) that accents are composed in."""
    stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
    return _composed(printable(stem))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _ends_with(stem: str, ending: str) -> bool:
    return same_name(stem).endswith(same_name(ending))


def _image(path: Path, modality: Modality, pairing: Pairing, state: State, arrived: float | None, seen: float) -> Image:
    taken = 0.0
    if pairing.by == "time":
        taken = _time(path) - (pairing.offset if modality == "xray" else 0.0)
    return Image(path, modality, pairing.device(path, modality), state, arrived, seen, taken)


def _state(path: Path, gone: State = (0, 0)) -> State:
    """Return what changes whenever a file does; ``gone`` where it cannot be seen."""
    try:
        status = path.stat()
    except OSError:
        return gone
    return status.st_size, status.st_mtime_ns


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
        {image.modality: image.state for image in images if image.state is not None},
        {image.modality: image.refused for image in images if image.refused},
    )
