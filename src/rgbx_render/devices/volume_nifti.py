"""Volumes in NIfTI files, through nibabel, which unlike ITK gives both of the forms that state where voxels lie."""

import math
from pathlib import Path

import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.openers import ImageOpener

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused
from rgbx_render.devices.length import length_in_mm, unknown_unit
from rgbx_render.devices.volume_grid import (
    SAME_DIRECTION,
    SAME_LENGTH,
    Grid,
    Place,
    check_fits_in_memory,
    split_axes,
)

NIFTI_SUFFIXES = (".nii", ".nii.gz")

_RAS_TO_LPS = np.diag((-1.0, -1.0, 1.0))


def read_nifti_file(path: Path, stated_axes: bool = False) -> Grid:
    """Read a NIfTI file.

    Args:
        path: the file.
        stated_axes: whether ``unit.yaml`` says which axes of the file are the device's; needed only where the file
            states no directions.

    Raises:
        InputError: the file is damaged or is no scalar volume, or its two forms of geometry disagree.
    """
    with damage_refused(path):
        header = _read_header(path)
        shape = header.get_data_shape()
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        dtype = header.get_data_dtype()
        if dtype.kind not in "iuf":
            raise InputError(path, f"holds {header['datatype']} voxels (colour?)", "export the scan's grey values")
        if len(shape) != 3:
            raise InputError(path, f"is {len(shape)}-dimensional", "give a three-dimensional scan")
        if min(shape) < 1 or header.get_data_offset() < header.sizeof_hdr:
            raise InputError(path, DAMAGED, COPY_AGAIN)
        check_fits_in_memory(path, math.prod(map(int, shape)))
        place = _place(path, header, stated_axes)
        stored = ArrayProxy(path, header)
        scaled = (stored.slope, stored.inter) != (1, 0)
        values = np.asarray(stored.__array__(np.float32) if scaled else stored.get_unscaled()).reshape(shape).T
    return values.astype(dtype.newbyteorder("="), copy=False) if not scaled else values, place


def _read_header(path: Path) -> Nifti1Header:
    """Read a header as it is; nibabel would mend what it finds wrong in it and only log that it did."""
    with ImageOpener(str(path)) as content:
        length = content.read(4)
        kind = (
            Nifti2Header if 540 in (int.from_bytes(length, "little"), int.from_bytes(length, "big")) else Nifti1Header
        )
        content.seek(0)
        header = kind.from_fileobj(content, check=False)
    if header["magic"].item() != kind.single_magic:
        raise InputError(
            path, "is no NIfTI file by its first bytes (an Analyze file, perhaps)", "save it as NIfTI or NRRD"
        )
    return header


def _place(path: Path, header: Nifti1Header, stated_axes: bool) -> Place:
    """Return what the sform and the qform say, which must be one and the same where there are both."""
    steps = header["pixdim"][1:4].astype(float)
    if not (steps > 0).all():
        raise InputError(
            path, f"has a spacing of {_by(steps)}, which must be positive numbers", "correct the pixdim in its header"
        )
    forms = {}
    for name in ("sform", "qform"):
        affine = getattr(header, f"get_{name}")(coded=True)[0]
        if affine is not None:
            forms[name] = split_axes(_RAS_TO_LPS @ affine[:3, :3].astype(float))
            if not np.allclose(forms[name][0], steps, rtol=SAME_LENGTH):
                raise InputError(
                    path,
                    f"has the voxel size {_by(steps)} in its pixdim, but {_by(forms[name][0])} in its {name}",
                    "export it again with one voxel size",
                )
    if not forms and not stated_axes:
        raise InputError(
            path,
            "states no directions (its sform and qform codes are 0), so it may be mirrored",
            "export it again with directions, or add 'scan_axes: [x, y, z]' to unit.yaml if x runs along the rows, y "
            "down and z away from you",
        )
    if len(forms) == 2 and np.abs(forms["sform"][1] - forms["qform"][1]).max() > SAME_DIRECTION:
        raise InputError(
            path,
            "has an sform and a qform that disagree",
            "set the code of the one that is wrong to 0, or export it again",
        )
    directions = next((directions for _, directions in forms.values()), np.eye(3))
    code = int(header["xyzt_units"]) % 8
    unit = {0: "mm", 1: "m", 2: "mm", 3: "µm"}.get(code, f"xyzt_units {code}")
    try:
        scale = length_in_mm(unit)
    except ValueError:
        return Place(None, directions, unknown_unit(unit))
    assert scale is not None
    return Place((steps[0] * scale, steps[1] * scale, steps[2] * scale), directions)


def _by(lengths: np.ndarray | tuple[float, ...]) -> str:
    return " × ".join(f"{length:g}" for length in lengths)
