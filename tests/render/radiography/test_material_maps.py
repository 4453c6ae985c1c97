import numpy as np
import pytest
import yaml
from test_render_set import board_of_chips

from rgbx.errors import InputError
from rgbx.samples import SampleSet
from rgbx_render.devices.library import Library, Unit
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume
from rgbx_render.radiography.edits import Bend, PartEdit, ScanEdits, edited, find_parts
from rgbx_render.radiography.kernel import path_integrals
from rgbx_render.radiography.materials import indicator_of, render_materials, thickness_map
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.radiographs import render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation
from rgbx_render.radiography.scans import prepare_labels, prepare_scan
from rgbx_render.radiography.transfer import TransferFunction

SPACING = (0.5, 0.4, 0.8)


def slabs():
    """Plastic (label 3, 4 mm) below steel (label 7, 2.4 mm), 30 x 32 mm."""
    scan = np.zeros((20, 100, 80), np.uint16)
    labels = np.zeros(scan.shape, np.uint8)
    scan[5:10, 10:90, 10:70], labels[5:10, 10:90, 10:70] = 900, 3
    scan[10:13, 10:90, 10:70], labels[10:13, 10:90, 10:70] = 9000, 7
    return Volume(scan, SPACING), Volume(labels, SPACING)


SCAN, LABELS = slabs()
PREPARED = prepare_labels(LABELS, SCAN)
PROJECTOR = Projector(source_to_centre=500, source_to_detector=600, pixels=(24, 20), pixel_size=0.5)


@pytest.mark.parametrize(("label", "thickness"), [(3, 4.0), (7, 2.4)])
@pytest.mark.parametrize("tilt", [0.0, 25.0])
def test_stacked_slabs_have_their_thickness_over_the_cosine(label, thickness, tilt):
    rays = PROJECTOR.rays(Pose(rotation=(0, tilt, 0)))
    lengths = thickness_map(indicator_of(PREPARED, label), rays, subsamples=2)
    directions = rays.pixel_centres() - rays.source
    cosine = np.abs(directions[..., 2]) / np.linalg.norm(directions, axis=-1)
    assert lengths.shape == rays.shape
    assert lengths.dtype == np.float32
    np.testing.assert_allclose(lengths, thickness / cosine, rtol=2e-3)


def test_the_materials_sum_to_the_path_in_labelled_matter_in_any_pose():
    wide = PROJECTOR.updated({"pixel_size": 2.5})
    rays = wide.rays(Pose(rotation=(70, 20, 130)))
    total = sum(thickness_map(indicator_of(PREPARED, label), rays) for label in (3, 7))
    solid = np.where(PREPARED.values > 0, np.uint8(1), np.uint8(0))
    description = PREPARED.description.model_copy(update={"top": 1})
    expected = path_integrals(
        type(PREPARED)(solid, description), TransferFunction(name="1", points=((0, 0), (1, 1))), rays
    )
    assert expected.max() > 10
    np.testing.assert_allclose(total, expected, rtol=1e-3, atol=1e-3)


def test_labels_lie_on_the_grid_of_the_prepared_scan():
    scan = prepare_scan(SCAN)
    assert PREPARED.values.shape == scan.values.shape
    assert PREPARED.description.axes == scan.description.axes
    assert np.array_equal(PREPARED.values == 7, scan.values == 9000)
    assert np.array_equal(PREPARED.values == 3, scan.values == 900)
    steel = np.where(LABELS.values == 7, LABELS.values, 0)[:, :50]  # of one half alone: the box is still the scan's
    partly = prepare_labels(Volume(np.pad(steel, ((0, 0), (0, 50), (0, 0))), SPACING), SCAN)
    assert np.count_nonzero(partly.values) == 40 * 60 * 3
    assert not (partly.values & (scan.values != 9000)).any()


def test_what_edits_take_out_of_the_scan_is_taken_out_of_its_materials():
    scan, labels = np.full((24, 90, 60), 50, np.uint16), np.zeros((24, 90, 60), np.uint8)
    scan[4:20, 5:85, 5:55], labels[4:20, 5:85, 5:55] = 500, 1
    scan[8:16, 30:60, 20:40], labels[8:16, 30:60, 20:40] = 9000, 2
    volume = Volume(scan, (1.0, 1.0, 1.0))
    parts = find_parts(prepare_scan(volume))
    assert len(parts) == 1
    prepared = prepare_labels(Volume(labels, volume.spacing), volume)
    gone = PartEdit(which=0, missing=True, shift=0, direction=0, turn=0)
    edits = ScanEdits(parts=(gone,), bend=Bend(sag=0, direction=0))
    assert not edited(indicator_of(prepared, 2), parts, edits).values.any()
    plastic = edited(indicator_of(prepared, 1), parts, edits).values
    assert (plastic == 255).sum() == (prepared.values == 1).sum() - (32 * 22 * 10 - 30 * 20 * 8), "its rim goes with it"


def library_with_labels(folder):
    for number, name in enumerate(("A/A-1", "B/B-1")):
        scan = board_of_chips(number)
        labels = np.digitize(scan.values, [500, 2000, 10000]).astype(np.uint8)
        write_volume(folder / name / "scan.nrrd", scan)
        write_volume(folder / name / "labels.nrrd", Volume(labels, scan.spacing))
    (folder / "A/A-1/unit.yaml").write_text(yaml.safe_dump({"materials": {1: "plastic", 3: "steel"}}))
    (folder / "B/B-1/unit.yaml").write_text(yaml.safe_dump({"materials": {1: "plastic", 3: "copper"}}))
    return Library.open(folder)


def test_maps_are_written_beside_a_set_and_explain_its_images(tmp_path):
    library = library_with_labels(tmp_path / "library")
    config = XrayRandomisation(size=48, subsamples=1, noise_variance=(0, 0)).updated(
        {"acceptance.keypoints": 10, "edits.probability": 0.5}
    )
    render_radiographs(library, tmp_path / "set", config, images_per_class=3, workers=0)
    out = tmp_path / "maps"
    assert render_materials(library, tmp_path / "set", out, workers=0) == 6
    samples = SampleSet.open(tmp_path / "set")
    for record in samples:
        with np.load((out / record.file_name).with_suffix(".npz")) as found:
            assert found["materials"].tolist() == ["plastic", "2", "copper", "steel"]
            lengths = found["thickness_mm"]
        assert lengths.shape == (4, 48, 48)
        assert not lengths[2 if record.label == "A" else 3].any(), "the other class's metal"
        assert all(lengths[channel].any() for channel in (0, 1, 3 if record.label == "A" else 2))
    first = (out / samples.records[0].file_name).with_suffix(".npz")
    content = first.read_bytes()
    first.unlink()
    assert render_materials(library, tmp_path / "set", out, workers=0) == 1, "only what is missing"
    assert first.read_bytes() == content

    render_radiographs(library, tmp_path / "other", config, images_per_class=1, seed=1, workers=0)
    with pytest.raises(InputError, match="maps holds the maps of another set"):
        render_materials(library, tmp_path / "other", out, workers=0)


# --- bad input ---


def unit_with(folder, labels):
    scan = board_of_chips(0)
    write_volume(folder / "A/A-1/scan.nrrd", scan)
    write_volume(folder / "A/A-1/labels.nrrd", labels(scan))
    return Unit.open(folder / "A/A-1"), scan


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (lambda scan: Volume((scan.values[:, :-1] > 0).astype(np.uint8), scan.spacing), "has 70 × 119 × 14 voxels of"),
        (lambda scan: Volume((scan.values > 0).astype(np.uint8), (1.0, 1.0, 0.9)), "has 70 × 120 × 14 voxels of 1 × 1"),
        (lambda scan: Volume(scan.values, scan.spacing), "holds values that are no labels"),
        (lambda scan: Volume((scan.values > 0) * np.float32(0.5), scan.spacing), "holds values that are no labels"),
        (lambda scan: Volume((scan.values > 0).astype(np.int16) * -1, scan.spacing), "holds values that are no labels"),
    ],
    ids=["other-shape", "other-spacing", "grey-values", "fractions", "negative"],
)
def test_labels_that_do_not_fit_are_refused_in_one_sentence(labels, problem, tmp_path):
    unit, _ = unit_with(tmp_path, labels)
    with pytest.raises(InputError) as caught:
        unit.read_labels(unit.read_scan())
    assert problem in str(caught.value)
    assert "labels.nrrd" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_unit_without_labels_is_named(tmp_path):
    write_volume(tmp_path / "A/A-1/scan.nrrd", board_of_chips(0))
    unit = Unit.open(tmp_path / "A/A-1")
    with pytest.raises(InputError, match=r"A-1 has no label volume: add labels\.nrrd"):
        unit.read_labels(unit.read_scan())


def test_labels_alone_are_no_unit(tmp_path):
    write_volume(tmp_path / "A/A-1/labels.nrrd", board_of_chips(0))
    with pytest.raises(InputError, match="holds nothing of a unit"):
        Unit.open(tmp_path / "A/A-1")
