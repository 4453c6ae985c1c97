"""Flat- and dark-field correction, (I − D) / (F − D): a radiograph without the detector's own pattern.

A flat field F shows the open beam, a dark field D nothing at all. Both are averages of frames, kept as float32 TIFF
with a record beside them. They are refused where they do not fit a radiograph: correcting by the wrong ones looks fine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import numpy as np
import tifffile
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.datasets.acquisition import Acquisition, acquisition_of, time_taken
from rgbx.datasets.images import read_radiograph
from rgbx.errors import InputError
from rgbx.files import atomic_folder, read_json, sha256, write_json
from rgbx.names import printable

RECORD = "flat-field.json"
FLAT, DARK = "flat.tiff", "dark.tiff"
_REMEDY = "make the fields again with 'rgbx flatfield'"
DEAD_FIELD = 0.1
"""Share of pixels where the flat field is no brighter than the dark one from which on the beam must have been off."""
SAME_SETTING = 0.01
"""Relative difference up to which two tube settings are one: generators report what they measured."""


class FlatFieldConfig(Config):
    """When fields may be used."""

    max_age_hours: float = Field(default=24.0, gt=0.0)
    """How long before or after them a radiograph may have been taken."""


class FlatFieldRecord(Config):
    """``flat-field.json``."""

    kind: Literal["rgbx flat field"] = "rgbx flat field"
    format: Literal[1] = 1
    config: FlatFieldConfig
    time: datetime
    """When the oldest frame was taken."""
    width: int
    height: int
    bits: int
    """Of the frames' stored values."""
    tube_voltage_kv: float | None
    tube_current_ma: float | None
    flats: dict[str, str]
    """SHA-256 of each frame of the open beam, by its path."""
    darks: dict[str, str]
    files: dict[str, str]
    """SHA-256 of the two fields."""


@dataclass(frozen=True)
class FlatField:
    """The fields of one detector, ready to correct with."""

    folder: Path
    record: FlatFieldRecord
    flat: np.ndarray
    """(H, W) float32 on the scale of :func:`read_radiograph`."""
    dark: np.ndarray

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read what :func:`make_flat_field` wrote.

        Raises:
            InputError: it is missing, damaged, was changed or is of another version of rgbx.
        """
        folder = Path(folder)
        path = folder / RECORD
        if not path.is_file():
            raise InputError(folder, f"holds no {RECORD}", "give the folder that 'rgbx flatfield' wrote")
        record = build_record(FlatFieldRecord, read_json(path), path, _REMEDY)
        for name in (FLAT, DARK):
            if not (folder / name).is_file() or sha256(folder / name) != record.files.get(name):
                raise InputError(folder / name, "is missing, damaged or was changed", _REMEDY)
        return cls(folder, record, *(tifffile.imread(folder / name) for name in (FLAT, DARK)))

    def correct(
        self, image: np.ndarray, acquisition: Acquisition, taken: datetime, name: Path | str = "the radiograph"
    ) -> np.ndarray:
        """Return the transmission that a radiograph shows.

        Args:
            image: (H, W) float32, from :func:`read_radiograph`.
            acquisition: what is known of it.
            taken: when; aware.
            name: what to call it in errors.

        Returns:
            (H, W) float32, 0 or more, about 1 in the open beam. Dead pixels have the median of their neighbours.

        Raises:
            InputError: the fields do not fit: another size, depth or tube setting, or of another day.
        """
        self._check(image.shape, acquisition, taken, name)
        gain = self.flat - self.dark
        alive = gain > 0
        corrected = np.full(image.shape, np.nan, np.float32)
        np.divide(image - self.dark, gain, out=corrected, where=alive)
        return np.maximum(_filled(corrected), 0)

    def _check(self, shape: tuple[int, ...], of: Acquisition, taken: datetime, name: Path | str) -> None:
        fields = self.record
        if shape != (fields.height, fields.width):
            raise InputError(
                name, f"is {shape[1]} × {shape[0]} pixels, its flat field {fields.width} × {fields.height}", _REMEDY
            )
        if of.bits != fields.bits:
            raise InputError(
                name, f"has {of.bits} bits, its flat field {fields.bits}", "export both with the detector's full depth"
            )
        for setting, unit, ours, theirs in (
            ("tube voltage", "kV", of.tube_voltage_kv, fields.tube_voltage_kv),
            ("tube current", "mA", of.tube_current_ma, fields.tube_current_ma),
        ):
            if _differ(ours, theirs):
                raise InputError(
                    name, f"was taken at a {setting} of {ours:g} {unit}, its flat field at {theirs:g} {unit}", _REMEDY
                )
        age = abs((taken - fields.time).total_seconds()) / 3600
        if age > fields.config.max_age_hours:
            raise InputError(
                name,
                f"was taken {age:.1f} h away from its flat field, {fields.config.max_age_hours:g} h are allowed",
                _REMEDY,
            )


def make_flat_field(
    flats: Sequence[Path], darks: Sequence[Path], out: Path, config: FlatFieldConfig | None = None
) -> FlatField:
    """Average frames into fields and write them to a new folder ``out``.

    Args:
        flats: frames of the open beam, with nothing on the belt.
        darks: frames with the tube off.
        out: ``flat.tiff`` and ``dark.tiff`` (float32, 0..1) and ``flat-field.json``.
        config: when they may be used.

    Raises:
        InputError: a frame cannot be read or differs from the others in size, depth or, of the flat ones, tube setting;
            the flat field is not brighter than the dark one; ``out`` is there already.
    """
    flat, dark = _mean(flats), _mean(darks)
    first = acquisition_of(flats[0])
    for path in (*flats, *darks):
        of = acquisition_of(path)
        if of.bits != first.bits:
            raise InputError(path, f"has {of.bits} bits, {flats[0].name} {first.bits}", "export all frames alike")
    for path in flats:
        of = acquisition_of(path)
        if _differ(of.tube_voltage_kv, first.tube_voltage_kv) or _differ(of.tube_current_ma, first.tube_current_ma):
            raise InputError(path, f"was taken at another tube setting than {flats[0].name}", "keep frames of one")
    if flat.shape != dark.shape:
        raise InputError(darks[0], f"is of another size than {flats[0].name}", "take all frames with one detector")
    dead = float(np.mean(flat <= dark))
    if dead >= DEAD_FIELD:
        raise InputError(
            flats[0],
            f"is no brighter than the dark field in {dead:.0%} of the pixels",
            "take it with the beam on and nothing in it, and check that the two were not swapped",
        )
    with atomic_folder(out) as new:
        for name, field in ((FLAT, flat), (DARK, dark)):
            tifffile.imwrite(new / name, field)
        record = FlatFieldRecord(
            config=config or FlatFieldConfig(),
            time=min(time_taken(path) for path in (*flats, *darks)).astimezone(UTC),
            width=flat.shape[1],
            height=flat.shape[0],
            bits=first.bits,
            tube_voltage_kv=first.tube_voltage_kv,
            tube_current_ma=first.tube_current_ma,
            flats={printable(path): sha256(path) for path in flats},
            darks={printable(path): sha256(path) for path in darks},
            files={name: sha256(new / name) for name in (FLAT, DARK)},
        )
        write_json(new / RECORD, record.model_dump(mode="json"))
    return FlatField(out, record, flat, dark)


def _mean(paths: Sequence[Path]) -> np.ndarray:
    """Return the (H, W) float32 mean of frames."""
    total = np.zeros(read_radiograph(paths[0]).shape)
    for path in paths:
        frame = read_radiograph(path)
        if frame.shape != total.shape:
            raise InputError(path, f"is of another size than {paths[0].name}", "take all frames with one detector")
        total += frame
    return (total / len(paths)).astype(np.float32)


def _filled(image: np.ndarray) -> np.ndarray:
    """Replace NaN by the median of the neighbours that are none, from the rim of each patch inwards."""
    image = image.copy()
    while np.isnan(image).any():
        rows, columns = np.nonzero(np.isnan(image))
        padded = np.pad(image, 1, constant_values=np.nan)
        neighbours = sliding_window_view(padded, (3, 3))[rows, columns].reshape(-1, 9)
        reached = ~np.isnan(neighbours).all(axis=1)
        image[rows[reached], columns[reached]] = np.nanmedian(neighbours[reached], axis=1)
    return image


def _differ(first: float | None, second: float | None) -> bool:
    return first is not None and second is not None and not math.isclose(first, second, rel_tol=SAME_SETTING)
