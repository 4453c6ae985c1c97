"""Parts of an existing test line on a conveyor, their images given to a line one part after the other."""

import asyncio
import hashlib
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol

import httpx
from pydantic import Field

from rgbx.config import Config
from rgbx.errors import InputError
from rgbx.inference.arrivals import Pairing
from rgbx.modality import MODALITIES, Modality
from rgbx.samples import SampleSet

GIVE_AGAIN_S = 0.1
GARBAGE_BYTES = 5000
CREDENTIALS = "conveyor", "parts of the plant twin"
"""Name and password of the twin's own user, in the twin's own line."""
PartKind = Literal["pair", "alone", "garbage"]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Mix(Config):
    """Which share of the parts comes with trouble."""

    alone: _Share = 0.0
    """Of parts of which one image never comes."""
    garbage: _Share = 0.0
    """Of parts with an image that is none."""
    again: _Share = 0.0
    """Of parts after which images come under the name of one that was answered."""


class StockPart(NamedTuple):
    """A photograph and a radiograph of one unit."""

    label: str
    images: dict[Modality, Path]


@dataclass
class FedPart:
    """The truth of a part that was given to the line. Times are seconds of the steady clock."""

    part_id: str
    stock: int
    """Which of the test line's parts it shows."""
    label: str
    kind: PartKind
    digests: dict[Modality, str] = field(default_factory=dict)
    """SHA-256 of its images; no two parts share one."""
    first: float = 0.0
    """When its first image was there."""
    last: float = 0.0


class Entrance(Protocol):
    """Where images go in."""

    together: bool
    """Whether all images of a part are given at once."""

    async def give(self, part_id: str, images: Mapping[Modality, "Picture"]) -> float | None:
        """Give images of a part, as often as it takes.

        Returns:
            When the line had them, by the steady clock; None when it refused them for good.
        """


class Picture(NamedTuple):
    """A file's content and its suffix."""

    content: bytes
    suffix: str


class HotFolderEntrance:
    """Folders that the line watches; one that is away is waited for, as a camera does that keeps its images.

    Args:
        folders: by modality.
        pairing: how files are named.
    """

    together = False

    def __init__(self, folders: Mapping[Modality, Path], pairing: Pairing) -> None:
        self._folders = folders
        self._pairing = pairing

    async def give(self, part_id: str, images: Mapping[Modality, Picture]) -> float:
        """Write files under other names and rename them."""
        for modality, picture in images.items():
            path = self._folders[modality] / f"{part_id}{self._pairing.suffix(modality)}{picture.suffix}"
            while not await asyncio.to_thread(_put, path, picture.content):
                await asyncio.sleep(GIVE_AGAIN_S)
        return time.monotonic()


class HttpEntrance:
    """Uploads; one that fails is sent again, under the same name.

    Args:
        address: of the line, without a path.
    """

    together = True

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(base_url=address, auth=CREDENTIALS, timeout=10.0)

    async def give(self, part_id: str, images: Mapping[Modality, Picture]) -> float | None:
        """Upload images until the line has taken them, or says that they are none."""
        files = [(modality, (f"{modality}{each.suffix}", each.content)) for modality, each in images.items()]
        while True:
            sent = time.monotonic()
            with suppress(httpx.TransportError):
                answer = await self._client.post("/api/parts", data={"part_id": part_id}, files=files)
                # What was taken before the line could say so is a conflict the second time.
                if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
                    return sent
                if answer.is_client_error:
                    return None
            await asyncio.sleep(GIVE_AGAIN_S)


class Conveyor:
    """Gives parts to a line and knows what each is.

    Args:
        stock: parts of a test line, which come again and again in an order of their own.
        entrance: where their images go.
        seed: of the order, and of what comes with trouble.
        mix: how much does.
        apart_s: seconds from a part's photograph to its radiograph.
    """

    def __init__(
        self, stock: list[StockPart], entrance: Entrance, seed: int = 0, mix: Mix | None = None, apart_s: float = 0.1
    ) -> None:
        self._stock = stock
        self._entrance = entrance
        self._random = random.Random(seed)
        self._mix = mix or Mix()
        self._apart_s = apart_s
        self._order: list[int] = []
        self.parts: dict[str, FedPart] = {}
        """What was given, and not refused, by part."""
        self._count = 0
        self.again = 0
        """How often images came under a name that had been used."""

    async def next_part(self) -> None:
        """Give the next part to the line."""
        self._count += 1
        if not self._order:
            self._order = self._random.sample(range(len(self._stock)), len(self._stock))
        stock = self._order.pop()
        part = FedPart(f"P{self._count:06d}", stock, self._stock[stock].label, self._kind())
        pictures = await asyncio.to_thread(self._pictures, part)
        part.digests = {modality: hashlib.sha256(each.content).hexdigest() for modality, each in pictures.items()}
        part.first = time.monotonic()  # also known while it is being given
        self.parts[part.part_id] = part
        if not await self._give(part, pictures):
            del self.parts[part.part_id]

    async def give_again(self, part_id: str) -> None:
        """Give other images under the name of a part that was answered."""
        known = self.parts[part_id]
        other = FedPart(part_id, (known.stock + 1) % len(self._stock), known.label, "pair")
        self.again += 1
        await self._entrance.give(part_id, await asyncio.to_thread(self._pictures, other))

    def comes_again(self) -> bool:
        """Draw whether images come under a name that was used."""
        return self._random.random() < self._mix.again

    async def _give(self, part: FedPart, pictures: dict[Modality, Picture]) -> bool:
        """Give a part's images; return whether the line took them."""
        images = [pictures] if self._entrance.together else [{modality: each} for modality, each in pictures.items()]
        for number, some in enumerate(images):
            if number:
                await asyncio.sleep(self._apart_s)
            given = await self._entrance.give(part.part_id, some)
            if given is None:
                return False
            part.last = given
            if not number:
                part.first = given
        return True

    def _kind(self) -> PartKind:
        draw = self._random.random()
        if draw < self._mix.alone:
            return "alone"
        return "garbage" if draw < self._mix.alone + self._mix.garbage else "pair"

    def _pictures(self, part: FedPart) -> dict[Modality, Picture]:
        """Read a part's images. Its name stands behind their end, where no reader looks: no two parts share a file."""
        mark = f"\n{part.part_id} {self.again}".encode()
        images = self._stock[part.stock].images
        pictures = {modality: Picture(path.read_bytes() + mark, path.suffix) for modality, path in images.items()}
        if part.kind == "pair":
            return pictures
        chosen = self._random.choice(sorted(pictures))
        if part.kind == "alone":
            return {chosen: pictures[chosen]}
        return pictures | {chosen: Picture(self._random.randbytes(GARBAGE_BYTES) + mark, pictures[chosen].suffix)}


def stock_of(line: Path) -> list[StockPart]:
    """Return the pairs of a test line, as ``rgbx scan`` writes it: the n-th images of each unit belong together.

    Args:
        line: folder with the sets ``rgb`` and ``xray``.

    Raises:
        InputError: a set is missing or unfinished, or they have no unit in common.
    """
    images: dict[Modality, dict[tuple[str, str | None, int], Path]] = {modality: {} for modality in MODALITIES}
    for modality, found in images.items():
        samples = SampleSet.open(line / modality)
        count: dict[tuple[str, str | None], int] = {}
        for record in samples:
            unit = record.label, record.unit
            count[unit] = count.get(unit, 0) + 1
            found[*unit, count[unit]] = samples.path(record)
    both = [key for key in images["rgb"] if key in images["xray"]]
    if not both:
        raise InputError(line, "has no unit with a photograph and a radiograph", "make one with 'rgbx scan'")
    return [StockPart(key[0], {modality: images[modality][key] for modality in MODALITIES}) for key in both]


def _put(path: Path, content: bytes) -> bool:
    """Write a file so that nobody sees half of it; return whether its folder was there."""
    hidden = path.with_name(f".{path.name}")
    try:
        hidden.write_bytes(content)
        hidden.rename(path)
    except OSError:
        return False
    return True
