"""Images that are sent over HTTP: bounded in size and pixels, and whole on the disk before inference hears of them."""

import asyncio
import os
import shutil
import warnings
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from uuid import uuid4

from PIL import Image
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from rgbx.datasets.image_kind import ImageKind, file_kind
from rgbx.dicom import read_dicom
from rgbx.errors import InputError, damage_refused
from rgbx.files import readable_os_errors, sync_folder
from rgbx.modality import MODALITIES, Modality
from rgbx.tiff import open_tiff
from rgbx_line.settings import UploadLimits
from rgbx_line.web.access import Refusal

LONGEST_PART_ID = 100
TIME_TO_SEND_S = 60.0
_FORM_BYTES = 10_000
"""What a form has beside its images, at most."""
_SUFFIXES: dict[ImageKind, str] = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}
_UNFINISHED = ".part"


async def receive_images(
    request: Request, folder: Path, limits: UploadLimits
) -> tuple[str | None, dict[Modality, Path]]:
    """Take the images of one part from a form with files ``rgb`` or ``xray``, and maybe a text ``part_id``.

    Args:
        request: whose body has not been read.
        folder: where they are put, under names that say nothing of what the client calls them.
        limits: of each image.

    Returns:
        The part's name, if one was given, and the images' files, on the disk.

    Raises:
        Refusal: the form or an image cannot be used.
        RgbxError: the disk is full or the folder cannot be written.
    """
    form = await _form(request, limits)
    try:
        part_id = _part_id(form)
        sent = _images(form)
        return part_id, await asyncio.to_thread(_keep, sent, folder, limits)
    finally:
        await form.close()


def discard_images(images: Mapping[Modality, Path]) -> None:
    """Delete images that inference did not take."""
    for path in images.values():
        path.unlink(missing_ok=True)


def discard_unfinished(folder: Path) -> None:
    """Delete what a process that was killed had begun to write."""
    for path in folder.glob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


async def _form(request: Request, limits: UploadLimits) -> FormData:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(415, "This is no form: send multipart/form-data with the files rgb, xray or both.")
    most = int(len(MODALITIES) * limits.megabytes * 1e6) + _FORM_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(limits)
    parser = MultiPartParser(
        request.headers, _bounded(request, most, limits), max_files=2, max_fields=1, max_part_size=_FORM_BYTES
    )
    try:
        async with asyncio.timeout(TIME_TO_SEND_S):
            return await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"The form cannot be read: {error.message}") from error
    except TimeoutError:
        raise Refusal(408, f"The images were not there within {TIME_TO_SEND_S:.0f} s: send them again.") from None
    except ClientDisconnect:
        raise Refusal(400, "The images were not sent to their end: send them again.") from None


async def _bounded(request: Request, most: int, limits: UploadLimits) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most:
            raise _too_large(limits)
        yield chunk


def _part_id(form: FormData) -> str | None:
    given = form.get("part_id")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > LONGEST_PART_ID or not given.isprintable() or given != given.strip():
        raise Refusal(
            422, f"The part_id cannot be used: give 1 to {LONGEST_PART_ID} printable characters, without spaces around."
        )
    return given


def _images(form: FormData) -> dict[Modality, UploadFile]:
    unknown = sorted(form.keys() - {*MODALITIES, "part_id"})
    if unknown:
        raise Refusal(422, f"The form has a field {unknown[0]!r}: it may have rgb, xray and part_id.")
    sent: dict[Modality, UploadFile] = {}
    for modality in MODALITIES:
        match form.getlist(modality):
            case []:
                continue
            case [UploadFile() as file]:
                sent[modality] = file
            case _:
                raise Refusal(422, f"The form's {modality} is not one file: send it once, as a file.")
    if not sent:
        raise Refusal(422, "The form has no image: send the files rgb, xray or both.")
    return sent


def _keep(sent: Mapping[Modality, UploadFile], folder: Path, limits: UploadLimits) -> dict[Modality, Path]:
    """Put images into a folder: all or none."""
    name = uuid4().hex
    kept: dict[Modality, Path] = {}
    with readable_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for modality, file in sent.items():
                kept[modality] = _keep_one(file, folder, f"{name}_{modality}", modality, limits)
            sync_folder(folder)
        except BaseException:
            discard_images(kept)
            raise
    return kept


def _keep_one(file: UploadFile, folder: Path, name: str, modality: Modality, limits: UploadLimits) -> Path:
    if file.size is not None and file.size > limits.megabytes * 1e6:
        raise _too_large(limits)
    temporary = folder / f".{name}{_UNFINISHED}"
    try:
        with temporary.open("xb") as written:
            shutil.copyfileobj(file.file, written)
            written.flush()
            os.fsync(written.fileno())
        path = folder / f"{name}{_SUFFIXES[_checked_kind(temporary, modality, limits)]}"
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def _checked_kind(path: Path, modality: Modality, limits: UploadLimits) -> ImageKind:
    """Return which kind of image a file is, which has no more pixels than it may."""
    try:
        kind = file_kind(path)
    except InputError as error:
        raise Refusal(415, f"The {modality} image {error.problem}: {error.remedy}.") from error
    try:
        width, height = _stated_size(path, kind)
    except InputError as error:
        raise Refusal(422, f"The {modality} image {error.problem}: {error.remedy}.") from error
    if width * height > limits.megapixels * 1e6:
        raise Refusal(
            413,
            f"The {modality} image says it is {width} × {height} pixels, above the limit of {limits.megapixels:g} "
            "million: crop it to the device, or raise web.upload.megapixels.",
        )
    return kind


def _stated_size(path: Path, kind: ImageKind) -> tuple[int, int]:
    """Return width and height as a file's header says them; nothing is decoded."""
    with damage_refused(path):
        if kind == "dicom":
            header = read_dicom(path, header_only=True)
            return int(header.Columns), int(header.Rows)
        if kind == "tiff":
            with open_tiff(path) as tiff:
                return tiff.pages.first.imagewidth, tiff.pages.first.imagelength
        with warnings.catch_warnings():
            # Pillow's own limit is another one.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                with Image.open(path, formats=(kind.upper(),)) as image:
                    return image.size
            except Image.DecompressionBombError as error:
                raise InputError(path, "has far too many pixels", "crop it to the device or reduce it") from error


def _too_large(limits: UploadLimits) -> Refusal:
    return Refusal(
        413, f"An image may have {limits.megabytes:g} MB: crop it to the device, or raise web.upload.megabytes."
    )
