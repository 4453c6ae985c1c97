import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rgbx.errors import InputError
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import read_volume, write_volume
from scan_files import WRITERS, itk_image, phantom, write_dicom, write_itk, write_unit_file

SPACING = (1.5, 1.25, 2.0)

lengths = st.floats(0.9, 4.0).map(lambda length: round(length, 3))
grids = arrays(np.uint16, array_shapes(min_dims=3, max_dims=3, min_side=6, max_side=9), elements=st.integers(0, 65535))


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=8, deadline=None)
@given(values=grids, spacing=st.tuples(lengths, lengths, lengths))
def test_reads_back_what_was_written(kind, values, spacing, tmp_path_factory):
    values[0, 0, 0] = 65535 - values[-1, -1, -1]  # never constant
    volume = read_volume(WRITERS[kind](tmp_path_factory.mktemp(kind), values, spacing))
    np.testing.assert_array_equal(volume.values, values)
    np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_writes_what_it_reads(suffix, dtype, tmp_path):
    written = Volume(phantom(dtype), SPACING)
    write_volume(tmp_path / f"scan{suffix}", written)
    volume = read_volume(tmp_path / f"scan{suffix}")
    assert volume.values.dtype == written.values.dtype
    np.testing.assert_array_equal(volume.values, written.values)
    np.testing.assert_allclose(volume.spacing, SPACING)


def test_a_written_scan_has_its_origin_at_the_centre_of_the_grid(tmp_path):
    write_volume(tmp_path / "scan.nrrd", Volume(phantom(), SPACING))
    image = sitk.ReadImage(str(tmp_path / "scan.nrrd"))
    centre = image.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in image.GetSize()])
    np.testing.assert_allclose(centre, 0, atol=1e-12)


def test_permuted_and_flipped_axes_are_brought_back(tmp_path):
    image = itk_image(phantom(), SPACING)
    turned = sitk.Flip(sitk.PermuteAxes(image, [2, 0, 1]), [True, False, True])  # directions follow the voxels
    sitk.WriteImage(turned, str(tmp_path / "scan.nrrd"))
    volume = read_volume(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(volume.values, phantom())
    np.testing.assert_allclose(volume.spacing, SPACING)


def test_an_oblique_grid_keeps_its_voxels(tmp_path):
    image = itk_image(phantom(), SPACING)
    cosine, sine = np.cos(0.2), np.sin(0.2)
    image.SetDirection([cosine, -sine, 0, sine, cosine, 0, 0, 0, 1])
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.mha").values, phantom())


def test_scan_axes_turn_the_scan_into_the_unit_frame(tmp_path):
    path = write_itk(tmp_path / "scan.nrrd", phantom(), SPACING)
    write_unit_file(tmp_path, scan_axes=["y", "-z", "x"])
    volume = read_volume(path)
    expected = np.empty((9, 6, 14), np.uint16)
    for z, y, x in np.ndindex(phantom().shape):
        expected[x, 5 - z, y] = phantom()[z, y, x]
    np.testing.assert_array_equal(volume.values, expected)
    assert volume.spacing == (SPACING[1], SPACING[2], SPACING[0])


def test_a_dicom_series_is_rescaled(tmp_path):
    folder = tmp_path / "dicom"
    write_dicom(folder, phantom(), SPACING, RescaleSlope=2, RescaleIntercept=-1000)
    np.testing.assert_array_equal(read_volume(folder).values, phantom().astype(float) * 2 - 1000)


def test_slices_that_are_rescaled_each_by_its_own_factor_keep_their_fractions(tmp_path):
    folder = tmp_path / "dicom"
    for index, path in enumerate(write_dicom(folder, phantom(), SPACING)):
        header = pydicom.dcmread(path)
        header.RescaleSlope, header.RescaleIntercept = 1 + 0.25 * index, 0
        header.save_as(path)
    expected = phantom() * (1 + 0.25 * np.arange(6))[:, None, None]
    np.testing.assert_allclose(read_volume(folder).values, expected)


def test_a_series_whose_rows_run_right_to_left_is_not_mirrored(tmp_path):
    write_dicom(tmp_path / "dicom", phantom(), SPACING, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(read_volume(tmp_path / "dicom").values, phantom()[:, :, ::-1])


def test_units_of_length_in_a_nrrd_header_are_heeded(tmp_path):
    values = np.arange(1000, dtype=np.uint8).reshape(10, 10, 10)
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 10 10 10\nencoding: raw\n"
    header += 'spacings: 700 800 900\nunits: "um" "um" "um"\n\n'
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + values.tobytes())
    volume = read_volume(tmp_path / "scan.nrrd")
    np.testing.assert_allclose(volume.spacing, (0.7, 0.8, 0.9))
    np.testing.assert_array_equal(volume.values, values)


def test_unit_yaml_overrides_the_voxel_size_of_the_file(tmp_path):
    path = write_itk(tmp_path / "scan.nrrd", phantom(), (0.001, 0.001, 0.001))
    write_unit_file(tmp_path, voxel_size_mm=1.5)
    assert read_volume(path).spacing == (1.5, 1.5, 1.5)


def _write_page_by_page(path: Path, values: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for plane in values:
            tiff.write(plane, contiguous=False)


def test_a_tiff_written_page_by_page_is_one_stack(tmp_path):
    _write_page_by_page(tmp_path / "scan.tif", phantom())
    write_unit_file(tmp_path, voxel_size_mm=list(SPACING))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.tif").values, phantom())


def test_float64_becomes_float32(tmp_path):
    path = write_itk(tmp_path / "scan.nrrd", phantom("float64"), SPACING)
    assert read_volume(path).values.dtype == np.float32


# --- bad input ---


def _cut(path: Path, keep: float = 0.7) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 9999, (8, 20, 10)).astype(np.uint16)


def _missing(folder):
    return folder / "scan.nrrd"


def _empty(folder):
    (folder / "scan.nrrd").touch()
    return folder / "scan.nrrd"


def _cut_nrrd(folder):
    return _cut(write_itk(folder / "scan.nrrd", _noise(), SPACING))


def _cut_metaimage(folder):
    return _cut(write_itk(folder / "scan.mha", _noise(), SPACING))


def _cut_nifti(folder):
    return _cut(write_itk(folder / "scan.nii", _noise(), SPACING))


def _cut_nifti_gz(folder):
    return _cut(write_itk(folder / "scan.nii.gz", _noise(), SPACING))


def _short_inside_gz(folder):
    content = gzip.decompress(write_itk(folder / "scan.nii.gz", _noise(), SPACING).read_bytes())
    (folder / "scan.nii.gz").write_bytes(gzip.compress(content[:-200]))
    return folder / "scan.nii.gz"


def _cut_tiff(folder):
    write_unit_file(folder, voxel_size_mm=1.0)
    tifffile.imwrite(folder / "scan.tif", _noise(), photometric="minisblack")
    return _cut(folder / "scan.tif")


def _cut_tiff_of_scattered_pages(folder):
    write_unit_file(folder, voxel_size_mm=1.0)
    _write_page_by_page(folder / "scan.tif", _noise())
    return _cut(folder / "scan.tif")


def _cut_dicom(folder):
    paths = write_dicom(folder / "dicom", _noise(), SPACING)
    _cut(paths[3], 0.9)
    return folder / "dicom"


def _cut_dicom_header(folder):
    paths = write_dicom(folder / "dicom", _noise(), SPACING)
    _cut(paths[3], 0.1)
    return folder / "dicom"


def _text_as_dicom(folder):
    write_dicom(folder / "dicom", _noise(), SPACING)[2].write_text("not this")
    return folder / "dicom"


def _missing_slices(folder):
    for path in write_dicom(folder / "dicom", _noise(), SPACING)[3:5]:
        path.unlink()
    return folder / "dicom"


def _doubled_slice(folder):
    paths = write_dicom(folder / "dicom", _noise(), SPACING)
    (folder / "dicom" / "copy.dcm").write_bytes(paths[2].read_bytes())
    return folder / "dicom"


def _two_series(folder):
    path = write_dicom(folder / "dicom", _noise(), SPACING)[5]
    header = pydicom.dcmread(path)
    header.SeriesInstanceUID = "1.2.3"
    header.save_as(path)
    return folder / "dicom"


def _uneven_slices(folder):
    path = write_dicom(folder / "dicom", _noise(), SPACING)[5]
    header = pydicom.dcmread(path)
    header.ImagePositionPatient = [0, 0, 5.3 * SPACING[2]]
    header.save_as(path)
    return folder / "dicom"


def _other_pixel_spacing(folder):
    path = write_dicom(folder / "dicom", _noise(), SPACING)[5]
    header = pydicom.dcmread(path)
    header.PixelSpacing = [3, 3]
    header.save_as(path)
    return folder / "dicom"


def _colour_dicom(folder):
    write_dicom(folder / "dicom", _noise(), SPACING, SamplesPerPixel=3)
    return folder / "dicom"


def _no_slices(folder):
    (folder / "dicom").mkdir()
    return folder / "dicom"


def _tiff_without_voxel_size(folder):
    tifffile.imwrite(folder / "scan.tif", _noise(), photometric="minisblack")
    return folder / "scan.tif"


def _imagej_in_pixels(folder):
    tifffile.imwrite(folder / "scan.tif", _noise(), imagej=True, resolution=(1, 1), metadata={"spacing": 1.0})
    return folder / "scan.tif"


def _missing_tiff_slice(folder):
    WRITERS["tiff-folder"](folder, _noise(), SPACING)
    (folder / "scan" / "slice11.tif").unlink()
    return folder / "scan"


def _unlike_tiff_slices(folder):
    WRITERS["tiff-folder"](folder, _noise(), SPACING)
    tifffile.imwrite(folder / "scan" / "slice9.tif", np.zeros((5, 5), np.uint16))
    return folder / "scan"


def _not_a_number(folder):
    values = phantom("float32")
    values[2, 3, 4] = np.nan
    return write_itk(folder / "scan.nrrd", values, SPACING)


def _infinite(folder):
    values = phantom("float32")
    values[2, 3, 4] = np.inf
    return write_itk(folder / "scan.nrrd", values, SPACING)


def _constant(folder):
    return write_itk(folder / "scan.nrrd", np.full((6, 7, 8), 3, np.uint8), SPACING)


def _colour_volume(folder):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((6, 7, 8, 3), np.uint8), isVector=True), str(folder / "scan.nrrd"))
    return folder / "scan.nrrd"


def _colour_tiff(folder):
    write_unit_file(folder, voxel_size_mm=1.0)
    tifffile.imwrite(folder / "scan.tif", np.zeros((6, 20, 20, 3), np.uint8), photometric="rgb")
    return folder / "scan.tif"


def _flat(folder):
    sitk.WriteImage(sitk.GetImageFromArray(_noise()[0]), str(folder / "scan.nrrd"))
    return folder / "scan.nrrd"


def _single_slice(folder):
    return write_itk(folder / "scan.mha", _noise()[:1], SPACING)


def _flat_tiff(folder):
    write_unit_file(folder, voxel_size_mm=1.0)
    tifffile.imwrite(folder / "scan.tif", _noise()[0])
    return folder / "scan.tif"


def _meta(folder, spacing):
    header = (
        f"ObjectType = Image\nNDims = 3\nDimSize = 9 9 9\n{spacing}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    (folder / "scan.mha").write_bytes(header.encode() + bytes(range(243)) * 3)
    return folder / "scan.mha"


def _zero_spacing(folder):
    return _meta(folder, "ElementSpacing = 1 0 1\n")


def _negative_spacing(folder):
    return _meta(folder, "ElementSpacing = 1 -1 1\n")


def _no_spacing_in_metaimage(folder):
    return _meta(folder, "")


def _no_spacing_in_nrrd(folder):
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 9 9 9\nencoding: raw\n\n"
    (folder / "scan.nrrd").write_bytes(header + bytes(range(243)) * 3)
    return folder / "scan.nrrd"


def _nan_spacing_in_nrrd(folder):
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 9 9 9\nspacings: nan nan nan\nencoding: raw\n\n"
    (folder / "scan.nrrd").write_bytes(header + bytes(range(243)) * 3)
    return folder / "scan.nrrd"


def _huge_header(folder):
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 40000 40000 40000\nspacings: 1 1 1\nencoding: raw\n\n"
    (folder / "scan.nrrd").write_bytes(header + bytes(64))
    return folder / "scan.nrrd"


def _raw_of_wrong_size(folder):
    write_unit_file(folder, voxel_size_mm=1.0, shape=[9, 9, 9], dtype="uint16")
    (folder / "scan.raw").write_bytes(bytes(1000))
    return folder / "scan.raw"


def _raw_without_shape(folder):
    write_unit_file(folder, voxel_size_mm=1.0, dtype="uint16")
    (folder / "scan.raw").write_bytes(bytes(1000))
    return folder / "scan.raw"


def _metres_as_mm(folder):
    return write_itk(folder / "scan.nrrd", phantom(), (0.0001, 0.0001, 0.0001))


def _micrometres_as_mm(folder):
    return write_itk(folder / "scan.nrrd", phantom(), (500.0, 500.0, 500.0))


def _text(folder):
    (folder / "scan.nrrd").write_text("this is no scan")
    return folder / "scan.nrrd"


def _unknown_format(folder):
    (folder / "scan.doc").write_bytes(bytes(10))
    return folder / "scan.doc"


BAD = [
    (_missing, "scan.nrrd does not exist", "check the path"),
    (_empty, "scan.nrrd is empty", "copy or export it again"),
    (_cut_nrrd, "scan.nrrd is damaged or cut off", "copy or export it again"),
    (_cut_metaimage, "scan.mha is damaged or cut off", "copy or export it again"),
    (_cut_nifti, "scan.nii is damaged or cut off", "copy or export it again"),
    (_cut_nifti_gz, "scan.nii.gz is damaged or cut off", "copy or export it again"),
    (_short_inside_gz, "scan.nii.gz is damaged or cut off", "copy or export it again"),
    (_cut_tiff, "scan.tif is damaged or cut off", "copy or export it again"),
    (_cut_tiff_of_scattered_pages, "scan.tif is damaged or cut off", "copy or export it again"),
    (_cut_dicom, "-3.dcm is damaged or cut off", "copy or export it again"),
    (_cut_dicom_header, "-3.dcm is damaged or cut off", "copy or export it again"),
    (_text_as_dicom, "-2.dcm is damaged or cut off or is no DICOM", "copy or export it again"),
    (_missing_slices, "dicom lacks 2 slices between", "copy the whole series again"),
    (_doubled_slice, "dicom holds two slices at one position", "remove the doubled files"),
    (_two_series, "dicom mixes 2 DICOM series", "keep the files of one scan"),
    (_uneven_slices, "dicom has uneven distances between slices", "resample the scan"),
    (_other_pixel_spacing, "has another PixelSpacing than", "keep only the slices of one scan"),
    (_colour_dicom, ".dcm holds a colour image", "export the scan's grey values"),
    (_no_slices, "dicom holds 0 DICOM slices", "put all slices of one scan into it"),
    (_tiff_without_voxel_size, "scan.tif has no voxel size", "add 'voxel_size_mm: [x, y, z]' to"),
    (_imagej_in_pixels, "scan.tif has no voxel size", "add 'voxel_size_mm: [x, y, z]' to"),
    (_missing_tiff_slice, "scan lacks the slices between 10 and 12", "copy all slices again"),
    (_unlike_tiff_slices, "slice9.tif differs in size", "keep only the slices of one scan"),
    (_not_a_number, "scan.nrrd has voxels that are NaN or infinite", "replace them"),
    (_infinite, "scan.nrrd has voxels that are NaN or infinite", "replace them"),
    (_constant, "scan.nrrd is empty: every voxel is 3", "export it again"),
    (_colour_volume, "scan.nrrd holds 3 values a voxel", "export the scan's grey values"),
    (_colour_tiff, "scan.tif holds colour slices", "export the scan's grey values"),
    (_flat, "scan.nrrd is 2-dimensional", "give a three-dimensional scan"),
    (_single_slice, "scan.mha has 10 × 20 × 1 voxels", "give a three-dimensional scan"),
    (_flat_tiff, "scan.tif holds an image of shape", "give a page a slice"),
    (_zero_spacing, "scan.mha has a spacing of 1 0 1", "correct the spacing"),
    (_negative_spacing, "scan.mha has a spacing of 1 -1 1", "correct the spacing"),
    (_no_spacing_in_metaimage, "scan.mha has no voxel size", "add 'voxel_size_mm"),
    (_no_spacing_in_nrrd, "scan.nrrd has no voxel size", "add 'voxel_size_mm"),
    (_nan_spacing_in_nrrd, "scan.nrrd has a spacing of nan", "correct the spacing"),
    (_huge_header, "scan.nrrd has 64,000,000,000,000 voxels", "crop it to the device"),
    (_raw_of_wrong_size, "scan.raw has 1,000 bytes, but 9 × 9 × 9 voxels of uint16 make 1,458", "correct 'shape'"),
    (_raw_without_shape, "scan.raw does not say its shape", "add 'shape' to"),
    (_metres_as_mm, "scan.nrrd is 0.0014 mm long", "correct its voxel size"),
    (_micrometres_as_mm, "scan.nrrd is 7000 mm long", "correct its voxel size"),
    (_text, "scan.nrrd is not a NRRD file", "copy or export it again"),
    (_unknown_format, "scan.doc is no scan in a format that can be read", "give one of .nrrd"),
]


@pytest.mark.parametrize(("make", "problem", "remedy"), BAD, ids=[case[0].__name__.strip("_") for case in BAD])
def test_bad_input_is_one_sentence_with_a_remedy(make, problem, remedy, tmp_path, capfd):
    path = make(tmp_path)
    capfd.readouterr()
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert problem in message
    assert remedy in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")  # no chatter of the readers


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("voxel_size_mm: [1, 1, 0]", "greater than 0"),
        ("voxel_size_mm: -1", "greater than 0"),
        ("voxel_size: 1", "'voxel_size'"),
        ("scan_axes: [x, x, z]", "scan_axes"),
        ("dtype: uint12", "'dtype'"),
        (": :", "is not valid YAML"),
    ],
)
def test_a_wrong_unit_yaml_is_named(text, problem, tmp_path):
    path = write_itk(tmp_path / "scan.nrrd", phantom(), SPACING)
    (tmp_path / "unit.yaml").write_text(text)
    with pytest.raises(InputError, match=r"unit\.yaml") as caught:
        read_volume(path)
    assert problem in str(caught.value)
