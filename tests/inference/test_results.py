"""A result for every device, once, whatever its images are and whenever the run is killed."""

import base64
import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from radiograph_files import write_dicom
from rgbx.cli import app
from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.inference.arrivals import Arrival, Pairing, arrivals_in
from rgbx.inference.results import Result, ResultLog, answer, answer_all, read_results
from rgbx.trust.decision import Decision
from tiny_bundle import write_untrained_bundle

RADIOGRAPH = np.random.default_rng(0).integers(0, 65535, (40, 50)).astype(np.uint16)
PHOTOGRAPH = np.random.default_rng(1).integers(0, 255, (50, 40, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained_bundle(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor.load(bundle, "torch")


def write_folder(folder: Path, names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f"{name}_xray.png"), RADIOGRAPH)
        cv2.imwrite(str(folder / f"{name}_rgb.png"), PHOTOGRAPH)
    return folder


def device(folder: Path, name: str, arrived: float | None = None) -> Arrival:
    images = {modality: folder / f"{name}_{modality}.png" for modality in ("rgb", "xray")}
    return Arrival(name, images, arrived, None if arrived is None else arrived + 0.25)


def test_a_result_has_the_names_of_the_companion_specification(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "AB")
    before = datetime.now().astimezone()
    result, other = answer(predictor, [device(tmp_path, "A", before.timestamp()), device(tmp_path, "B")])
    written = json.loads(result.to_json())
    assert list(written) == [
        "ResultId", "HasTransferableDataOnFile", "IsPartial", "IsSimulated", "ResultState", "PartId", "CreationTime",
        "ProcessingTimes", "ResultContent",
    ]  # fmt: skip
    assert list(written["ProcessingTimes"]) == ["StartTime", "EndTime", "AcquisitionDuration", "ProcessingDuration"]
    assert written["ProcessingTimes"]["AcquisitionDuration"] == pytest.approx(250, abs=0.01)
    assert written["PartId"] == {"Id": "A"}
    assert written["ResultState"] == 1
    created = datetime.fromisoformat(written["CreationTime"])
    assert created.utcoffset() == timedelta(0)
    assert created >= before
    (content,) = written["ResultContent"]
    expected = predictor.predict(tmp_path / "A_rgb.png", tmp_path / "A_xray.png")
    assert content["label"] == expected.label
    assert content["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert content["decision"] is None
    assert set(content["streams"]) == {"rgb", "xray"}
    assert content["model"] == predictor.weights_sha256
    assert other.result_id != result.result_id


def test_a_result_keeps_where_each_stream_looked_and_what_it_says_alone(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "A")
    (result,) = answer(predictor, [device(tmp_path, "A")])
    (content,) = json.loads(result.to_json())["ResultContent"]
    for modality in ("rgb", "xray"):
        path = tmp_path / f"A_{modality}.png"
        encoded = predictor.encode(modality, [path], explain=True)[0]
        looked = content["looked"][modality]
        assert len(looked["iterations"]) == len(encoded.views)
        for kept, view in zip(looked["iterations"], encoded.views, strict=True):
            assert kept["window"] == pytest.approx(view.window, abs=1e-4)
            cam = np.frombuffer(base64.b64decode(kept["values"]), np.uint8).reshape(kept["rows"], -1) / 255
            assert cam == pytest.approx(view.cam, abs=0.003)
        corners = np.array(looked["place"]).reshape(2, 3) @ [looked["shape"][1] / 2, looked["shape"][0] / 2, 1]
        assert np.all((corners > 0) & (corners < 50)), "the middle of what was seen lies in the image"
        assert sum(content["alone"][modality].values()) == pytest.approx(1, abs=1e-3)
        alone = predictor.predict(**{modality: path})
        assert max(content["alone"][modality], key=content["alone"][modality].__getitem__) == alone.label


def test_a_bad_image_is_an_answer(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "ABC")
    (tmp_path / "A_rgb.png").write_bytes(b"no image")
    for modality in ("rgb", "xray"):
        (tmp_path / f"B_{modality}.png").unlink()
    half, nothing, good = answer(predictor, [device(tmp_path, name) for name in "ABC"])
    assert half.result_state == 1
    assert half.content.label is not None
    assert half.content.decision == Decision(None, "bad image")
    assert half.content.errors[0].startswith(f"{tmp_path / 'A_rgb.png'} is no image that can be read")
    assert (nothing.result_state, nothing.content.label, len(nothing.content.errors)) == (4, None, 2)
    assert nothing.content.decision == Decision(None, "bad image")
    assert (good.content.errors, good.content.decision) == ((), None)


def test_a_bad_image_does_not_make_its_neighbours_run_again(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, "ABCD")
    (tmp_path / "B_rgb.png").write_bytes(b"no image")
    stream, sizes = predictor._streams["rgb"], []

    def counted(batch: np.ndarray, **options: bool) -> object:
        sizes.append(len(batch))
        return stream(batch, **options)

    monkeypatch.setitem(predictor._streams, "rgb", counted)
    results = answer(predictor, [device(tmp_path, name) for name in "ABCD"])
    assert sizes == [3]
    assert [len(result.content.errors) for result in results] == [0, 1, 0, 0]


def test_an_answer_after_the_deadline_is_late(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "A")
    now = datetime.now().timestamp()
    reasons = [
        result.content.decision and result.content.decision.reason
        for arrived in (now, now - 1000, None)
        for result in answer(predictor, [device(tmp_path, "A", arrived)], deadline=600)
    ]
    assert reasons == [None, "late", None]


def test_the_component_of_a_diconde_file_is_the_part(predictor: Predictor, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "1.2.840.3", RADIOGRAPH, PatientID="HOUSING-17")
    (result,) = answer(predictor, [Arrival("1.2.840.3", {"xray": path}, None, None)])
    assert result.part_id.id == "HOUSING-17"


def test_eight_bits_are_never_silent(bundle: Path, predictor: Predictor, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "A_xray.png"), (RADIOGRAPH >> 8).astype(np.uint8))
    (result,) = answer(predictor, [Arrival("A", {"xray": tmp_path / "A_xray.png"}, None, None)])
    assert "A_xray.png has 8 bits" in result.content.warnings[0]
    said = CliRunner().invoke(app, ["predict", str(bundle), "--xray", str(tmp_path / "A_xray.png"), "--json"])
    assert "has 8 bits" in said.stderr
    assert json.loads(said.stdout)["warnings"] == list(result.content.warnings)


def test_a_device_whose_files_change_while_they_are_read_has_no_answer_yet(
    predictor: Predictor, tmp_path: Path
) -> None:
    folder, log = write_folder(tmp_path / "images", "AB"), ResultLog(tmp_path / "line.jsonl")
    whole, changing = arrivals_in(folder, ("rgb", "xray"), Pairing())
    changing = replace(changing, states={"rgb": (1, 1)})
    found = list(answer_all(predictor, [whole, changing], log))
    assert [(device.name, result is None) for device, result in found] == [("A", False), ("B", True)]
    assert [result.part_id.id for result in read_results(log.path)] == ["A"]
    assert (log.holds(whole), log.holds(changing)) == (True, False)


def test_a_bad_image_that_changed_is_answered_by_the_next_run(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "AB")
    (tmp_path / "A_rgb.png").write_bytes(b"half")
    devices = [device(tmp_path, name) for name in "AB"]
    ResultLog(tmp_path / "line.jsonl").append(answer(predictor, devices))
    assert [ResultLog(tmp_path / "line.jsonl").holds(each) for each in devices] == [True, True]
    later = datetime.now().timestamp() + 60
    for name in ("A_rgb.png", "B_rgb.png"):
        os.utime(tmp_path / name, (later, later))
    log = ResultLog(tmp_path / "line.jsonl")
    assert [log.holds(each) for each in devices] == [False, True]
    write_folder(tmp_path, "A")
    log.append(answer(predictor, devices[:1]))
    del log
    assert ResultLog(tmp_path / "line.jsonl").holds(devices[0])


def test_an_image_that_is_refused_is_not_read(predictor: Predictor, tmp_path: Path) -> None:
    write_folder(tmp_path, "A")
    refused = {"xray": InputError(tmp_path / "A_xray.png", "ends in zeros", "rename it")}
    (result,) = answer(predictor, [replace(device(tmp_path, "A"), refused=refused)])
    assert result.content.errors == (str(refused["xray"]),)
    assert set(result.content.streams) == {"rgb"}
    assert result.content.decision == Decision(None, "bad image")


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop `rgbx watch` with Ctrl-C as soon as there is nothing to do."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)


def watch(bundle: Path, folder: Path, out: Path) -> tuple[str, list[Result]]:
    """Watch a folder of radiographs until all are answered; return what was said, and the log."""
    command = ["watch", str(bundle), "--xray", os.fspath(folder), "--out", str(out), "--csv", "--set", "settle=0"]
    ran = CliRunner().invoke(app, [*command, "--wait", "0"])
    assert ran.exit_code == 130, ran.output
    return ran.stderr, list(read_results(out))


def test_a_wait_that_outlasts_the_deadline_is_refused(bundle: Path, tmp_path: Path) -> None:
    command = [
        "watch",
        str(bundle),
        "--rgb",
        str(tmp_path),
        "--xray",
        str(tmp_path),
        "--out",
        str(tmp_path / "o.jsonl"),
    ]
    for options in (["--deadline", "5"], ["--wait", "2", "--deadline", "2"]):
        ran = CliRunner().invoke(app, [*command, *options])
        assert isinstance(ran.exception, RgbxError)
        assert "late before it is answered" in str(ran.exception)
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.usefixtures("stops")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_watching_files_of_any_name_and_going_on(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"l\xedne")
    folder.mkdir()
    content = cv2.imencode(".png", RADIOGRAPH)[1].tobytes()
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(content)
    (folder / os.fsdecode(b"b\xe4d.png")).write_bytes(b"no image")
    _, results = watch(bundle, folder, tmp_path / "line.jsonl")
    assert sorted(result.part_id.id for result in results) == ["b\\udce4d", "caf\\udce9"]
    (folder / "later.png").write_bytes(content)
    _, results = watch(bundle, folder, tmp_path / "line.jsonl")
    assert [result.part_id.id for result in results[2:]] == ["later"]


@pytest.mark.usefixtures("stops")
def test_inverted_radiographs_are_said_once_and_counted(bundle: Path, tmp_path: Path) -> None:
    image = np.full((60, 80), 2000, np.uint16)
    image[20:40, 30:50] = 60_000
    for name in "ABC":
        (tmp_path / "line").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "line" / f"{name}_xray.png"), image)
    said, results = watch(bundle, tmp_path / "line", tmp_path / "line.jsonl")
    assert all("is darkest at its border" in result.content.warnings[0] for result in results)
    assert said.count("is darkest at its border") == 1
    assert said.count("3 of 3 radiographs of") == 1
    command = ["predict", str(bundle), "--folder", str(tmp_path / "line"), "--out", str(tmp_path / "again.jsonl")]
    assert CliRunner().invoke(app, command).stderr.count("3 of 3 radiographs of") == 1


def test_the_verb_answers_a_folder_once(bundle: Path, tmp_path: Path) -> None:
    folder, out = write_folder(tmp_path / "images", "AB"), tmp_path / "out/line.jsonl"
    command = ["predict", str(bundle), "--folder", str(folder), "--out", str(out), "--csv"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "2 devices answered, 0 of them with a bad image, 0 before" in first.stdout
    write_folder(folder, "C")
    assert "1 devices answered, 0 of them with a bad image, 2 before" in CliRunner().invoke(app, command).stdout
    assert [result.part_id.id for result in read_results(out)] == ["A", "B", "C"]
    with out.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["PartId"] for row in rows] == ["A", "B", "C"]
    assert rows[0]["rgb"] == str(folder / "A_rgb.png")
    with pytest.raises(RgbxError, match=r"--folder wants --out"):
        CliRunner().invoke(app, ["predict", str(bundle), "--folder", str(folder)], catch_exceptions=False)


@pytest.fixture(scope="module")
def answered(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Arrival, Result]]:
    folder = write_folder(tmp_path_factory.mktemp("line"), "ABC")
    devices = [device(folder, name) for name in "ABC"]
    return list(zip(devices, answer(predictor, devices), strict=True))


@settings(max_examples=50, deadline=None)
@given(kept=st.floats(0, 1))
def test_a_killed_run_leaves_whole_lines_and_loses_none(
    answered: list[tuple[Arrival, Result]], kept: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "line.jsonl"
    ResultLog(path, table=True).append([result for _, result in answered])
    os.truncate(path, int(kept * path.stat().st_size))
    again = ResultLog(path, table=True)
    again.append([result for device, result in answered if not again.holds(device)])
    assert [result.part_id.id for result in read_results(path)] == ["A", "B", "C"]
    assert len(path.with_suffix(".csv").read_text().splitlines()) == 4


def test_a_log_has_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "line.jsonl"
    first = ResultLog(path)
    with pytest.raises(InputError, match=r"line\.jsonl is being written by another run: stop that one"):
        ResultLog(path)
    del first
    ResultLog(path)


@pytest.mark.parametrize("content", [b'{"my": "notes"}\n', b"notes", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_file_of_something_else_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(content)
    with pytest.raises(InputError, match=r"notes holds no result in line 1"):
        ResultLog(tmp_path / "notes")
    assert (tmp_path / "notes").read_bytes() == content


def test_fields_correct_what_is_predicted(bundle: Path, tmp_path: Path) -> None:
    clean = np.linspace(5000, 30000, 40 * 50).reshape(40, 50)
    pattern = np.random.default_rng(2).uniform(0.5, 1.0, clean.shape)
    for name, image in (("flat", 60_000 * pattern), ("dark", 0 * pattern), ("image", clean * pattern)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.rint(image).astype(np.uint16))
    frames = ["--flat", str(tmp_path / "flat.png"), "--dark", str(tmp_path / "dark.png")]
    made = CliRunner().invoke(app, ["flatfield", *frames, "--out", str(tmp_path / "fields")])
    assert made.exit_code == 0, made.output
    command = [
        "predict",
        str(bundle),
        "--xray",
        str(tmp_path / "image.png"),
        "--flat",
        str(tmp_path / "fields"),
        "--json",
    ]
    found = json.loads(CliRunner().invoke(app, command).stdout)
    expected = Predictor.load(bundle).predict(xray=(clean / 60_000).astype(np.float32))
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-3)


@pytest.mark.slow
def test_watching_goes_on_after_it_was_killed(bundle: Path, tmp_path: Path) -> None:
    camera, detector, out = tmp_path / "camera", tmp_path / "detector", tmp_path / "line.jsonl"
    camera.mkdir()
    detector.mkdir()
    command = [
        sys.executable, "-m", "rgbx", "watch", str(bundle), "--rgb", str(camera), "--xray", str(detector),
        "--out", str(out), "--runtime", "torch",
    ]  # fmt: skip
    for names in ("AB", "CD"):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            for name in names:
                cv2.imwrite(str(camera / f"{name}.png"), PHOTOGRAPH)
                cv2.imwrite(str(detector / f"{name}.png"), RADIOGRAPH)
            said = [watching.stdout.readline() for _ in names]
            watching.kill()
        assert sorted(line[0] for line in said) == list(names)
        with out.open("a") as file:
            file.write('{"ResultId": {"Id"')
    ResultLog(out)
    results = list(read_results(out))
    assert sorted(result.part_id.id for result in results) == ["A", "B", "C", "D"]
    assert all(set(result.content.streams) == {"rgb", "xray"} for result in results)
