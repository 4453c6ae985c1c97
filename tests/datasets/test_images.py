import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pydicom.dataset import Dataset

from radiograph_files import write_dicom
from rgbx.datasets.images import as_photograph, as_radiograph, read_photograph, read_radiograph
from rgbx.errors import InputError


def _grey(bits: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**bits, (24, 30)).astype(np.uint16 if bits > 8 else np.uint8)


def _colour() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (24, 30, 3)).astype(np.uint8)


def _smooth_colour() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([4 * x, 5 * y, 255 - 4 * x], axis=2).astype(np.uint8)


# --- radiographs ---


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@settings(max_examples=20, deadline=None)
@given(pixels=arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, min_side=16, max_side=20)))
def test_sixteen_bits_are_kept(suffix, pixels, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / f"image{suffix}"
    cv2.imwrite(str(path), pixels)
    image = read_radiograph(path)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(np.rint(image * 65535.0), pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_eight_bits_are_read_as_they_are(suffix, tmp_path):
    cv2.imwrite(str(tmp_path / f"image{suffix}"), _grey(8))
    np.testing.assert_allclose(read_radiograph(tmp_path / f"image{suffix}"), _grey(8) / 255, rtol=1e-6)


def test_grey_jpeg(tmp_path):
    Image.fromarray(_smooth_colour()[..., 0]).save(tmp_path / "image.jpg", quality=95)
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.jpg"), _smooth_colour()[..., 0] / 255, atol=0.02)


def test_equal_channels_of_sixteen_bits_are_one_radiograph(tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), np.repeat(_grey()[..., None], 3, axis=2))
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.png"), _grey() / 65535, rtol=1e-6)


def test_float_tiff(tmp_path):
    values = (_grey() / 65535).astype(np.float32)
    tifffile.imwrite(tmp_path / "image.tif", values)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "image.tif"), values)


def test_tiff_whose_zero_is_white_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", _grey(), photometric="miniswhite")
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), 1 - _grey() / 65535, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_tiff_of_any_type_whose_zero_is_white_is_inverted(kind, tmp_path):
    values = (_grey() / 65535).astype(kind) if kind is np.float32 else _grey(8 * kind(0).nbytes)
    largest = 1 if kind is np.float32 else np.iinfo(kind).max
    tifffile.imwrite(tmp_path / "image.tif", values, photometric="miniswhite")
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), 1 - values / largest, atol=1e-6)


def test_tiff_of_twelve_bits_is_scaled_by_them(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", _grey(12), bitspersample=12, photometric="minisblack")
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), _grey(12) / 4095, atol=1e-5)
    tifffile.imwrite(tmp_path / "image.tif", _grey(12), bitspersample=12, photometric="miniswhite")
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), 1 - _grey(12) / 4095, atol=1e-5)


@pytest.mark.parametrize("one", [257, 1], ids=["of 16 bits", "of 8 bits"])
def test_a_grey_palette_says_what_is_bright(one, tmp_path):
    falling = np.repeat(one * np.arange(255, -1, -1, dtype=np.uint16)[None], 3, axis=0)
    tifffile.imwrite(tmp_path / "image.tif", _grey(8), photometric="palette", colormap=falling)
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), 1 - _grey(8) / 255, atol=1e-6)
    image = Image.frombytes("P", (30, 24), _grey(8).tobytes())
    image.putpalette([value for value in range(255, -1, -1) for _ in range(3)])
    image.save(tmp_path / "image.png")
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.png"), 1 - _grey(8) / 255, atol=1e-6)


def test_a_palette_without_its_colours_is_refused(tmp_path):
    few = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", _grey(8), photometric="palette", colormap=few)
    with tifffile.TiffFile(tmp_path / "image.tif") as tiff:
        place = tiff.pages.first.tags["ColorMap"].offset
    content = bytearray((tmp_path / "image.tif").read_bytes())
    content[place : place + 2] = (65_000).to_bytes(2, "little")
    (tmp_path / "image.tif").write_bytes(content)
    with pytest.raises(InputError, match="lacks colours of its palette"):
        read_radiograph(tmp_path / "image.tif")


@pytest.mark.parametrize("chunk", [b"gAMA" + (45455).to_bytes(4, "big"), b"sRGB\0", b"tRNS" + bytes(2)])
def test_png_values_are_taken_as_they_are_stored(chunk, tmp_path):
    content = imagecodecs.png_encode(_grey())
    length, check = (len(chunk) - 4).to_bytes(4, "big"), zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "image.png").write_bytes(content[:33] + length + chunk + check + content[33:])
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.png"), _grey() / 65535, atol=1e-6)


@pytest.mark.parametrize("orientation", range(10))
def test_orientation_of_tiff_is_applied(orientation, tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", _grey(), extratags=[(274, "H", 1, orientation, True)])
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = Image.fromarray(_grey())
    expected = np.asarray(upright if turn is None else upright.transpose(Image.Transpose(turn)))
    np.testing.assert_allclose(read_radiograph(tmp_path / "image.tif"), expected / 65535, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_does_no_harm_to_pixels(tmp_path):
    Image.fromarray(_smooth_colour()).save(tmp_path / "image.jpg", quality=98, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_photograph(tmp_path / "image.jpg").shape == (48, 64, 3)


def _table() -> list[Dataset]:
    """Return a DICOM table that makes squares of the values 0 to 3."""
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = (
        [4, 0, 16],
        "US",
        np.array([0, 1, 4, 9], "<u2").tobytes(),
    )
    return [table]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"PresentationLUTShape": "INVERSE"}, "contradict each other: say with PixelIntensityRelationshipSign"),
        ({"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"}, "contradict each other"),
        ({"BitsStored": 12, "HighBit": 15}, "stores 12 bits up to bit 15 of 16, which programs read in different ways"),
        ({"BitsStored": 12, "HighBit": 11}, r"has pixels beyond the lowest 12 bits \(BitsStored\)"),
        ({"PixelIntensityRelationship": "DISP"}, "holds intensities processed for display"),
        ({"PixelIntensityRelationship": "OTHER"}, "holds values that are not linear .PixelIntensityRelationship OTHER"),
        ({"RescaleType": "OD"}, "holds optical densities of a film"),
        ({"RescaleType": "HU"}, "holds Hounsfield units, so it is of a CT"),
        ({"ModalityLUTSequence": _table()}, "means what a table makes of its values"),
    ],
)
def test_dicom_that_can_be_read_in_two_ways_is_refused(changes, problem, tmp_path):
    with pytest.raises(InputError, match=problem):
        read_radiograph(write_dicom(tmp_path / "image.dcm", _grey(), **changes))


@pytest.mark.parametrize("value", ["-1,0", "1\\1", "abcd"])
@pytest.mark.parametrize("keyword", ["RescaleSlope", "NumberOfFrames"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dicom_with_a_number_that_is_none_is_refused_by_name(keyword, value, tmp_path):
    path = write_dicom(tmp_path / "image.dcm", _grey(), **{keyword: "0001"})
    path.write_bytes(path.read_bytes().replace(b"0001", value.ljust(4).encode()))
    with pytest.raises(InputError, match=f"has a {keyword} that is no number"):
        read_radiograph(path)


def test_dicom_with_a_palette(tmp_path):
    falling = np.arange(255, -1, -1, dtype=np.uint8).tobytes()
    tables = {f"{colour}PaletteColorLookupTableData": falling for colour in ("Red", "Green", "Blue")}
    about = {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 8] for colour in ("Red", "Green", "Blue")}
    changes = {"PhotometricInterpretation": "PALETTE COLOR", **about, **tables}
    path = write_dicom(tmp_path / "image.dcm", _grey(8), **changes)
    np.testing.assert_allclose(read_radiograph(path), 1 - _grey(8) / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "inverted"),
    [
        ({}, False),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PresentationLUTShape": "IDENTITY"}, False),
        ({"PresentationLUTShape": "INVERSE", "PixelIntensityRelationshipSign": 1}, False),
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PixelIntensityRelationshipSign": 1}, False),
        ({"PixelIntensityRelationshipSign": -1}, True),
        ({"RescaleSlope": -1, "RescaleIntercept": 65535}, True),
        ({"RescaleSlope": 0.5, "RescaleIntercept": 100}, False),
        ({"PixelIntensityRelationship": "LIN", "VOILUTSequence": _table()}, False),
        ({"WindowCenter": 100, "WindowWidth": 10}, False),
        ({"RescaleSlope": -1, "RescaleIntercept": 0, "PhotometricInterpretation": "MONOCHROME1"}, False),
    ],
)
def test_dicom_grows_with_intensity(changes, inverted, tmp_path):
    image = read_radiograph(write_dicom(tmp_path / "image.dcm", _grey(), **changes))
    expected = _grey() / 65535
    np.testing.assert_allclose(image, 1 - expected if inverted else expected, atol=1e-6)


def test_dicom_is_scaled_by_the_bits_stored(tmp_path):
    path = write_dicom(tmp_path / "image.dcm", _grey(12), BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read_radiograph(path), _grey(12) / 4095, rtol=1e-6)


def test_signed_dicom(tmp_path):
    pixels = (_grey().astype(np.int32) - 32768).astype(np.int16)
    np.testing.assert_allclose(read_radiograph(write_dicom(tmp_path / "i.dcm", pixels)), _grey() / 65535, rtol=1e-6)


@given(arrays(np.float32, (16, 17), elements=st.floats(0, 1, width=32)))
def test_float_arrays_pass_unchanged(image):
    np.testing.assert_array_equal(as_radiograph(image), image)


def test_noise_about_the_open_beam_is_clipped():
    rng = np.random.default_rng(3)
    image = rng.normal(1, 0.03, (200, 200))
    image[:100] = rng.normal(0, 0.01, (100, 200))
    image[0, :10] = 50.0
    np.testing.assert_allclose(as_radiograph(image), image.clip(0, 1), atol=1e-6)
    for scale in (1.2, 255.0, -1.0):
        with pytest.raises(InputError, match="holds float values from"):
            as_radiograph(scale * image)


# --- photographs ---


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_photographs_are_rgb(suffix, tmp_path):
    Image.fromarray(_colour()).save(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(read_photograph(tmp_path / f"image{suffix}"), _colour())


def test_jpeg_photograph(tmp_path):
    Image.fromarray(_smooth_colour()).save(tmp_path / "image.jpg", quality=98, subsampling=0)
    assert np.abs(read_photograph(tmp_path / "image.jpg").astype(int) - _smooth_colour()).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation_is_applied(orientation, suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image{suffix}"
    Image.fromarray(_smooth_colour()).save(path, exif=exif, **({"quality": 100} if suffix == ".jpg" else {}))
    with Image.open(path) as image:
        turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
        expected = np.asarray(image if turn is None else image.transpose(Image.Transpose(turn)))
    assert np.abs(read_photograph(path).astype(int) - expected).max() <= 2


def test_alpha_is_dropped(tmp_path):
    alpha = np.full((24, 30, 1), 128, np.uint8)
    Image.fromarray(np.concatenate([_colour(), alpha], axis=2)).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_photograph(tmp_path / "image.png"), _colour())


def test_sixteen_bit_colour_is_rounded(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 65536, (24, 30, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", pixels, photometric="rgb")
    np.testing.assert_array_equal(read_photograph(tmp_path / "image.tif"), np.rint(pixels / 257))


def test_palette_png(tmp_path):
    drawn = Image.fromarray(_smooth_colour()).quantize(64)
    drawn.save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_photograph(tmp_path / "image.png"), np.asarray(drawn.convert("RGB")))


# --- bad input ---


def _file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _cut(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def _png(folder: Path, pixels: np.ndarray) -> Path:
    cv2.imwrite(str(folder / "image.png"), pixels)
    return folder / "image.png"


def _tiff(folder: Path, pixels: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(folder / "image.tif", pixels, **options)
    return folder / "image.tif"


def _jpeg(folder: Path, mode: str = "RGB") -> Path:
    Image.fromarray(_colour()).convert(mode).save(folder / "image.jpg")
    return folder / "image.jpg"


def _jpeg_with_thumbnail(folder: Path) -> Path:
    """The thumbnail in its EXIF ends as a JPEG does, so the end of the photograph itself must be looked for."""
    thumbnail = _jpeg(folder).read_bytes()
    exif = b"Exif\0\0" + thumbnail
    content = thumbnail[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + thumbnail[2:]
    return _cut(_file(folder, "image.jpg", content), 0.9)


def _huge_png(folder: Path) -> Path:
    path = _png(folder, _grey())
    content = bytearray(path.read_bytes())
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def _huge_tiff(folder: Path) -> Path:
    tifffile.memmap(folder / "image.tif", shape=(25_000, 100), dtype=np.uint8)
    return folder / "image.tif"


def _dicom_without_header(folder: Path) -> Path:
    path = write_dicom(folder / "image.dcm", _grey())
    image = pydicom.dcmread(path)
    del image.Rows
    image.save_as(path)
    return path


BAD_FOR_BOTH = {
    "missing": (lambda folder: folder / "image.png", "image.png does not exist", "check the path"),
    "folder": (lambda folder: folder, " is a folder", "give a single image"),
    "empty": (lambda folder: _file(folder, "image.png", b""), "image.png is empty", "copy or export it again"),
    "text": (lambda folder: _file(folder, "image.png", b"no image"), "image.png is no image", "save it as PNG"),
    "cut-png": (lambda folder: _cut(_png(folder, _grey()), 0.5), "image.png is damaged", "copy or export it again"),
    "cut-png-header": (lambda folder: _file(folder, "i.png", b"\x89PNG\r\n"), "i.png is damaged", "copy or export"),
    "cut-jpeg": (lambda folder: _cut(_jpeg(folder), 0.8), "image.jpg is damaged", "copy or export it again"),
    "cut-jpeg-with-thumbnail": (_jpeg_with_thumbnail, "image.jpg is damaged", "copy or export it again"),
    "cut-tiff": (lambda folder: _cut(_tiff(folder, _grey()), 0.6), "image.tif is damaged", "copy or export it again"),
    "cut-dicom": (
        lambda folder: _cut(write_dicom(folder / "image.dcm", _grey()), 0.7),
        "image.dcm is damaged",
        "copy or export it again",
    ),
    "dicom-without-rows": (_dicom_without_header, "image.dcm is damaged", "copy or export it again"),
    "huge-png": (_huge_png, "image.png", "crop it to the device or reduce it"),
    "huge-tiff": (_huge_tiff, "image.tif is 100 × 25000 pixels", "crop it to the device or reduce it"),
    "tiny": (lambda folder: _png(folder, _grey()[:3]), "image.png is only 30 × 3 pixels", "give at least 16"),
    "stack": (
        lambda folder: _tiff(folder, np.stack([_grey()] * 3), photometric="minisblack"),
        "image.tif holds 3 images",
        "save one of them",
    ),
    "cmyk": (lambda folder: _jpeg(folder, "CMYK"), "image.jpg is in the colours of print", "save it as RGB"),
}

BAD_RADIOGRAPHS = {
    "colour": (lambda folder: _png(folder, _colour()), "image.png is a colour photograph", "pass it with --rgb"),
    "colour-jpeg": (_jpeg, "image.jpg is a colour photograph", "pass it with --rgb"),
    "float-beyond-1": (
        lambda folder: _tiff(folder, _grey().astype(np.float32)),
        "image.tif holds float values from",
        "so that they lie in 0..1",
    ),
    "nan": (
        lambda folder: _tiff(folder, np.full((20, 20), np.nan, np.float32)),
        "image.tif has pixels that are NaN",
        "rep",
    ),
    "uint32": (lambda folder: _tiff(folder, _grey().astype(np.uint32)), "image.tif holds uint32 values", "16 bits"),
    "logarithmic": (
        lambda folder: write_dicom(folder / "image.dcm", _grey(), PixelIntensityRelationship="LOG"),
        "image.dcm holds logarithmic intensities",
        "export the detector's linear image",
    ),
}

BAD_PHOTOGRAPHS = {
    "sixteen-bit-grey": (lambda folder: _png(folder, _grey()), "image.png looks like a radiograph", "with --xray"),
    "eight-bit-grey": (lambda folder: _png(folder, _grey(8)), "image.png looks like a radiograph", "with --xray"),
    "dicom": (lambda folder: write_dicom(folder / "i.dcm", _grey()), "i.dcm looks like a radiograph", "with --xray"),
    "equal-channels-of-16-bits": (
        lambda folder: _png(folder, np.repeat(_grey()[..., None], 3, axis=2)),
        "image.png looks like a radiograph",
        "with --xray",
    ),
    "float": (
        lambda folder: _tiff(folder, _colour().astype(np.float32), photometric="rgb"),
        "image.tif holds float32 values",
        "convert it to 8-bit RGB",
    ),
}

BAD = [
    pytest.param(read, *case, id=f"{read.__name__}-{name}")
    for read, cases in (
        (read_radiograph, BAD_FOR_BOTH | BAD_RADIOGRAPHS),
        (read_photograph, BAD_FOR_BOTH | BAD_PHOTOGRAPHS),
    )
    for name, case in cases.items()
]


@pytest.mark.parametrize(("read", "make", "problem", "remedy"), BAD)
def test_bad_input_is_one_sentence_with_a_remedy(read, make, problem, remedy, tmp_path, capfd):
    path = make(tmp_path)
    capfd.readouterr()
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert problem in message
    assert remedy in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("check", "image", "problem"),
    [
        (as_radiograph, np.zeros((20, 20), np.int32), "the radiograph holds int32 values"),
        (as_radiograph, np.full((20, 20), 2.0), "the radiograph holds float values from 2 to 2"),
        (as_radiograph, np.zeros(20, np.uint8), "the radiograph has the shape"),
        (as_radiograph, np.zeros((20, 20, 7), np.uint8), "the radiograph has the shape"),
        (as_photograph, np.zeros((20, 20, 3)), "the photograph holds float64 values"),
        (as_photograph, np.zeros((20, 20), np.uint8), "the photograph looks like a radiograph"),
    ],
)
def test_bad_arrays(check, image, problem):
    with pytest.raises(InputError) as caught:
        check(image)
    assert str(caught.value).startswith(problem)
