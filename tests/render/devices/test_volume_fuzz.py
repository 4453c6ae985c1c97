"""Headers of scans, one or two of their fields changed: read as the changed header says, or refused in a sentence."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from rgbx.errors import InputError
from rgbx_render.devices.volume_io import read_volume
from scan_headers import (
    DENSE,
    ORIENTED,
    SHAPE,
    UNITS,
    Case,
    check,
    lengths_of,
    write_meta,
    write_nifti,
    write_nrrd,
    write_series,
    write_tiff,
)

QUICK, SLOW = 40, 400
"""Examples a format."""

Change = Callable[[Case, st.DataObject], None]


def run(write: Callable[[Path, Case], Path], changes: dict[str, Change], data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(changes)), max_size=2, unique=True))
    case = Case()
    for name in names:
        changes[name](case, data)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), case)
        try:
            volume = read_volume(path)
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            assert not case.read or case.refused or len(names) > 1, str(error)
            assert names, str(error)
            return
    assert not case.refused, names
    check(volume, case)


def fuzz(write: Callable[[Path, Case], Path], changes: dict[str, Change]) -> tuple[Callable[[], None], ...]:
    """Return the quick and the slow test of a format."""

    def quick(data: st.DataObject) -> None:
        run(write, changes, data)

    def slow(data: st.DataObject) -> None:
        run(write, changes, data)

    given_data = given(data=st.data())
    healthy = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    return (
        settings(max_examples=QUICK, **healthy)(given_data(quick)),
        pytest.mark.slow(settings(max_examples=SLOW, **healthy)(given_data(slow))),
    )


# --- changes of the geometry that several formats can say ---

small = st.floats(-1, 1).map(lambda number: round(number, 3))


def rotated(case: Case, data: st.DataObject) -> None:
    angles = data.draw(st.tuples(*[st.floats(-math.pi, math.pi)] * 3))
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn[one, one] = turn[two, two] = math.cos(angle)
        turn[one, two], turn[two, one] = -math.sin(angle), math.sin(angle)
        case.axes = turn @ case.axes
    case.read = True


def turned_squarely(case: Case, data: st.DataObject) -> None:
    """Exchange and flip axes; half of the outcomes are left-handed."""
    order = data.draw(st.permutations(range(3)))
    signs = data.draw(st.tuples(*[st.sampled_from((-1, 1))] * 3))
    case.axes = np.diag(signs) @ np.eye(3)[list(order)] @ case.axes
    case.read = True


def sheared(case: Case, data: st.DataObject) -> None:
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = data.draw(st.tuples(*[st.floats(-0.2, 0.2)] * 3))
    case.axes = shear @ case.axes
    case.read = True


def noisy(case: Case, data: st.DataObject) -> None:
    case.axes = case.axes + 1e-4 * np.array(data.draw(st.lists(small, min_size=9, max_size=9))).reshape(3, 3)
    case.read = True


def other_spacing(case: Case, data: st.DataObject) -> None:
    case.axes = case.axes * data.draw(st.tuples(*[st.floats(0.7, 1.5)] * 3))
    case.read = True


GEOMETRY = {"rotated": rotated, "turned": turned_squarely, "sheared": sheared, "noisy": noisy, "spacing": other_spacing}

# --- NRRD ---


def nrrd_unit(case: Case, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from([*UNITS, "furlong", "pixel"]))
    case.header["units"] = f'"{unit}" "{unit}" "{unit}"'
    case.header["scale"] = UNITS.get(unit, 1.0)
    case.refused |= unit not in UNITS
    case.read |= unit in UNITS


def nrrd_space(case: Case, data: st.DataObject) -> None:
    space, signs = data.draw(
        st.sampled_from(
            [
                ("RAS", (-1, -1, 1)),
                ("left-anterior-superior", (1, -1, 1)),
                ("scanner-xyz", (1, 1, 1)),
                ("3D-left-handed", None),
            ]
        )
    )
    case.header["space"] = space
    case.header["to_lps"] = np.diag(signs or (1, 1, 1)).astype(float)
    case.refused |= signs is None
    case.read |= signs is not None


def nrrd_spacings(case: Case, _: st.DataObject) -> None:
    case.header["by spacings"] = True
    case.read = True


def nrrd_garbage(case: Case, data: st.DataObject) -> None:
    keys = ["space directions", "sizes", "spacings", "type", "space", "encoding"]
    texts = ["nan nan nan", "0 0 0", "1 2", "(1,0,0) (1,0,0) (0,0,1)", "(0,0,0) (0,1,0) none", "x", "-1 1 1"]
    case.header["instead"] = {data.draw(st.sampled_from(keys)): data.draw(st.sampled_from(texts))}
    case.refused = True


test_nrrd, test_nrrd_long = fuzz(
    write_nrrd,
    GEOMETRY | {"unit": nrrd_unit, "space": nrrd_space, "spacings": nrrd_spacings, "garbage": nrrd_garbage},
)


# --- MetaImage ---


def meta_unit(case: Case, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from([*UNITS, "?", "furlong"]))
    case.header["DistanceUnits"], case.header["scale"] = unit, UNITS.get(unit, 1.0)
    case.refused |= unit == "furlong"
    case.read |= unit != "furlong"


def meta_letters(case: Case, data: st.DataObject) -> None:
    letters, alone = data.draw(st.tuples(st.sampled_from(["RAI", "LPI", "???"]), st.booleans()))
    case.header["AnatomicalOrientation"] = letters
    case.header["without"] = alone
    case.refused |= letters == "LPI" and alone
    case.read |= not case.refused


def meta_garbage(case: Case, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["TransformMatrix", "ElementSpacing", "NDims", "DimSize"]))
    texts = ["0 0 0", "nan nan nan", "x", "1 1", "-1 1 1", "2 0 0 0 1 0 0 0 1", "1 0 0 1 0 0 0 0 1"]
    case.header["instead"] = {key: data.draw(st.sampled_from(texts))}
    case.refused = True


test_meta, test_meta_long = fuzz(
    write_meta,
    GEOMETRY | {"unit": meta_unit, "letters": meta_letters, "garbage": meta_garbage},
)


# --- NIfTI ---


def nifti_forms(case: Case, data: st.DataObject) -> None:
    case.header["sform"], case.header["qform"] = data.draw(st.sampled_from([(0, 1), (1, 0), (2, 1), (0, 0)]))
    case.refused |= case.header["sform"] == case.header["qform"] == 0
    case.read |= not case.refused


def nifti_forms_disagree(case: Case, data: st.DataObject) -> None:
    angle = data.draw(st.floats(0.02, 3))
    case.header["turn"] = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )


def nifti_pixdim(case: Case, data: st.DataObject) -> None:
    case.header["stretch"] = data.draw(st.sampled_from([0.5, 1.01, -1.0, 0.0, math.nan]))


def nifti_units(case: Case, data: st.DataObject) -> None:
    code, scale = data.draw(st.sampled_from([(0, 1.0), (1, 1e3), (2, 1.0), (3, 1e-3), (10, 1.0), (5, None)]))
    case.header["units"], case.header["scale"] = code, scale or 1.0
    case.refused |= scale is None
    case.read |= scale is not None


def nifti_slope(case: Case, data: st.DataObject) -> None:
    slope = data.draw(st.sampled_from([2.0, 0.5, 0.0]))
    case.header["slope"] = slope
    case.dense = DENSE * (slope or 1)
    case.read = True


test_nifti, test_nifti_long = fuzz(
    write_nifti,
    GEOMETRY
    | {
        "forms": nifti_forms,
        "forms disagree": nifti_forms_disagree,
        "pixdim": nifti_pixdim,
        "units": nifti_units,
        "slope": nifti_slope,
    },
)


# --- DICOM ---


def dicom_turned(case: Case, data: st.DataObject) -> None:
    turned_squarely(case, data)
    if np.linalg.det(case.axes) < 0:  # slices are put in order along the normal, so no series is left-handed
        case.axes[:, 2] *= -1


def dicom_drift(case: Case, data: st.DataObject) -> None:
    drift = data.draw(st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)))
    case.axes = case.axes + np.outer(case.axes[:, :2] / lengths_of(case.axes)[:2] @ drift, (0, 0, 1))
    case.read = True


def dicom_noise(case: Case, data: st.DataObject) -> None:
    noise = np.random.default_rng(data.draw(st.integers(0, 999))).uniform(-1e-4, 1e-4, (SHAPE[0], 9))
    case.header["noise"], case.header["shifts"] = noise[:, :6], case.header.get("shifts", 0) + noise[:, 6:]
    case.read = True


def dicom_jump(case: Case, data: st.DataObject) -> None:
    case.header["shifts"] = case.header.get("shifts", np.zeros((SHAPE[0], 3))).copy()
    case.header["shifts"][data.draw(st.integers(1, SHAPE[0] - 2))] += data.draw(
        st.sampled_from([(2, 0, 0), (0, -3, 0), (0, 0, 0.8), (0, 0, 2)])
    )
    case.refused = True


def dicom_orientation_of_other_length(case: Case, data: st.DataObject) -> None:
    case.header["stretch"] = data.draw(st.sampled_from([0.5, 1.01, 2]))
    case.refused = True


def dicom_rescale(case: Case, data: st.DataObject) -> None:
    slope, intercept = data.draw(st.sampled_from([(1, -1024), (2, 5), (0.5, 0.25), (-1, 0), (0, 1)]))
    case.header["RescaleSlope"], case.header["RescaleIntercept"] = slope, intercept
    case.refused |= slope == 0
    case.read |= slope != 0
    if slope < 0:
        case.air, case.dense = float(intercept) + slope * DENSE, DENSE
        case.header["change"] = lambda header: setattr(
            header, "PixelData", (DENSE - np.frombuffer(header.PixelData, np.uint16)).astype(np.uint16).tobytes()
        )
    else:
        case.air, case.dense = float(intercept), DENSE * slope


def dicom_rescale_by_slice(case: Case, data: st.DataObject) -> None:
    case.header["slopes"] = np.array(data.draw(st.lists(st.sampled_from([0.5, 1, 3]), min_size=14, max_size=14)))
    case.read = True


def dicom_bits(case: Case, data: st.DataObject) -> None:
    bits, signed, garbage = data.draw(st.tuples(st.sampled_from([12, 14]), st.booleans(), st.booleans()))
    low = -500 if signed else 0
    case.air = float(low)

    def change(header: Dataset) -> None:
        header.BitsStored, header.HighBit, header.PixelRepresentation = bits, bits - 1, int(signed)
        stored = np.frombuffer(header.PixelData, np.uint16).astype(np.int64) + low
        stored &= 2**bits - 1
        if garbage:
            stored |= 2**15
        header.PixelData = stored.astype(np.uint16).tobytes()

    case.header["change"] = change
    case.read = True


def dicom_high_bit(case: Case, data: st.DataObject) -> None:
    case.header["BitsStored"], case.header["HighBit"] = 12, data.draw(st.sampled_from([12, 15]))
    case.refused = True


def dicom_monochrome(case: Case, data: st.DataObject) -> None:
    case.header["PhotometricInterpretation"] = data.draw(st.sampled_from(["MONOCHROME1", "PALETTE COLOR", "RGB"]))
    case.refused |= case.header["PhotometricInterpretation"] != "MONOCHROME1"
    case.read |= not case.refused


def dicom_padding(case: Case, data: st.DataObject) -> None:
    padding = data.draw(st.sampled_from([5000, 65535, 7]))

    def change(header: Dataset) -> None:
        stored = np.frombuffer(header.PixelData, np.uint16).reshape(SHAPE[1:]).copy()
        stored += 10
        stored[[0, 0, -1], [0, -1, 0]] = padding
        header.add_new("PixelPaddingValue", "US", padding)
        header.PixelData = stored.tobytes()

    case.header["change"], case.air = change, case.air + 10.0
    case.read = True


def dicom_values(case: Case, data: st.DataObject) -> None:
    kinds = (dicom_rescale, dicom_rescale_by_slice, dicom_bits, dicom_high_bit, dicom_padding)
    data.draw(st.sampled_from(kinds))(case, data)


def dicom_tilt(case: Case, data: st.DataObject) -> None:
    case.header["GantryDetectorTilt"] = data.draw(st.sampled_from([0, 15, -20.5]))


test_dicom, test_dicom_long = fuzz(
    write_series,
    {
        "turned": dicom_turned,
        "rotated": rotated,
        "spacing": other_spacing,
        "drift": dicom_drift,
        "noise": dicom_noise,
        "jump": dicom_jump,
        "length": dicom_orientation_of_other_length,
        "values": dicom_values,
        "monochrome": dicom_monochrome,
        "tilt": dicom_tilt,
    },
)


# --- TIFF ---


def tiff_kind(case: Case, data: st.DataObject) -> None:
    """How the voxel size is said, and in which unit of length."""
    kind = "plain" if "thumbnail" in case.header else data.draw(st.sampled_from(["imagej", "ome", "plain"]))
    case.header["kind"] = kind
    if kind == "plain":
        return
    unit = data.draw(st.sampled_from([*UNITS, "\\u00B5m", "furlong", "pixel"]))
    case.header["unit"], case.header["scale"] = unit, UNITS.get(unit, 1e-3 if "u00B5" in unit else 1.0)
    case.refused |= unit in ("furlong", "pixel")
    case.read |= not case.refused
    if kind == "imagej" and data.draw(st.booleans()) and not case.refused:
        other, scale = data.draw(st.sampled_from([("cm", 10.0), ("micron", 1e-3), ("rod", None)]))
        case.header["units"] = {"zunit": other}
        case.refused |= scale is None
        case.header["deep"] = (scale or 1) / case.header["scale"]


def tiff_polarity(case: Case, _: st.DataObject) -> None:
    case.header["photometric"] = "miniswhite"
    case.read = True


def tiff_orientation(case: Case, data: st.DataObject) -> None:
    orientation = data.draw(st.sampled_from(sorted(ORIENTED)))
    case.header["orientation"] = orientation
    turn = np.eye(3)
    turn[:2, 0], turn[:2, 1] = ORIENTED[orientation]
    case.axes = turn @ case.axes
    case.read = True


def tiff_thumbnail(case: Case, data: st.DataObject) -> None:
    if "kind" in case.header:
        return
    case.header["kind"], case.header["thumbnail"] = "plain", data.draw(st.sampled_from(["marked", "unmarked"]))
    case.refused |= case.header["thumbnail"] == "unmarked"
    case.read |= not case.refused


def tiff_spacing(case: Case, data: st.DataObject) -> None:
    case.axes = case.axes * data.draw(st.tuples(*[st.sampled_from((0.5, 1.0, 2.0))] * 3))
    case.read = True


test_tiff, test_tiff_long = fuzz(
    write_tiff,
    {
        "kind": tiff_kind,
        "polarity": tiff_polarity,
        "orientation": tiff_orientation,
        "thumbnail": tiff_thumbnail,
        "spacing": tiff_spacing,
    },
)
