"""The page Review: devices one after the other, unknown ones by the group, and what reviewers disagree about."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Query, Response

from rgbx.errors import RgbxError
from rgbx.modality import MODALITIES, Modality
from rgbx_line.review.desk import ReviewDesk
from rgbx_line.review.device import ReviewDevice
from rgbx_line.review.known import KnownByModel, KnownImage, KnownImages, KnownInFolder
from rgbx_line.review.models import StoreKnowledge
from rgbx_line.review_mix import NO_KNOWN_CLASS, PASSED_ON
from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.pictures import WebPicture, as_jpeg, picture_url
from rgbx_line.web.pages.review_api import refused_opinions, review_api
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import LineSite, SentForm, see_other

AHEAD = 4
"""Devices that a page has: the one that is looked at, and those whose images are loaded meanwhile."""
LARGEST_GROUP = 100
"""Devices of a group that are shown, and labelled, together."""
LARGE, SMALL, TINY = 720, 320, 160
"""Pixels of the longer side: of the device, of a known one, and of one in a group."""
KEEP_UP_EVERY_S = 10.0
_SECTION = "/review"
_FOR_A_WHILE = {"Cache-Control": "private, max-age=86400, immutable"}

_log = structlog.get_logger("rgbx.line.web")


class _Pictured(NamedTuple):
    """A device with the addresses of its images."""

    device: ReviewDevice
    images: dict[Modality, str]
    """The device alone and upright, as known devices are shown."""
    whole: dict[Modality, str]
    """All of each image: a device may have been found in the wrong place."""


def review_pages(site: LineSite) -> APIRouter:
    """Return the routes of the page Review, and of its interface for programs."""
    mix = site.settings.review
    knowledge = StoreKnowledge(site.folder.models)
    desk = ReviewDesk(site.folder, mix, knowledge, partial(site.ask, "review"), lambda: site.announced)
    others = None if mix.known is None else KnownInFolder(mix.known)

    @contextlib.asynccontextmanager
    async def keep_up(_: object) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_up(desk))
        yield
        task.cancel()

    router = APIRouter(lifespan=keep_up)
    router.include_router(desk_pages(site, desk, KnownByModel(knowledge.bundle, others, site.settings.flat)))
    router.include_router(review_api(desk, site.access.needs(Role.OPERATOR)))
    return router


def desk_pages(site: LineSite, desk: ReviewDesk, known: KnownImages) -> APIRouter:
    """Return the routes of the page Review.

    Args:
        site: that they are part of.
        desk: where opinions go.
        known: known devices to compare with.
    """
    router = APIRouter(prefix=_SECTION)
    reader = Annotated[SignedIn, Depends(site.needs(Role.OPERATOR))]
    change = Annotated[SentForm, Depends(site.changes(Role.OPERATOR))]

    @router.get("")
    def queue(person: reader) -> Response:
        devices = [_pictured(each, LARGE) for each in desk.next(person.name, AHEAD)]
        return _page(site, desk, person, "review.html", devices=devices, modalities=MODALITIES)

    @router.get("/devices")
    def devices(person: reader) -> Response:
        found = [_pictured(each, LARGE) for each in desk.next(person.name, AHEAD)]
        return site.fragment(person, "review-devices.html", devices=found, modalities=MODALITIES)

    @router.get("/counts")
    def counts(person: reader) -> Response:
        return site.fragment(person, "review-counts.html", counts=desk.counts(person.name), days=desk.mix.days)

    @router.get("/groups")
    def groups(person: reader, page: Annotated[int, Query(ge=0)] = 0) -> Response:
        found = desk.groups()
        group = found[page][:LARGEST_GROUP] if page < len(found) else []
        shown = [_pictured(each, TINY) for each in desk.devices(group)]
        sizes = [len(each) for each in found]
        return _page(site, desk, person, "review-groups.html", group=shown, page=page, sizes=sizes)

    @router.get("/disputed")
    def disputed(person: reader) -> Response:
        found = [(_pictured(each.device, SMALL), each.votes) for each in desk.disputed()]
        return _page(site, desk, person, "review-disputed.html", disputed=found)

    @router.get("/known/{number}/{modality}/{label}.jpg")
    async def known_image(number: int, modality: Modality, label: str, v: str, person: reader) -> Response:  # noqa: ARG001
        if label not in desk.labels():
            raise Refusal(404, "There is no such class: load the page again.")
        found = await asyncio.to_thread(_most_like, known, desk, number, label, modality)
        if found is None:
            raise Refusal(404, f"There is no known {label} to compare with.")
        picture = await site.gallery.get(f"known {v} {number} {modality} {label}", partial(_made, found, modality))
        headers = {**_FOR_A_WHILE, "X-Unit": quote(found.unit), "X-Nearest": str(found.nearest).lower()}
        return Response(picture.content, headers=headers, media_type=picture.media_type)

    @router.post("/label")
    async def label(change: change) -> Response:
        numbers = _numbers(change)
        with refused_opinions():
            await desk.label(change.person.name, numbers, change.field("label"))
        return _done(change, f"{len(numbers)} labelled." if len(numbers) > 1 else "Kept.")

    @router.post("/undo")
    async def undo(change: change) -> Response:
        taken_back = await desk.undo(change.person.name)
        return _done(change, f"{len(taken_back)} taken back." if taken_back else "There is nothing to take back.")

    return router


async def _keep_up(desk: ReviewDesk) -> None:
    """Keep requests from having much to catch up on; trouble is said once."""
    said = ""
    while True:
        trouble = ""
        try:
            await asyncio.to_thread(desk.keep_up)
        except (RgbxError, OSError) as error:
            trouble = str(error)
            if trouble != said:
                _log.error("cannot keep up with the log", problem=trouble)
        said = trouble
        await asyncio.sleep(KEEP_UP_EVERY_S)


def _page(site: LineSite, desk: ReviewDesk, person: SignedIn, template: str, **context: Any) -> Response:
    return site.page(
        person,
        template,
        _SECTION,
        labels=desk.labels(),
        unknown=NO_KNOWN_CLASS,
        skip=PASSED_ON,
        counts=desk.counts(person.name),
        days=desk.mix.days,
        **context,
    )


def _pictured(device: ReviewDevice, side: int) -> _Pictured:
    named = device.named_by.items()
    upright = {modality: picture_url(entry, modality, side, upright=True) for modality, entry in named}
    return _Pictured(device, upright, {modality: picture_url(entry, modality, side) for modality, entry in named})


def _device(desk: ReviewDesk, number: int) -> ReviewDevice:
    with refused_opinions(404):
        return desk.device(number)


def _most_like(known: KnownImages, desk: ReviewDesk, number: int, label: str, modality: Modality) -> KnownImage | None:
    device = _device(desk, number)
    while True:
        found = known.known(device.model, label, modality, device.images)
        if all(path.exists() for path in device.images.values()):
            return found
        device = _device(desk, number)  # an image was put into the archive while it was looked at


def _made(found: KnownImage, modality: Modality) -> WebPicture:
    content = as_jpeg(found.image, modality, SMALL) if isinstance(found.image, Path) else found.image
    return WebPicture(content, "image/jpeg", {})


def _numbers(change: SentForm) -> Sequence[int]:
    given = [str(each) for each in change.form.getlist("number")]
    if not 1 <= len(given) <= LARGEST_GROUP or not all(each.isascii() and each.isdecimal() for each in given):
        raise Refusal(422, f"The form names no device, or more than {LARGEST_GROUP}: load the page again.")
    return [int(each[:18]) for each in dict.fromkeys(given)]


def _done(change: SentForm, sentence: str) -> Response:
    """Return what a form's sender is told: the page's own script goes on by itself, a form is led back."""
    back = change.form.get("back")
    if back is None:
        return Response(status_code=204)
    change.person.say(sentence)
    return see_other({"groups": f"{_SECTION}/groups", "disputed": f"{_SECTION}/disputed"}.get(str(back), _SECTION))
