"""The intensities that the pixels of a DICOM radiograph mean."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rgbx.datasets.limits import check_dimensions, check_expansion
from rgbx.dicom import check_linear, read_dicom, stated, stated_number, stored_range
from rgbx.errors import InputError

if TYPE_CHECKING:
    import pydicom


def dicom_pixels(path: Path) -> np.ndarray:
    """Return the pixels of a DICOM file.

    Returns:
        (H, W) float32 in 0..1 that grows with the detected intensity; of a file in colour (H, W, 3) uint8 or uint16.

    Raises:
        InputError: it holds no image, or one that cannot be read, or that can be read in two ways.
    """
    import pydicom

    image = read_dicom(path)
    if "PixelData" not in image:
        found = "float pixels" if "FloatPixelData" in image or "DoubleFloatPixelData" in image else "no pixels"
        raise InputError(path, f"holds {found}", "export the image itself, with 16-bit pixels")
    check_dimensions(path, (int(image.Rows), int(image.Columns)))
    frames = stated_number(image, "NumberOfFrames")
    if frames is None and stated(image, "NumberOfFrames"):
        raise InputError(path, "has a NumberOfFrames that is no number", "export it again, as a single image")
    if frames is not None and frames > 1:
        raise InputError(path, "holds several frames", "export one of them as a file of its own")
    image.NumberOfFrames = 1
    check_linear(path, image)
    if stated(image, "RescaleType") == "HU":
        raise InputError(path, "holds Hounsfield units, so it is of a CT", "give a radiograph")
    check_expansion(path, int(image.Rows) * int(image.Columns) * int(image.BitsAllocated) // 8)
    try:
        # Bits that should not be used are kept: what is in them shows that the header is wrong.
        pixels = pydicom.pixels.pixel_array(image, correct_unused_bits=False)
    except Exception as error:
        if image.file_meta.TransferSyntaxUID.is_compressed:
            raise InputError(path, "is compressed in a way that cannot be read", "export it uncompressed") from error
        raise
    if stated(image, "PhotometricInterpretation") == "PALETTE COLOR":
        return pydicom.pixels.apply_color_lut(pixels, image)
    return pixels if pixels.ndim == 3 else _intensity(path, image, pixels)


def _intensity(path: Path, image: "pydicom.Dataset", pixels: np.ndarray) -> np.ndarray:
    """Return float32 in 0..1 that grows with the detected intensity.

    A rescale maps the range of the stored bits onto another; as a share of that range it changes nothing but
    the direction, when its slope is negative.
    """
    lowest, highest = stored_range(path, image)
    if pixels.min() < lowest or pixels.max() > highest:
        raise InputError(
            path,
            f"has pixels beyond the lowest {image.BitsStored} bits (BitsStored), so their scale is not known",
            "export it with BitsStored and HighBit as its pixels are",
        )
    share = (pixels.astype(np.float32) - lowest) / (highest - lowest)
    return 1 - share if _falls(path, image) != _falls_by_rescale(path, image) else share


def _falls(path: Path, image: "pydicom.Dataset") -> bool:
    """Say whether stored values fall as the detected intensity grows; how an image is to be shown counts last."""
    sign = stated_number(image, "PixelIntensityRelationshipSign")
    if sign is not None:
        return sign < 0
    if stated(image, "PixelIntensityRelationshipSign"):
        raise InputError(path, "has a PixelIntensityRelationshipSign that is no number", "write 1 or -1")
    white_is_low = stated(image, "PhotometricInterpretation") == "MONOCHROME1"
    shape = stated(image, "PresentationLUTShape")
    if shape in _SHAPES and _SHAPES[shape] != white_is_low:
        raise InputError(
            path,
            f"is {image.PhotometricInterpretation} with a PresentationLUTShape of {shape}, which contradict each other",
            "say with PixelIntensityRelationshipSign (1 or -1) whether its values grow with the intensity",
        )
    return white_is_low


_SHAPES = {"IDENTITY": False, "INVERSE": True}
"""Whether the standard wants MONOCHROME1 with them, else MONOCHROME2."""


def _falls_by_rescale(path: Path, image: "pydicom.Dataset") -> bool:
    slope = stated_number(image, "RescaleSlope")
    if slope is None and stated(image, "RescaleSlope"):
        raise InputError(path, "has a RescaleSlope that is no number", "write it with a point, such as -1.0")
    return slope is not None and slope < 0
