"""Results without a line, reviewed on this machine: taken in once, and by the one who has the address."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from review_line import drawn_images
from rgbx.cli import app
from rgbx.errors import InputError
from rgbx.models.memory import Memory
from rgbx.samples import SampleSet
from rgbx_line.cli.review import review_command
from rgbx_line.log import read_entries, verify
from rgbx_line.review.lab import LabLog
from rgbx_line.review_mix import ReviewMix
from rgbx_line.web.lab import LabSite, build_lab
from tiny_bundle import write_untrained_bundle


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, images, and results of them."""
    folder = tmp_path_factory.mktemp("lab")
    write_untrained_bundle(folder / "model")
    for place in range(4):
        drawn_images(folder / "today", f"D{place}", place % 3)
    ran = CliRunner().invoke(
        app, ["predict", str(folder / "model"), "--folder", str(folder / "today"), "--out", str(folder / "today.jsonl")]
    )
    assert ran.exit_code == 0, ran.output
    return folder


@pytest.fixture
def results(lab: Path, tmp_path: Path) -> Path:
    path = tmp_path / "today.jsonl"
    path.write_bytes((lab / "today.jsonl").read_bytes())
    return path


def opened(lab: Path, results: Path) -> LabLog:
    return LabLog(lab / "model", results)


def test_results_are_taken_in_once(lab: Path, results: Path) -> None:
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:3]))
    first = opened(lab, results)
    assert first.taken_in == 3
    with pytest.raises(InputError, match="another line"):
        opened(lab, results)
    first.close()
    results.write_text("".join(lines))
    second = opened(lab, results)
    second.close()
    assert second.taken_in == 1
    entries = [entry for entry, _ in read_entries(second.folder.log)]
    assert [entry.content["part_id"] for entry in entries] == ["D0", "D1", "D2", "D3"]
    assert verify(second.folder.log).faults == ()
    assert all(Path(entry.content["images"]["rgb"]).is_file() for entry in entries)


def test_results_of_another_model_are_refused(lab: Path, results: Path) -> None:
    results.write_text(re.sub('"model":"[0-9a-f]{4}', '"model":"0000', results.read_text()))
    with pytest.raises(InputError, match="another model"):
        opened(lab, results)


def test_what_is_no_result_is_refused(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        opened(lab, tmp_path / "none.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no results"):
        opened(lab, tmp_path / "empty")


def test_images_are_found_beside_results_that_moved(lab: Path, tmp_path: Path) -> None:
    images = drawn_images(tmp_path / "moved", "D0", 0)
    line = json.loads((lab / "today.jsonl").read_text().splitlines()[0])
    line["ResultContent"][0]["images"] = {"rgb": "elsewhere/D0_rgb.png", "xray": "gone/other.png"}
    (tmp_path / "moved" / "today.jsonl").write_text(json.dumps(line) + "\n")
    log = opened(lab, tmp_path / "moved" / "today.jsonl")
    log.close()
    (entry, _), *_ = read_entries(log.folder.log)
    assert entry.content["images"] == {"rgb": str(images["rgb"]), "xray": "gone/other.png"}


def test_a_browser_with_the_key_reviews_and_no_other(lab: Path, results: Path) -> None:
    async def test(log: LabLog) -> None:
        site = LabSite(log, "Ada")
        application = build_lab(log, ReviewMix(second_opinion=0.0), site)
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9") as client:
            assert (await client.get("/review")).status_code == 401
            assert (await client.get("/open?key=guess")).status_code == 401
            assert (await client.get("/open", params={"key": site.key})).status_code == 303
            page = (await client.get("/review")).text
            assert "/parts" not in page
            assert "/live/" not in page
            number = int(re.findall(r'data-number="(\d+)"', page)[0])
            (address,) = re.findall(rf'src="(/entries/{number}/xray\.jpg[^"]*)"', page)
            assert (await client.get(address.replace("&amp;", "&"))).status_code == 200
            csrf = re.findall('data-csrf="([^"]+)"', page)[0]
            data: dict[str, Any] = {"number": number, "label": "B"}
            assert (await client.post("/review/label", data=data)).status_code == 403
            assert (await client.post("/review/label", data={**data, "csrf": csrf})).status_code == 204
            foreign = {"host": "evil.example"}
            assert (await client.get("/review", headers=foreign)).status_code == 400
        last = [entry for entry, _ in read_entries(log.folder.log)][-1]
        assert (last.kind, last.content["who"], last.content["label"]) == ("review", "Ada", "B")

    log = opened(lab, results)
    try:
        asyncio.run(test(log))
    finally:
        log.close()


def test_labels_are_exported_as_sets(lab: Path, results: Path, tmp_path: Path) -> None:
    log = opened(lab, results)
    for number, label in ((1, "A"), (2, "B")):
        asyncio.run(log.keep(number=number, part_id=f"D{number - 1}", label=label, who="Ada", why="chosen"))
    log.close()
    review_command(lab / "model", results, "Ada", sets=tmp_path / "sets")
    records = list(SampleSet.open(tmp_path / "sets" / "xray"))
    assert [(record.label, record.draw["part_id"]) for record in records] == [("A", "D0"), ("B", "D1")]


def test_a_bundle_shows_the_device_it_remembers_as_most_alike(lab: Path) -> None:
    """Its features of an image find that image again."""
    import numpy as np

    from rgbx.inference import Predictor
    from rgbx.models.memory import Remembered
    from rgbx_line.review.known import KnownByModel

    predictor = Predictor.load(lab / "model")
    paths = [lab / "today" / f"D{place}_rgb.png" for place in range(4)]
    features = np.stack([each.fused_input for each in predictor.encode("rgb", paths)])
    images = Remembered(features, np.zeros(4, np.int64), tuple("0123"), ("00" * 32,) * 4, (b"0", b"1", b"2", b"3"))
    Memory(("A", "B", "C"), {"rgb": images}, {"rgb": ()}).write(lab / "model", predictor.weights_sha256)
    known = KnownByModel(lambda _: lab / "model")
    for place, path in enumerate(paths):
        found = known.known(1, "A", "rgb", {"rgb": path})
        assert found is not None
        assert (found.image, found.nearest) == (b"%d" % place, True)
    again = lab / "today" / "again_rgb.png"
    for place in (1, 2):  # as a camera does that calls each device by the same name
        again.unlink(missing_ok=True)
        shutil.copy(paths[place], again)
        found = known.known(1, "A", "rgb", {"rgb": again})
        assert found is not None
        assert found.image == b"%d" % place
    assert known.known(1, "B", "rgb", {"rgb": paths[0]}) is None
    assert known.known(1, "A", "xray", {"rgb": paths[0]}) is None
    typical = known.known(1, "A", "rgb", {})
    assert typical is not None
    assert not typical.nearest


def test_a_remembered_radiograph_is_shown_as_line_shows_its_are() -> None:
    """What a stream sees has dense parts bright; beside a device's radiograph it has to be the other way round."""
    import cv2
    import numpy as np

    from rgbx.errors import RgbxError
    from rgbx.training.remember import thumbnail
    from rgbx_line.review.known import as_line_shows_it

    seen = np.zeros((160, 80), np.uint16)
    seen[80:] = 65535
    shown = cv2.imdecode(np.frombuffer(as_line_shows_it(thumbnail(seen)), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (shown.shape, int(shown[40, 40]), int(shown[120, 40])) == ((160, 80), 255, 0)
    with pytest.raises(RgbxError, match="cannot be read"):
        as_line_shows_it(b"no picture")
