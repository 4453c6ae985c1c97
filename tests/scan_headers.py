"""Scans whose headers say what a test wants them to, and a phantom that shows whether they were read so.

The writers do not share code with the readers.
"""

import math
import struct
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.dataset import Dataset
from scipy import ndimage

from rgbx_render.devices.volume import Volume
from scan_files import write_dicom, write_unit_file

SPACING = np.array((1.5, 1.25, 2.0))
SHAPE = (14, 16, 18)
DENSE = 900
BLOCKS = (
    (slice(2, 4), slice(2, 7), slice(2, 5)),
    (slice(2, 5), slice(2, 4), slice(9, 11)),
    (slice(2, 4), slice(11, 13), slice(2, 4)),
    (slice(9, 12), slice(2, 5), slice(2, 7)),
)
"""An L with a foot, in indices (z, y, x): no mirroring, exchange of axes or scaling leaves it as it is."""


def blocks() -> np.ndarray:
    values = np.zeros(SHAPE, np.uint16)
    for block in BLOCKS:
        values[block] = DENSE
    return values


@dataclass
class Case:
    """What is written, and what the file then says; a change alters both."""

    header: dict[str, Any] = field(default_factory=dict)
    axes: np.ndarray = field(default_factory=lambda: np.diag(SPACING))
    """(3, 3): the columns are the steps of the indices x, y, z in mm, in LPS."""
    dense: float = DENSE
    """Of the blocks, above the air round them."""
    air: float = 0.0
    refused: bool = False
    """It must be refused."""
    read: bool = False
    """It must be read."""


def check(volume: Volume, case: Case) -> None:
    """Compare the blocks of a volume, their places, volumes and handedness, with what the file says."""
    assert volume.values.min() == pytest.approx(case.air, abs=1e-3 * abs(case.dense))
    signal = (volume.values.astype(float) - case.air) / case.dense
    assert signal.max() <= 1.001
    labels, count = ndimage.label(signal > 0.03)
    assert count == len(BLOCKS)
    masses = ndimage.sum_labels(signal, labels, range(1, count + 1)) * math.prod(volume.spacing)
    order = np.argsort(masses)
    centres = np.array(ndimage.center_of_mass(signal, labels, (order + 1).tolist()))[:, ::-1] * volume.spacing
    expected_masses, expected_centres = [], []
    for block in BLOCKS:
        expected_masses.append(math.prod(edge.stop - edge.start for edge in block) * abs(np.linalg.det(case.axes)))
        expected_centres.append(case.axes @ [(edge.start + edge.stop - 1) / 2 for edge in reversed(block)])
    expected_order = np.argsort(expected_masses)
    np.testing.assert_allclose(masses[order], np.array(expected_masses)[expected_order], rtol=0.06)
    vectors = centres[1:] - centres[0]
    expected = np.array(expected_centres)[expected_order]
    expected = expected[1:] - expected[0]
    near = 0.15 * max(volume.spacing)
    if (np.abs(case.axes) > 1e-3 * np.abs(case.axes).max()).sum() == 3:  # along LPS: so must the volume lie
        np.testing.assert_allclose(vectors, expected, atol=near)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=near * np.abs(expected).max())
    assert np.sign(np.linalg.det(vectors)) == np.sign(np.linalg.det(expected))


UNITS = {"mm": 1.0, "um": 1e-3, "microns": 1e-3, "millimeters": 1.0, "cm": 10.0, "inches": 25.4, "m": 1e3}


def lengths_of(axes: np.ndarray) -> np.ndarray:
    return np.linalg.norm(axes, axis=0)


def write_nrrd(folder: Path, case: Case) -> Path:
    header = {"type": "uint16", "dimension": "3", "sizes": " ".join(map(str, SHAPE[::-1])), "endian": "little"}
    scale, to_lps = case.header.pop("scale", 1.0), case.header.pop("to_lps", np.eye(3))
    stated = to_lps @ case.axes / scale
    if case.header.pop("by spacings", False):
        header["spacings"] = " ".join(map(repr, lengths_of(stated).tolist()))
        case.axes = np.diag(lengths_of(case.axes))
        if "units" in case.header:
            header["units"] = case.header.pop("units")
    else:
        header["space"] = "left-posterior-superior"
        header["space directions"] = " ".join(f"({','.join(map(repr, column))})" for column in stated.T.tolist())
        if "units" in case.header:
            header["space units"] = case.header.pop("units")
    instead = case.header.pop("instead", {})
    header |= {"encoding": "raw"} | case.header | instead
    lines = [f"{key}: {value}" for key, value in header.items()]
    (folder / "scan.nrrd").write_bytes(("\n".join(["NRRD0005", *lines]) + "\n\n").encode() + blocks().tobytes())
    return folder / "scan.nrrd"


def write_meta(folder: Path, case: Case) -> Path:
    scale = case.header.pop("scale", 1.0)
    lengths = lengths_of(case.axes)
    if without := case.header.pop("without", False):
        case.axes = np.diag(lengths)
    instead = case.header.pop("instead", {})
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": " ".join(map(str, SHAPE[::-1])),
        "TransformMatrix": " ".join(map(repr, (case.axes / lengths).T.ravel().tolist())),
        "ElementSpacing": " ".join(map(repr, (lengths / scale).tolist())),
    } | case.header
    if without:
        del header["TransformMatrix"]
    header |= instead | {"ElementType": "MET_USHORT", "ElementDataFile": "LOCAL"}
    text = "".join(f"{key} = {value}\n" for key, value in header.items())
    (folder / "scan.mha").write_bytes(text.encode() + blocks().tobytes())
    return folder / "scan.mha"


def quaternion(directions: np.ndarray) -> tuple[tuple[float, ...], float]:
    """Return (b, c, d) and qfac of an orthonormal matrix."""
    qfac = float(np.sign(np.linalg.det(directions)))
    rotation = directions.copy()
    rotation[:, 2] *= qfac
    values, vectors = np.linalg.eigh(
        np.array(
            [
                [rotation[0, 0] - rotation[1, 1] - rotation[2, 2], 0, 0, 0],
                [rotation[0, 1] + rotation[1, 0], rotation[1, 1] - rotation[0, 0] - rotation[2, 2], 0, 0],
                [
                    rotation[0, 2] + rotation[2, 0],
                    rotation[1, 2] + rotation[2, 1],
                    rotation[2, 2] - rotation[0, 0] - rotation[1, 1],
                    0,
                ],
                [
                    rotation[2, 1] - rotation[1, 2],
                    rotation[0, 2] - rotation[2, 0],
                    rotation[1, 0] - rotation[0, 1],
                    np.trace(rotation),
                ],
            ]
        )
        / 3
    )
    b, c, d, a = vectors[:, np.argmax(values)]
    sign = 1.0 if a >= 0 else -1.0
    return (b * sign, c * sign, d * sign), qfac


def write_nifti(folder: Path, case: Case) -> Path:
    said = {"sform": 1, "qform": 1, "units": 2, "slope": 1.0, "scale": 1.0, "turn": np.eye(3), "stretch": 1.0}
    said |= case.header
    ras = np.diag((-1.0, -1.0, 1.0)) @ case.axes / said["scale"]
    lengths = lengths_of(ras)
    if np.abs((ras / lengths).T @ (ras / lengths) - np.eye(3)).max() > 5e-4:
        said["qform"] = 0  # which cannot say shear
    (b, c, d), qfac = quaternion(said["turn"] @ ras / lengths)
    if not said["sform"]:
        case.axes = np.diag((-1.0, -1.0, 1.0)) @ said["turn"] @ ras * said["scale"] * said["stretch"]
    case.refused |= said["stretch"] != 1 and (bool(said["sform"]) or not said["stretch"] > 0)
    header = bytearray(348)

    def put(offset: int, layout: str, *numbers: float) -> None:
        struct.pack_into("<" + layout, header, offset, *numbers)

    put(0, "i", 348)
    put(40, "8h", 3, *SHAPE[::-1], 1, 1, 1, 1)
    put(70, "2h", 512, 16)
    put(76, "8f", qfac, *(lengths * said["stretch"]), 0, 0, 0, 0)
    put(108, "3f", 352, said["slope"], 0)
    put(123, "B", said["units"])
    put(252, "2h", said["qform"], said["sform"])
    put(256, "3f", b, c, d)
    for row in range(3):
        put(280 + 16 * row, "4f", *ras[row], 0)
    header[344:348] = b"n+1\0"
    (folder / "scan.nii").write_bytes(bytes(header) + bytes(4) + blocks().tobytes())
    return folder / "scan.nii"


@cache
def sound_series() -> list[Dataset]:
    with tempfile.TemporaryDirectory() as folder:
        return [pydicom.dcmread(path) for path in write_dicom(Path(folder) / "dicom", blocks(), tuple(SPACING))]


def write_series(folder: Path, case: Case) -> Path:
    lengths = lengths_of(case.axes)
    directions = case.axes / lengths
    spacing = case.header.pop("pixel_spacing", [float(lengths[1]), float(lengths[0])])
    stretch = case.header.pop("stretch", 1.0)
    shifts = case.header.pop("shifts", np.zeros((SHAPE[0], 3)))
    orientation_noise = case.header.pop("noise", np.zeros((SHAPE[0], 6)))
    slopes = case.header.pop("slopes", None)
    change = case.header.pop("change", None)
    (folder / "dicom").mkdir()
    for index, header in enumerate(deepcopy(sound_series())):
        header.PixelSpacing = spacing
        header.ImageOrientationPatient = (
            (np.r_[directions[:, 0], directions[:, 1]] * stretch + orientation_noise[index]).round(9).tolist()
        )
        header.ImagePositionPatient = (case.axes[:, 2] * index + shifts[index]).round(6).tolist()
        for key, value in case.header.items():
            setattr(header, key, value)
        if slopes is not None:
            header.RescaleSlope, header.RescaleIntercept = float(slopes[index]), 0
            header.PixelData = np.rint(blocks()[index] / slopes[index]).astype(np.uint16).tobytes()
        if change is not None:
            change(header)
        header.save_as(folder / "dicom" / f"{index * 5 % SHAPE[0]}.dcm")
    return folder / "dicom"


ORIENTED = {
    1: ((1, 0), (0, 1)), 2: ((-1, 0), (0, 1)), 3: ((-1, 0), (0, -1)), 4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)), 6: ((0, 1), (-1, 0)), 7: ((0, -1), (-1, 0)), 8: ((0, -1), (1, 0)),
}  # fmt: skip
"""By Orientation, where columns and rows run: (right, down)."""


def write_tiff(folder: Path, case: Case) -> Path:
    lengths = lengths_of(case.axes)
    said = {"photometric": "minisblack", "orientation": 1, "kind": "imagej", "unit": "mm", "scale": 1.0} | case.header
    values = 65535 - blocks() if said["photometric"] == "miniswhite" else blocks()
    path = folder / "scan.tif"
    sizes = lengths / said["scale"]
    depth = float(sizes[2] / said.get("deep", 1))
    tags = [(274, 3, 1, said["orientation"], False)]
    if said["kind"] == "imagej":
        tifffile.imwrite(
            path,
            values,
            imagej=True,
            photometric="minisblack",
            resolution=(1 / sizes[0], 1 / sizes[1]),
            metadata={"axes": "ZYX", "unit": said["unit"], "spacing": depth, **said.get("units", {})},
            extratags=tags,
        )
        if said["photometric"] == "miniswhite":
            with tifffile.TiffFile(path, mode="r+b") as tiff:
                for page in tiff.pages:
                    page.tags["PhotometricInterpretation"].overwrite(0)
    else:
        if said["kind"] == "ome":
            metadata = {f"PhysicalSize{axis}": float(size) for axis, size in zip("XYZ", sizes, strict=True)}
            metadata |= {f"PhysicalSize{axis}Unit": said["unit"] for axis in "XYZ"}
            options = {"ome": True, "metadata": {"axes": "ZYX", **metadata}}
        else:
            write_unit_file(folder, voxel_size_mm=lengths.tolist())
            options = {"metadata": None}
        with tifffile.TiffWriter(path, ome=said["kind"] == "ome") as tiff:
            if said.get("thumbnail"):
                tiff.write(values[0, ::2, ::2], subfiletype=said["thumbnail"] == "marked", metadata=None)
            tiff.write(values, photometric=said["photometric"], extratags=tags, metadata=options["metadata"])
    return path
