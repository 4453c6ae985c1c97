"""Reviewed devices as sets: the right images under the right names, with who said so, and read by what reads sets."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from review_line import CLASSES, drawn_images, model_answer, opinion, result_content
from rgbx.datasets.images import read_radiograph
from rgbx.datasets.labelled import load_images, open_sets
from rgbx.errors import InputError, RgbxError
from rgbx.files import sha256
from rgbx.samples import SampleSet
from rgbx_line.log import LineLog
from rgbx_line.review.audited import index_path
from rgbx_line.review.export import Exported, export_reviewed
from rgbx_line.review.index import ReviewIndex
from rgbx_line.review_mix import ReviewMix
from rgbx_line.settings import LineFolder


def write(folder: Path, *things: tuple[str, dict[str, Any]]) -> None:
    with LineLog(folder / "log") as log:
        for thing in things:
            log.append([thing])


def devices(folder: Path, count: int) -> list[tuple[str, dict[str, Any]]]:
    made = []
    for place in range(count):
        images = drawn_images(folder / "camera", f"D{place}", place % 3)
        made.append(("result", result_content(place + 1, model_answer({"SP1": 0.4, "SP2": 0.35}, images=images))))
    return made


def exported(folder: Path, out: Path, mix: ReviewMix | None = None, **options: Any) -> Exported:
    line = LineFolder(folder)
    with ReviewIndex(line.log, index_path(line), mix or ReviewMix()) as index:
        index.update()
        return export_reviewed(index, line, out, options.pop("classes", CLASSES), **options)


def test_sets_are_read_by_what_trains_and_calibrates(tmp_path: Path) -> None:
    write(tmp_path, *devices(tmp_path, 6), *[opinion(place + 1, CLASSES[place % 3]) for place in range(6)])
    found = exported(tmp_path, tmp_path / "out")
    assert {modality: dict(counts) for modality, counts in found.images.items()} == {
        "rgb": dict.fromkeys(CLASSES, 2),
        "xray": dict.fromkeys(CLASSES, 2),
    }
    for modality in ("rgb", "xray"):
        sets = open_sets([tmp_path / "out" / modality], modality)
        loaded = load_images(sets, lambda image: np.asarray(image)[:8, :8].copy())
        assert (loaded.classes, np.bincount(loaded.labels).tolist()) == (CLASSES, [2, 2, 2])
        assert len(set(loaded.units)) == 6, "each device is a unit"


def test_a_record_says_who_said_so_and_which_line_it_was(tmp_path: Path) -> None:
    write(tmp_path, *devices(tmp_path, 2), opinion(1, "SP2"), opinion(2, "SP1", "emil"), opinion(1, "SP2", "emil"))
    exported(tmp_path, tmp_path / "out")
    lines = [json.loads(line) for line in next((tmp_path / "log").glob("*.jsonl")).read_bytes().splitlines()]
    first = next(record for record in SampleSet.open(tmp_path / "out" / "xray") if record.label == "SP2")
    assert first.draw["log"] == {"number": 1, "hash": lines[0]["hash"], "time": lines[0]["time"]}
    assert [(each["who"], each["hash"]) for each in first.draw["reviewed"]] == [
        ("olga", lines[2]["hash"]),
        ("emil", lines[4]["hash"]),
    ]
    image = tmp_path / "out" / "xray" / first.file_name
    assert first.draw["sha256"] == sha256(image) == sha256(tmp_path / "camera" / "D0_xray.png")


def test_only_what_is_settled_is_exported(tmp_path: Path) -> None:
    write(
        tmp_path,
        *devices(tmp_path, 6),
        opinion(1, "SP1"),
        opinion(2, "SP1"),
        opinion(2, "SP2", "emil"),
        opinion(3, "skip"),
        opinion(4, "unknown"),
        opinion(5, "SP1"),
        opinion(5, None),
        opinion(6, "SP1"),
    )
    (tmp_path / "camera" / "D5_rgb.png").unlink()
    (tmp_path / "camera" / "D5_xray.png").unlink()
    found = exported(tmp_path, tmp_path / "out")
    assert (found.images["rgb"].total(), found.unknown, found.without_images) == (1, 1, 1)
    assert found.lacking["rgb"] == ("SP2", "SP10")
    with pytest.raises(InputError, match="no image of class"):
        load_images(open_sets([tmp_path / "out" / "rgb"], "rgb"), np.asarray)


def test_archived_images_are_found(tmp_path: Path) -> None:
    write(tmp_path, *devices(tmp_path, 1), opinion(1, "SP1"))
    line = json.loads(next((tmp_path / "log").glob("*.jsonl")).read_bytes().splitlines()[0])
    day = tmp_path / "images" / line["time"][:10]
    day.mkdir(parents=True)
    (tmp_path / "camera" / "D0_rgb.png").rename(day / "0000000001_D0_rgb.png")
    assert exported(tmp_path, tmp_path / "out").images["rgb"]["SP1"] == 1


def test_devices_drawn_at_random_can_be_had_alone(tmp_path: Path) -> None:
    count = 40
    write(tmp_path, *devices(tmp_path, count), *[opinion(place + 1, CLASSES[place % 3]) for place in range(count)])
    mix = ReviewMix(random_share=0.4)
    exported(tmp_path, tmp_path / "drawn", mix, drawn_only=True)
    records = list(SampleSet.open(tmp_path / "drawn" / "rgb"))
    assert 0 < len(records) < count
    assert all(int(record.draw["log"]["hash"][:13], 16) < 0.4 * 16**13 for record in records)
    exported(tmp_path, tmp_path / "all", mix)
    assert len(SampleSet.open(tmp_path / "all" / "rgb")) == count


def test_a_class_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *devices(tmp_path, 2), opinion(1, "SP11"))
    with pytest.raises(RgbxError, match="SP11, which the model does not know"):
        exported(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert exported(tmp_path, tmp_path / "out", classes=(*CLASSES, "SP11")).images["rgb"]["SP11"] == 1


def test_nothing_reviewed_is_said(tmp_path: Path) -> None:
    write(tmp_path, *devices(tmp_path, 2))
    with pytest.raises(RgbxError, match="no device has been reviewed"):
        exported(tmp_path, tmp_path / "out")


def test_radiographs_are_as_the_line_saw_them(tmp_path: Path) -> None:
    class Halved:
        record = SimpleNamespace(files={"flat.tiff": "0"})

        def correct(self, image: np.ndarray, _of: object, _taken: object, name: Path) -> np.ndarray:
            if name.name == "D1_xray.png":
                raise InputError(name, "was taken 99 h away from its flat field", "make the fields again")
            return image / 2

    write(tmp_path, *devices(tmp_path, 2), opinion(1, "SP1"), opinion(2, "SP2"))
    found = exported(tmp_path, tmp_path / "out", flat=Halved())
    assert (found.images["xray"].total(), found.uncorrected, found.images["rgb"].total()) == (1, 1, 2)
    (record,) = SampleSet.open(tmp_path / "out" / "xray")
    was = read_radiograph(tmp_path / "camera" / "D0_xray.png")
    seen = read_radiograph(tmp_path / "out" / "xray" / record.file_name)
    np.testing.assert_allclose(seen, was / 2, atol=1e-5)
