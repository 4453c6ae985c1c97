"""Images over HTTP: found by the number of the log's entry that names them, never by a path from outside."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.errors import RgbxError
from rgbx.modality import Modality
from rgbx_line.contract import said_in
from rgbx_line.log.entry import Entry
from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.entries import find_entry, image_file
from rgbx_line.web.pages.heat import HEAT_SIDE, heat_picture, shown_upright, shown_whole
from rgbx_line.web.pages.pictures import PICTURE_SIDES, VERSION_LENGTH, WebPicture, jpeg_picture, raw_radiograph
from rgbx_line.web.pages.site import LineSite

_FOR_A_WHILE = "private, max-age=86400, immutable"


def image_routes(site: LineSite) -> APIRouter:
    """Return the routes of images."""
    router = APIRouter(prefix="/entries", dependencies=[Depends(site.needs(Role.OPERATOR))])

    @router.get("/{number}/{modality}.jpg")
    async def image(
        number: int, modality: Modality, v: str, side: int = PICTURE_SIDES[1], upright: bool = False
    ) -> Response:
        if side not in PICTURE_SIDES:
            raise Refusal(
                422, f"There are pictures of {', '.join(map(str, PICTURE_SIDES))} pixels: ask for one of these."
            )

        def make(entry: Entry, path: Path) -> WebPicture:
            return jpeg_picture(path, modality, side, _looked(entry, modality) if upright else None)

        return await _sent(site, number, v, modality, f"{side} {upright}", make)

    @router.get("/{number}/xray.raw")
    async def raw(number: int, v: str) -> Response:
        return await _sent(site, number, v, "xray", "raw", lambda _, path: raw_radiograph(path))

    @router.get("/{number}/{modality}-heat.png")
    async def heat(
        number: int,
        modality: Modality,
        v: str,
        iteration: Annotated[int, Query(ge=0, le=20)] = 0,
        upright: bool = False,
    ) -> Response:
        make = partial(_heat, modality=modality, iteration=iteration, upright=upright)
        return await _sent(site, number, v, modality, f"heat {iteration} {upright}", make)

    return router


async def _sent(
    site: LineSite, number: int, version: str, modality: Modality, what: str, make: Callable[[Entry, Path], WebPicture]
) -> Response:
    entry = await asyncio.to_thread(find_entry, site.folder, number, site.announced)
    if entry is None or entry.hash[:VERSION_LENGTH] != version:
        raise Refusal(404, f"The log has no such line {number}: load the page again.")
    picture = None
    while picture is None:
        path = image_file(site.folder, entry, modality)
        if path is None:
            raise Refusal(404, "The image is not there any more: the line keeps images for a while only.")
        try:
            picture = await site.gallery.get(f"{entry.hash} {modality} {what}", partial(make, entry, path))
        except Refusal:
            raise
        except RgbxError as error:
            if path.exists():  # else it was put into the archive just now, and is looked up again
                raise Refusal(422, str(error)) from error
    headers = {**picture.headers, "Cache-Control": _FOR_A_WHILE}
    return Response(picture.content, headers=headers, media_type=picture.media_type)


def _looked(entry: Entry, modality: Modality) -> dict[str, Any] | None:
    """Return where a stream looked (:class:`rgbx.inference.results.HeatMaps`); None where an entry does not say it."""
    return (said_in(entry.content).get("looked") or {}).get(modality)


def _heat(entry: Entry, path: Path, modality: Modality, iteration: int, upright: bool) -> WebPicture:
    looked = _looked(entry, modality)
    if looked is None or iteration >= len(looked["iterations"]):
        raise Refusal(404, "The log does not say where the stream looked.")
    read = read_photograph if modality == "rgb" else read_radiograph
    height, width = read(path).shape[:2]
    showing = shown_upright(looked, HEAT_SIDE) if upright else shown_whole((width, height), HEAT_SIDE)
    return WebPicture(heat_picture(looked, showing, iteration), "image/png", {})
