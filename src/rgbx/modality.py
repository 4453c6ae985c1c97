"""What images are of: the two modalities, and the channels that answers come from."""

from typing import Literal, TypeVar

Modality = Literal["xray", "rgb"]
MODALITIES: tuple[Modality, ...] = ("rgb", "xray")
"""In the order in which they are fused."""
Channel = Literal["rgb", "xray", "rgbx"]
"""What an answer comes from: one modality, or both."""
TITLES: dict[Channel, str] = {"rgb": "RGB", "xray": "X-ray", "rgbx": "RGB-X"}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom", ".dic")
"""Of images in folders, whatever they are of."""

Given = TypeVar("Given")


def given_modalities(rgb: Given | None, xray: Given | None) -> dict[Modality, Given]:
    """Return what was given, by modality, without what is None."""
    both: dict[Modality, Given | None] = {"rgb": rgb, "xray": xray}
    return {modality: each for modality, each in both.items() if each is not None}
