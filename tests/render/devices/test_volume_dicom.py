"""DICOM as scanners and other programs write it; what headers of series can say wrong is in ``test_volume_fuzz.py``."""

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from rgbx.errors import InputError
from rgbx_render.devices.volume_io import read_volume
from scan_files import phantom, write_dicom

SPACING = (1.5, 1.25, 2.0)


def test_slices_that_drift_in_their_plane_are_moved_back(tmp_path):
    """Every slice lies 0.3 mm, 0.2 of a pixel, further to the side; so do the blocks, once that is undone."""
    for index, path in enumerate(write_dicom(tmp_path / "dicom", phantom(), SPACING)):
        header = pydicom.dcmread(path)
        header.ImagePositionPatient = [round(0.3 * index, 3), 0, 2.0 * index]
        header.save_as(path)
    volume = read_volume(tmp_path / "dicom")
    assert volume.values.shape == (6, 14, 10)
    np.testing.assert_allclose(volume.spacing, SPACING)
    columns = np.arange(10)
    middles = [plane.sum(axis=0) @ columns / plane.sum() for plane in volume.values[2:5].astype(float)]
    np.testing.assert_allclose(np.diff(middles), 0.2, atol=0.02)


def test_a_tilted_gantry_is_straightened(tmp_path):
    """Every slice lies 2 mm further along the table, tilted by 20°, so 0.684 mm down its own plane."""
    paths = write_dicom(tmp_path / "dicom", phantom(), SPACING, GantryDetectorTilt=20)
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    for index, path in enumerate(paths):
        header = pydicom.dcmread(path)
        header.ImageOrientationPatient = [1, 0, 0, 0, round(cosine, 9), round(sine, 9)]
        header.ImagePositionPatient = [0, 0, 2.0 * index]
        header.save_as(path)
    volume = read_volume(tmp_path / "dicom")
    np.testing.assert_allclose(volume.spacing, (1.5, 1.25, 2.0 * cosine), rtol=1e-6)
    rows = np.arange(volume.values.shape[1])
    tops = [float(plane.sum(axis=1) @ rows / plane.sum()) for plane in volume.values.astype(float) if plane.max() >= 40]
    np.testing.assert_allclose(np.diff(tops[1:]), 2.0 * sine / 1.25, atol=0.02)


def test_a_tilt_that_positions_know_nothing_of_is_refused(tmp_path):
    write_dicom(tmp_path / "dicom", phantom(), SPACING, GantryDetectorTilt=20)
    with pytest.raises(InputError, match=r"GantryDetectorTilt of 20°, but slices that lie straight"):
        read_volume(tmp_path / "dicom")


@pytest.mark.parametrize("limit", [None, 65520])
def test_padding_becomes_the_smallest_real_value(limit, tmp_path):
    """A corner of every slice is padding: neither the largest value nor air."""
    values = phantom() + 1000
    values[:, :2, :2], values[:, 0, 0] = 65535, 65525
    write_dicom(tmp_path / "dicom", values, SPACING, RescaleSlope=1, RescaleIntercept=-1024)
    for path in (tmp_path / "dicom").iterdir():
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "US", 65535)
        if limit is not None:
            header.add_new("PixelPaddingRangeLimit", "US", limit)
        header.save_as(path)
    volume = read_volume(tmp_path / "dicom")
    expected = phantom().astype(int) - 24
    if limit is None:
        expected[:, 0, 0] = 65525 - 1024
    np.testing.assert_array_equal(volume.values, expected)


def test_signed_padding_is_found_when_its_tag_has_no_sign(tmp_path):
    values = phantom().astype(np.int16)
    values[:, :2, :2] = -2000
    write_dicom(tmp_path / "dicom", values.view(np.uint16), SPACING, PixelRepresentation=1)
    for path in (tmp_path / "dicom").iterdir():
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "US", 65536 - 2000)
        header.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom())


def test_display_does_not_change_values(tmp_path):
    write_dicom(tmp_path / "dicom", phantom(), SPACING, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom())


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_that_are_not_used_are_no_values(signed, tmp_path):
    """12 bits are stored, and an overlay lies in the highest."""
    write_dicom(
        tmp_path / "dicom",
        ((phantom().astype(int) - 100 * signed) & 0xFFF) | 0x8000,
        SPACING,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=signed,
    )
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom().astype(int) - 100 * signed)


def test_a_series_without_preambles_is_read(tmp_path):
    for path in write_dicom(tmp_path / "dicom", phantom(), SPACING):
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom())


@pytest.mark.parametrize("implicit", [True, False])
def test_a_series_of_bare_datasets_is_read(implicit, tmp_path):
    for path in write_dicom(tmp_path / "dicom", phantom(), SPACING):
        header = pydicom.dcmread(path)
        bare = Dataset()
        bare.update(header)
        pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=True)
        assert pydicom.dcmread(path, force=True).file_meta == FileMetaDataset()
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom())


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [(JPEGLSLossless, imagecodecs.jpegls_encode), (JPEG2000Lossless, imagecodecs.jpeg2k_encode), (RLELossless, None)],
)
def test_lossless_compression_is_undone(syntax, encode, tmp_path):
    for path in write_dicom(tmp_path / "dicom", phantom(), SPACING):
        header = pydicom.dcmread(path)
        if encode is None:
            header.compress(RLELossless)
        else:
            options = {"reversible": True, "codecformat": "j2k"} if "2000" in syntax.name else {}
            header.PixelData = encapsulate([encode(np.ascontiguousarray(header.pixel_array), **options)])
            header["PixelData"].is_undefined_length = True
            header.file_meta.TransferSyntaxUID = syntax
        header.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom())


def test_other_compression_is_refused_by_its_name(tmp_path):
    for path in write_dicom(tmp_path / "dicom", phantom(), SPACING):
        header = pydicom.dcmread(path)
        header.PixelData = encapsulate([b"\xff\xd8" + bytes(50)])
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = JPEGExtended12Bit
        header.save_as(path)
    with pytest.raises(InputError, match="is compressed as JPEG Extended"):
        read_volume(tmp_path / "dicom")


def _item(**tags: object) -> Sequence:
    item = Dataset()
    for tag, value in tags.items():
        setattr(item, tag, value)
    return Sequence([item])


def write_enhanced(path: Path, values: np.ndarray, slopes: list[float] | None = None) -> FileDataset:
    """Write one file of many frames, in no order, as enhanced CT has it."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, EnhancedCTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    image = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = EnhancedCTImageStorage, meta.MediaStorageSOPInstanceUID
    image.SeriesInstanceUID, image.Modality = generate_uid(), "CT"
    image.NumberOfFrames, image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    shared, frames = Dataset(), []
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = _item(PixelSpacing=[SPACING[1], SPACING[0]])
    order = np.roll(np.arange(len(values)), 2)
    for index in order:
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=[0, 0, SPACING[2] * int(index)])
        if slopes is not None:
            frame.PixelValueTransformationSequence = _item(RescaleSlope=slopes[index], RescaleIntercept=0)
        frames.append(frame)
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PerFrameFunctionalGroupsSequence = Sequence(frames)
    image.PixelData = values[order].astype(np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return image


@pytest.mark.parametrize("name", ["scan.dcm", "dicom/frames"])
def test_an_enhanced_file_of_many_frames_is_read(name, tmp_path):
    path = tmp_path / name
    write_enhanced(path, phantom(), slopes=[1, 2, 1, 1, 0.5, 1])
    volume = read_volume(path if name == "scan.dcm" else path.parent)
    np.testing.assert_allclose(volume.spacing, SPACING)
    np.testing.assert_array_equal(volume.values, phantom() * np.array([1, 2, 1, 1, 0.5, 1])[:, None, None])


def _frames_without_places(folder: Path) -> None:
    image = write_enhanced(folder / "frames", phantom())
    del image.PerFrameFunctionalGroupsSequence
    image.save_as(folder / "frames")


def _too_few_places(folder: Path) -> None:
    image = write_enhanced(folder / "frames", phantom())
    image.PerFrameFunctionalGroupsSequence = image.PerFrameFunctionalGroupsSequence[:3]
    image.save_as(folder / "frames")


def _no_position(folder: Path) -> None:
    for path in write_dicom(folder, phantom(), SPACING, SliceLocation=1.0):
        header = pydicom.dcmread(path)
        del header.ImagePositionPatient
        header.save_as(path)


def _high_bit(folder: Path) -> None:
    write_dicom(folder, phantom(), SPACING, BitsStored=12, HighBit=15)


def _for_display(folder: Path) -> None:
    write_dicom(folder, phantom(), SPACING, PixelIntensityRelationship="DISP")


def _table(folder: Path) -> None:
    table = _item(LUTDescriptor=[4, 0, 16], ModalityLUTType="US", LUTData=bytes(8))
    write_dicom(folder, phantom(), SPACING, ModalityLUTSequence=table)


def _palette(folder: Path) -> None:
    write_dicom(folder, phantom(), SPACING, PhotometricInterpretation="PALETTE COLOR")


def _text_as_number(folder: Path) -> None:
    for path in write_dicom(folder, phantom(), SPACING):
        header = pydicom.dcmread(path)
        header.add_new("RescaleSlope", "LO", "no")
        header.save_as(path)


def _slice_shifted(folder: Path) -> None:
    path = write_dicom(folder, phantom(), SPACING)[3]
    header = pydicom.dcmread(path)
    header.ImagePositionPatient = [5, 0, 6]
    header.save_as(path)


def _report_among_slices(folder: Path) -> None:
    path = write_dicom(folder, phantom(), SPACING)[0]
    header = pydicom.dcmread(path)
    for tag in ("Rows", "Columns", "PixelData", "BitsAllocated"):
        delattr(header, tag)
    header.save_as(folder / "report.dcm")


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (_frames_without_places, "is a multi-frame DICOM that does not say where its frames lie"),
        (_too_few_places, "has 6 frames, but says of 3 where they lie"),
        (_no_position, "has no ImagePositionPatient (InstanceNumber and SliceLocation do not say where it lies)"),
        (_high_bit, "stores 12 bits up to bit 15"),
        (_for_display, "holds intensities processed for display (PixelIntensityRelationship DISP)"),
        (_table, "means what a table makes of its values (ModalityLUTSequence)"),
        (_palette, "holds a colour image"),
        (_text_as_number, "is damaged or cut off"),
        (_slice_shifted, "has slices that are shifted against each other"),
        (_report_among_slices, "report.dcm is damaged or cut off or holds no image"),
    ],
    ids=lambda case: getattr(case, "__name__", None),
)
def test_what_cannot_be_read_is_one_sentence(write, problem, tmp_path):
    write(tmp_path / "dicom")
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path / "dicom")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
