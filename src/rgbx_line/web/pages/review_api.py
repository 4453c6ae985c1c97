"""The review for programs: JSON, names and passwords as all below ``/api``."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx_line.review.desk import ReviewDesk
from rgbx_line.review.device import ReviewDevice
from rgbx_line.review.queues import MOST_HELD
from rgbx_line.web.access import Caller, Refusal


class Labelling(Config):
    """What a reviewer says of a device, or of a group at once."""

    numbers: tuple[int, ...] = Field(min_length=1, max_length=100)
    """Of results in the log."""
    label: str


def review_api(desk: ReviewDesk, operator: Callable[[Request], Awaitable[Caller]]) -> APIRouter:
    """Return its routes.

    Args:
        desk: where opinions go.
        operator: gives the person who asks, who may review.
    """
    router = APIRouter(prefix="/api/review")
    caller = Annotated[Caller, Depends(operator)]

    @router.get("/next")
    def following(person: caller, count: Annotated[int, Query(ge=1, le=MOST_HELD)] = 1) -> dict[str, Any]:
        return {"devices": [_told(device) for device in desk.next(person.name, count)], "labels": desk.labels()}

    @router.get("/groups")
    def groups(person: caller) -> dict[str, Any]:  # noqa: ARG001
        return {"groups": desk.groups()}

    @router.get("/disputed")
    def disputed(person: caller) -> dict[str, Any]:  # noqa: ARG001
        found = [
            _told(each.device) | {"votes": {vote.who: vote.label for vote in each.votes}} for each in desk.disputed()
        ]
        return {"devices": found}

    @router.get("/counts")
    def counts(person: caller) -> dict[str, Any]:
        found = desk.counts(person.name)
        return {**found._asdict(), "false_sorts": found.false_sorts._asdict()}

    @router.post("/labels")
    async def label(person: caller, labelling: Labelling) -> dict[str, Any]:
        with refused_opinions():
            await desk.label(person.name, labelling.numbers, labelling.label)
        return {}

    @router.post("/undo")
    async def undo(person: caller) -> dict[str, Any]:
        return {"numbers": await desk.undo(person.name)}

    return router


@contextmanager
def refused_opinions(status: int = 422) -> Iterator[None]:
    """Tell who asks, by a status of HTTP, that there is no such device or class."""
    try:
        yield
    except Refusal:
        raise
    except RgbxError as error:
        raise Refusal(status, str(error)) from error


def _told(device: ReviewDevice) -> dict[str, Any]:
    return {
        "number": device.number,
        "part_id": device.part,
        "time": device.time.isoformat(),
        "choices": device.choices,
        "images": {modality: str(path) for modality, path in device.images.items()},
    }
