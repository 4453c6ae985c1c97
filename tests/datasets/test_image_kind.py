"""What a file is said to be, and sound files that others would call damaged."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radiograph_files import write_dicom
from rgbx.datasets.image_kind import is_image
from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.errors import InputError

GREY = np.random.default_rng(0).integers(0, 65536, (24, 30)).astype(np.uint16)
Y, X = np.mgrid[:48, :64]
COLOUR = np.stack([4 * X, 5 * Y, 255 - 4 * X], axis=2).astype(np.uint8)


def jpeg(**options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(COLOUR).save(content, "JPEG", quality=95, **options)
    return content.getvalue()


def jpeg_of(marker: int, bits: int) -> bytes:
    """Return a JPEG whose frame says that it is coded in another way."""
    content = bytearray(jpeg())
    frame = content.index(b"\xff\xc0")
    content[frame + 1], content[frame + 4] = marker, bits
    return bytes(content)


@pytest.mark.parametrize(
    ("beginning", "problem"),
    [
        (b"\0\0\0\x18ftypheic", "is a HEIC: save it as JPEG"),
        (b"\0\0\0\x18ftypmif1", "is a HEIC"),
        (b"\0\0\0\x18ftypavif", "is an AVIF"),
        (b"\0\0\0\x18ftypcrx ", "is a camera's RAW file"),
        (b"\0\0\0\x18ftypisom", "is a video: save one frame"),
        (b"RIFF\0\0\0\0WEBP", "is a WebP: save it as JPEG or PNG"),
        (b"BM", "is a BMP: save it as PNG"),
        (b"GIF89a", "is a GIF"),
        (b"II*\0\x10\0\0\0CR\2\0", "is a camera's RAW file: develop it"),
        (b"FUJIFILMCCD-RAW", "is a camera's RAW file"),
        (b"\0\0\0\x0cjP  ", "is a JPEG 2000"),
        (b"junk", "is no image that can be read"),
    ],
)
def test_other_formats_are_named_with_the_way_out(beginning, problem, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(beginning + bytes(200))
    with pytest.raises(InputError, match=problem):
        read_photograph(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (jpeg_of(0xC1, 12), "is a 12-bit JPEG"),
        (jpeg_of(0xC3, 8), "is a lossless JPEG"),
        (jpeg_of(0xC9, 8), "is an unusual JPEG"),
    ],
)
def test_other_codings_of_jpeg_are_named(content, problem, tmp_path):
    (tmp_path / "image.jpg").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read_photograph(tmp_path / "image.jpg")


@pytest.mark.parametrize(
    "content",
    [
        jpeg() + b"\0\0\0\x18ftypmp42 with \xff\xda and \xff\xd8 in it",
        jpeg() + bytes(1000),
        jpeg() + jpeg(progressive=True),
        jpeg(progressive=True),
        jpeg(comment=b"\xff\xd9\xff\xda", restart_marker_rows=1),
    ],
    ids=["motion-photo", "padded", "two", "progressive", "restarts"],
)
def test_a_jpeg_ends_where_it_says(content, tmp_path):
    (tmp_path / "image.jpg").write_bytes(content)
    assert np.abs(read_photograph(tmp_path / "image.jpg").astype(int) - COLOUR).max() <= 6
    for kept in (0.3, 0.9):
        (tmp_path / "image.jpg").write_bytes(jpeg()[: int(kept * len(jpeg()))])
        with pytest.raises(InputError, match="is damaged or cut off"):
            read_photograph(tmp_path / "image.jpg")


def test_multi_picture_jpeg_is_its_first_picture(tmp_path):
    Image.fromarray(COLOUR).save(
        tmp_path / "image.jpg", "MPO", save_all=True, append_images=[Image.fromarray(COLOUR[::-1])]
    )
    assert np.abs(read_photograph(tmp_path / "image.jpg").astype(int) - COLOUR).max() <= 12


def test_what_follows_a_png_does_no_harm(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "image.png")
    with (tmp_path / "image.png").open("ab") as file:
        file.write(b"more" * 100)
    np.testing.assert_array_equal(read_photograph(tmp_path / "image.png"), COLOUR)


@pytest.mark.parametrize("implicit", [True, False])
def test_dicom_without_preamble_and_meta_information(implicit, tmp_path):
    image = pydicom.dcmread(write_dicom(tmp_path / "whole.dcm", GREY, KVP="80"))
    (tmp_path / "headless").write_bytes((tmp_path / "whole.dcm").read_bytes()[132:])
    pydicom.dcmwrite(tmp_path / "bare", pydicom.Dataset(image), implicit_vr=implicit, little_endian=True)
    for name in ("headless", "bare"):
        assert is_image(tmp_path / name)
        np.testing.assert_allclose(read_radiograph(tmp_path / name), GREY / 65535, atol=1e-6)


def test_dicom_that_is_deflated_is_refused_without_a_preamble(tmp_path):
    image = pydicom.dcmread(write_dicom(tmp_path / "whole.dcm", GREY))
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(tmp_path / "whole.dcm")
    (tmp_path / "headless").write_bytes((tmp_path / "whole.dcm").read_bytes()[132:])
    with pytest.raises(InputError, match="is compressed as a whole"):
        read_radiograph(tmp_path / "headless")


def test_notes_are_no_dicom(tmp_path):
    (tmp_path / "README").write_bytes(b"\x08\0 no DICOM, but as long as its beginning" * 10)
    assert not is_image(tmp_path / "README")


def test_dicom_without_pixels_says_so(tmp_path):
    image = pydicom.dcmread(write_dicom(tmp_path / "report.dcm", GREY))
    del image.PixelData
    image.save_as(tmp_path / "report.dcm")
    with pytest.raises(InputError, match="holds no pixels"):
        read_radiograph(tmp_path / "report.dcm")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"photometric": "separated"}, "does not say that it is grey or RGB"),
        ({"photometric": "ycbcr"}, "does not say that it is grey or RGB"),
        ({"photometric": "rgb", "subfiletype": 1}, "begins with a preview"),
        ({"photometric": "rgb", "extratags": [(50706, "B", 4, (1, 4, 0, 0), True)]}, "is a camera's RAW file"),
    ],
)
def test_tiff_that_is_neither_grey_nor_rgb(options, problem, tmp_path):
    pixels = np.dstack([COLOUR, COLOUR[..., :1]]) if options["photometric"] == "separated" else COLOUR
    tifffile.imwrite(tmp_path / "image.tif", pixels, **options)
    with pytest.raises(InputError, match=problem):
        read_photograph(tmp_path / "image.tif")


def test_tiff_that_does_not_say_whether_zero_is_black(tmp_path: Path):
    tifffile.imwrite(tmp_path / "image.tif", GREY)
    with tifffile.TiffFile(tmp_path / "image.tif") as tiff:
        place = tiff.pages.first.tags["PhotometricInterpretation"].offset
    content = bytearray((tmp_path / "image.tif").read_bytes())
    content[place : place + 2] = (65_000).to_bytes(2, "little")
    (tmp_path / "image.tif").write_bytes(content)
    with pytest.raises(InputError, match="does not say that it is grey or RGB"):
        read_radiograph(tmp_path / "image.tif")
