"""Images of a class that is to be added: of which units, how many, and alike the bundle's."""

import time
from pathlib import Path

import pytest

from learning_sets import write_set
from rgbx.errors import InputError, RgbxError
from rgbx.evaluation.unit_images import RENDERER, UNIT_RENDERERS, WantedImages
from rgbx.models.memory import ImageSource
from rgbx.samples import SampleSet
from rgbx.samples.sets import read_set_header
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.sp10.family import SP10
from rgbx_render import new_class
from rgbx_render.new_class import FEWEST, TRIED, render_new_class
from rgbx_render.photography.photographs import PHOTOGRAPHS_ORIGIN
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import RADIOGRAPHS_ORIGIN
from rgbx_render.radiography.randomisation import XrayRandomisation

XRAY = XrayRandomisation(size=48).updated({"acceptance.keypoints": 0})
SOURCES = {
    "xray": (
        ImageSource.of("real: images of the user", {}),
        ImageSource.of(RADIOGRAPHS_ORIGIN, XRAY.model_dump(mode="json")),
    ),
    "rgb": (ImageSource.of(PHOTOGRAPHS_ORIGIN, RgbRandomisation(size=48, samples=1).model_dump(mode="json")),),
}


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    library = tmp_path_factory.mktemp("units") / "scanned today"
    write_units(library, SP10, [UnitKey("SP3", 1), UnitKey("SP3", 2)], scan_spacing_mm=1.5, mesh=True, workers=0)
    return [library / "SP3/SP3-001", library / "SP3/SP3-002"]


def render(units: list[Path], out: Path, modalities: str = "xray", minutes: float = 5, photographs: int = 40) -> dict:
    sources = {modality: SOURCES[modality] for modality in modalities.split()}
    return render_new_class(units, "SP11", sources, out, WantedImages(6, photographs, minutes), 3, 0)


@pytest.fixture
def photographed(monkeypatch):
    """Let photographs take a time of their own, and no Blender; return how many were asked for."""
    asked, now = [], [0.0]

    def photograph(library, out, config, *, images_per_class, seed, workers):  # noqa: ARG001
        if not out.exists():
            write_set(out, "rgb", per_class=images_per_class, classes=library.classes)
            header = read_set_header(out).updated({"config": {"images_per_class": images_per_class}})
            (out / "dataset.json").write_text(header.model_dump_json())
            asked.append(images_per_class)
            now[0] += 2.0 * images_per_class

    monkeypatch.setattr(new_class, "render_photographs", photograph)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return asked


def test_it_is_what_the_core_asks_for() -> None:
    assert UNIT_RENDERERS[RENDERER] is render_new_class


def test_radiographs_are_of_the_units_and_made_as_the_bundles_were(units, tmp_path):
    (folder,) = render(units, tmp_path / "images")["xray"]
    samples = SampleSet.open(folder)
    assert samples.header.classes == ("SP11",)
    assert ImageSource.of(samples.header.origin, samples.header.config) == SOURCES["xray"][1]
    assert {record.unit for record in samples} <= {"SP3-001", "SP3-002"}
    assert len(samples) == 6
    render(units, tmp_path / "images")  # which is there


def test_as_many_photographs_as_the_time_allows(units, tmp_path, photographed):
    first, rest = render(units, tmp_path / "images", "rgb", minutes=2)["rgb"]
    allowed = int((0.75 * 120 - 2 * TRIED) / 2)
    assert photographed == [TRIED, min(allowed, 40 - TRIED)]
    assert len(SampleSet.open(first)) + len(SampleSet.open(rest)) == TRIED + photographed[1]


@pytest.mark.parametrize(
    ("minutes", "photographs", "asked"),
    [(60, 40, [TRIED, 40 - TRIED]), (0, 40, [TRIED, FEWEST - TRIED]), (60, TRIED, [TRIED])],
)
def test_photographs_are_at_most_what_was_asked_and_never_very_few(
    minutes, photographs, asked, units, tmp_path, photographed
):
    render(units, tmp_path / "images", "rgb", minutes=minutes, photographs=photographs)
    assert photographed == asked


def test_a_run_that_was_stopped_goes_on_with_as_many_as_before(units, tmp_path, photographed):
    render(units, tmp_path / "images", "rgb", minutes=2)
    before = list(photographed)
    render(units, tmp_path / "images", "rgb", minutes=60)
    assert photographed == before


def test_units_that_cannot_be_used_are_refused(units, tmp_path):
    with pytest.raises(InputError, match="is a file, not the folder of a unit"):
        render([units[0] / "scan.nrrd"], tmp_path / "images")
    with pytest.raises(InputError, match="does not exist"):
        render([tmp_path / "nowhere"], tmp_path / "images")
    with pytest.raises(InputError, match="as another unit is"):
        render([units[0], units[0]], tmp_path / "images")
    broken = tmp_path / "SP3-009"
    broken.mkdir()
    (broken / "scan.nrrd").write_bytes((units[0] / "scan.nrrd").read_bytes()[:-100])
    with pytest.raises(InputError, match=r"scan\.nrrd"):
        render([broken], tmp_path / "images")
    (broken / "scan.nrrd").unlink()
    (broken / "mesh.glb").write_bytes((units[0] / "mesh.glb").read_bytes())
    with pytest.raises(InputError, match="have no scan, and the bundle takes radiographs"):
        render([broken], tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_a_bundle_of_other_images_is_refused(units, tmp_path):
    with pytest.raises(RgbxError, match="trained on images of another origin"):
        sources = {"xray": SOURCES["xray"][:1]}
        render_new_class(units, "SP11", sources, tmp_path / "images", WantedImages(6, 6, 5), 3, 0)
