"""Classes of small trained bundles, added, removed and renamed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from learning_sets import CLASSES, write_set
from rgbx.datasets.labelled import open_sets
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.evaluation.calibrate import calibrate
from rgbx.evaluation.class_in_full import add_class_in_full
from rgbx.evaluation.classes import (
    ToldApart,
    add_class,
    check_addition,
    is_told_apart,
    remove_class,
    rename_class,
    sources_to_match,
)
from rgbx.inference import Predictor
from rgbx.models.card import CARD
from rgbx.models.header import read_bundle_header
from rgbx.models.memory import MEMORY_FILE, MEMORY_TENSORS, Memory
from rgbx.models.seal import SUMS, sealed_names
from rgbx.samples import SampleSet
from rgbx.samples.join import leave_out
from rgbx.training import FusionTraining, train_fusion, train_stream
from rgbx.training.full_class import FullAddition
from rgbx.trust.calibration import load_calibration
from rgbx.trust.sorting import Sorting, TrustConfig
from tiny_training import tiny_sets, tiny_training

FOUR = (*CLASSES, "D")
old_sets = pytest.fixture(scope="session")(tiny_sets)


@pytest.fixture(scope="session")
def runs(old_sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        modality: train_stream(
            tiny_training(modality, epochs=1, warmup_epochs=0),
            open_sets([old_sets[modality]], modality),
            [],
            folder / modality,
        )
        for modality in ("rgb", "xray")
    }


@pytest.fixture(scope="session")
def bundle(runs: dict[str, Path], old_sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fused") / "model"
    return train_fusion(FusionTraining(epochs=1), runs, opened(old_sets), out)


@pytest.fixture(scope="session")
def new_sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("new")
    return {m: write_set(folder / m, m, classes=FOUR, seed=5000, per_class=10) for m in ("rgb", "xray")}


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("line")
    return {m: write_set(folder / m, m, classes=FOUR, seed=9000, units=4, per_class=12) for m in ("rgb", "xray")}


@pytest.fixture(scope="session")
def calibrated(bundle: Path, line: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, calibrated on images of a line of the classes that it knows."""
    folder = tmp_path_factory.mktemp("calibrated")
    known = {m: SampleSet.open(write_set(folder / m, m, seed=9000, units=4, per_class=12)) for m in line}
    copy = Path(shutil.copytree(bundle, folder / "model"))
    calibrate(copy, known, Sorting.of(CLASSES, {"A": "left", "B": "left", "C": "right"}, None), TrustConfig())
    return copy


def opened(folders: dict[str, Path]) -> dict:
    return {modality: open_sets([folder], modality) for modality, folder in folders.items()}


def answers(folder: Path, line: dict[str, Path]) -> dict[str, np.ndarray]:
    """Return the logits of each stream and of their fusion for the images of the line, in order."""
    predictor = Predictor.load(folder, "torch", decides=False)
    encoded = {
        m: predictor.encode(m, [samples.path(record) for record in samples])
        for m, samples in ((m, SampleSet.open(each)) for m, each in line.items())
    }
    fused = [predictor.fuse({"rgb": rgb, "xray": xray}) for rgb, xray in zip(*encoded.values(), strict=True)]
    return {m: np.stack([each.logits for each in found]) for m, found in encoded.items()} | {"rgbx": np.stack(fused)}


def test_a_trained_bundle_remembers_its_training(bundle: Path, old_sets: dict[str, Path]) -> None:
    memory = Memory.read(bundle)
    assert memory is not None
    predictor = Predictor.load(bundle, "torch")
    for modality, folder in old_sets.items():
        samples, images = SampleSet.open(folder), memory.images[modality]
        assert sorted(images.labels.tolist()) == sorted(CLASSES.index(record.label) for record in samples)
        assert set(images.units) == {record.unit for record in samples}
        record = next(iter(samples))
        (seen,) = predictor.encode(modality, [samples.path(record)])
        nearest = memory.nearest(modality, seen.fused_input, record.label)
        assert nearest is not None
        assert nearest.distance < 1e-4
        assert nearest.unit == record.unit
    assert (bundle / MEMORY_TENSORS).stat().st_size < 1_000_000


def test_a_class_is_added_and_old_ones_are_answered_as_before(bundle, new_sets, line, tmp_path):
    sealed = (bundle / SUMS).read_bytes()
    added = add_class(bundle, "D", opened(new_sets), tmp_path / "candidate")
    assert (bundle / SUMS).read_bytes() == sealed
    header = read_bundle_header(tmp_path / "candidate")
    assert header.classes == FOUR
    assert header.changes == (added.change,)
    assert (added.images, added.units, added.by_unit) == ({"rgb": 10, "xray": 10}, 2, True)
    assert not added.by_line
    assert any("remembers no images of a line" in note for note in added.change.notes)
    before, after = answers(bundle, line), answers(tmp_path / "candidate", line)
    for channel, logits in after.items():
        np.testing.assert_allclose(logits[:, :3], before[channel], rtol=1e-4, atol=1e-5)
    memory, old = Memory.read(tmp_path / "candidate"), Memory.read(bundle)
    for modality in ("rgb", "xray"):
        assert (memory.images[modality].labels == 3).sum() == 10
        assert (
            memory.images[modality].fingerprints[: len(old.images[modality].labels)]
            == old.images[modality].fingerprints
        )
    card = (tmp_path / "candidate" / CARD).read_text()
    assert "**D added**" in card
    assert all(note in card for note in added.change.notes)
    assert {MEMORY_FILE, MEMORY_TENSORS, CARD} <= set(sealed_names(tmp_path / "candidate"))
    assert (
        Predictor.load(tmp_path / "candidate")
        .predict(line["rgb"] / "D/000000.png", line["xray"] / "D/000000.png")
        .decision
        is None
    ), "the bundle before was not calibrated"


def test_a_second_class_is_added_to_a_candidate(bundle, new_sets, tmp_path):
    add_class(bundle, "D", opened(new_sets), tmp_path / "one")
    five = {m: write_set(tmp_path / m, m, classes=(*FOUR, "E"), seed=8000, size=60) for m in ("rgb", "xray")}
    add_class(tmp_path / "one", "E", opened(five), tmp_path / "two")
    header = read_bundle_header(tmp_path / "two")
    assert header.classes == (*FOUR, "E")
    assert [change.name for change in header.changes] == ["D", "E"]


def test_a_single_unit_is_said_to_flatter(bundle, tmp_path):
    sets = {m: write_set(tmp_path / m, m, classes=FOUR, seed=5000, units=1) for m in ("rgb", "xray")}
    added = add_class(bundle, "D", opened(sets), tmp_path / "candidate")
    assert not added.by_unit
    assert any("a single unit" in note for note in added.change.notes)


def test_what_a_line_promised_is_provisional_once_a_class_was_added(calibrated, new_sets, line, tmp_path):
    candidate = tmp_path / "candidate"
    add_class(calibrated, "D", opened(new_sets), candidate, own_bin="right")
    old, new = (load_calibration(each, read_bundle_header(each).weights_sha256) for each in (calibrated, candidate))
    assert (old.provisional, new.provisional) == (False, True)
    assert new.sorting.bins == ("left", "right")
    assert [new.sorting.bins[int(row.argmax())] for row in new.sorting.right] == ["left", "left", "right", "right"]
    for channel, each in new.channels.items():
        before = old.channels[channel]
        assert each.unknown_above == before.unknown_above
        assert each.temperature >= before.temperature
        assert each.candidate_threshold <= before.candidate_threshold
        assert each.risk_limit == before.risk_limit
        assert (each.supported, each.bound) == (False, 1.0)
    assert "Provisional" in (candidate / CARD).read_text()
    predictor, earlier = Predictor.load(candidate), Predictor.load(calibrated)
    for label in FOUR:
        shown = line["rgb"] / f"{label}/000003.png", line["xray"] / f"{label}/000003.png"
        scores = [each.predict(*shown).decision.unknown_score for each in (predictor, earlier)]
        assert scores[0] <= scores[1] + 1e-9, "with more known classes nothing looks stranger"
    calibrate(
        candidate, {m: SampleSet.open(each) for m, each in line.items()}, Sorting.of(FOUR, None, None), TrustConfig()
    )
    again = load_calibration(candidate, read_bundle_header(candidate).weights_sha256)
    assert not again.provisional
    card = (candidate / CARD).read_text()
    assert "Provisional" not in card
    assert "**D added**" in card


def test_a_calibrated_bundle_remembers_its_line_and_adds_by_it(calibrated, new_sets, line, tmp_path):
    memory = Memory.read(calibrated)
    predictor = Predictor.load(calibrated, "torch")
    for modality, folder in line.items():
        samples, seen = SampleSet.open(folder), memory.line[modality]
        known = [record for record in samples if record.label in CLASSES]
        assert sorted(seen.units) == sorted(record.unit for record in known)
        encoded = predictor.encode(modality, [samples.path(record) for record in known])
        shown = np.stack([each.fused_input for each in encoded])
        apart = np.linalg.norm(shown[:, None] - seen.features[None], axis=2) / np.linalg.norm(shown, axis=1)[:, None]
        assert apart.min(0).max() < 0.02
    candidate = tmp_path / "candidate"
    added = add_class(calibrated, "D", opened(new_sets), candidate)
    assert added.by_line
    for each in added.channels.values():
        assert 0 <= each.rehearsed <= 1
        assert each.old_images >= 36
    text = " ".join(added.change.notes)
    assert "of the line of old classes" in text
    assert "So much is to be expected of D" in text
    assert Memory.read(candidate).line.keys() == {"rgb", "xray"}
    after = answers(candidate, line)
    assert all(np.isfinite(each).all() and each.shape[1] == 4 for each in after.values())
    remove_class(candidate, "D", tmp_path / "without")
    without = answers(tmp_path / "without", line)
    for channel, logits in after.items():
        np.testing.assert_allclose(without[channel], logits[:, :3], rtol=1e-4, atol=1e-4)


def test_a_score_that_cannot_be_told_of_a_class_takes_the_calibration_with_it(bundle, new_sets, line, tmp_path):
    known = {m: SampleSet.open(write_set(tmp_path / m, m, seed=9000, units=4, per_class=12)) for m in line}
    copy = Path(shutil.copytree(bundle, tmp_path / "model"))
    calibrate(copy, known, Sorting.of(CLASSES, None, None), TrustConfig(ood_score="energy"))
    added = add_class(copy, "D", opened(new_sets), tmp_path / "candidate")
    assert load_calibration(tmp_path / "candidate", read_bundle_header(tmp_path / "candidate").weights_sha256) is None
    assert any("'energy'" in note for note in added.change.notes)


@pytest.mark.parametrize(
    ("name", "match"),
    [("A", "has a class 'A' already"), ("a", "has a class 'A' already"), ("", "cannot be"), ("x/y", "cannot be"),
     (".D", "cannot be"), ("D ", "cannot be"), ("E", "shows no device of class 'E'")],
)  # fmt: skip
def test_names_that_cannot_be_added(name, match, bundle, new_sets, tmp_path):
    with pytest.raises(RgbxError, match=match):
        add_class(bundle, name, opened(new_sets), tmp_path / "candidate")
    assert not (tmp_path / "candidate").exists()


def test_what_cannot_be_added_is_refused_with_a_sentence(bundle, runs, new_sets, old_sets, tmp_path):
    out = tmp_path / "candidate"

    def refused(match: str, model: Path = bundle, sets: dict | None = None, **options: object) -> None:
        with pytest.raises(RgbxError, match=match) as told:
            add_class(model, "D", opened(new_sets) if sets is None else sets, out, **options)
        assert "\n" not in str(told.value)
        assert not out.exists() or out == tmp_path / "there"

    sets = opened(new_sets)
    refused("stream of xray images too", sets={"rgb": sets["rgb"]})
    refused("remembers nothing", model=runs["rgb"], sets={"rgb": sets["rgb"]})
    refused("give --old-xray SET", old_sets={"rgb": opened(old_sets)["rgb"]})
    refused("no stream of xray", model=runs["rgb"], old_sets={"rgb": opened(old_sets)["rgb"]})
    refused("has no bins", own_bin="left")
    refused("holds 'xray' images", sets={**sets, "rgb": sets["xray"]})
    seen = Path(shutil.copytree(old_sets["xray"], tmp_path / "seen"))
    text = (seen / "metadata.jsonl").read_text().replace('"label":"A"', '"label":"D"')
    (seen / "metadata.jsonl").write_text(text)
    (seen / "dataset.json").write_text((new_sets["xray"] / "dataset.json").read_text())
    refused("trained on as 'A'", sets={**sets, "xray": open_sets([seen], "xray")})
    other = Path(shutil.copytree(new_sets["xray"], tmp_path / "other"))
    header = (other / "dataset.json").read_text()
    (other / "dataset.json").write_text(header.replace('"config": {}', '"config": {"size": 64}'))
    refused(r"other settings .*\(size\)", sets={**sets, "xray": open_sets([other], "xray")})
    (other / "dataset.json").write_text(header.replace("drawn by a test", "real: images of the user"))
    refused("another origin", sets={**sets, "xray": open_sets([other], "xray")})
    out = tmp_path / "there"
    out.mkdir()
    (out / "something").touch()
    refused("is there already")


def test_a_stream_without_memory_learns_a_class_from_its_old_sets(runs, old_sets, new_sets, tmp_path):
    only = {"rgb": opened(old_sets)["rgb"]}
    check_addition(runs["rgb"], "D", tmp_path / "candidate", {}, only)
    assert sources_to_match(runs["rgb"], only)["rgb"][0].origin == "drawn by a test"
    added = add_class(runs["rgb"], "D", {"rgb": opened(new_sets)["rgb"]}, tmp_path / "candidate", old_sets=only)
    assert list(added.channels) == ["rgb"]
    assert Memory.read(tmp_path / "candidate").classes == FOUR
    with pytest.raises(InputError, match="remembers nothing"):
        sources_to_match(runs["rgb"], {})


def test_a_class_is_removed_and_the_others_are_answered_as_before(bundle, calibrated, line, tmp_path):
    change = remove_class(calibrated, "B", tmp_path / "candidate")
    header = read_bundle_header(tmp_path / "candidate")
    assert header.classes == ("A", "C")
    assert header.changes == (change,)
    before, after = answers(calibrated, line), answers(tmp_path / "candidate", line)
    for channel, logits in after.items():
        np.testing.assert_allclose(logits, before[channel][:, [0, 2]], rtol=1e-4, atol=1e-4)
    memory = Memory.read(tmp_path / "candidate")
    assert memory.classes == ("A", "C")
    judged = load_calibration(tmp_path / "candidate", header.weights_sha256)
    assert judged.provisional
    assert judged.sorting.bins == ("left", "right")
    decision = (
        Predictor.load(tmp_path / "candidate")
        .predict(line["rgb"] / "B/000003.png", line["xray"] / "B/000003.png")
        .decision
    )
    assert "B" not in decision.candidates
    with pytest.raises(InputError, match="two are the least"):
        remove_class(tmp_path / "candidate", "A", tmp_path / "none")
    with pytest.raises(InputError, match="has no class 'Z'"):
        remove_class(bundle, "Z", tmp_path / "none")


def test_a_class_that_is_added_and_removed_leaves_the_answers(bundle, new_sets, line, tmp_path):
    add_class(bundle, "D", opened(new_sets), tmp_path / "with")
    remove_class(tmp_path / "with", "D", tmp_path / "without")
    before, after = answers(bundle, line), answers(tmp_path / "without", line)
    for channel, logits in after.items():
        np.testing.assert_allclose(logits, before[channel], rtol=1e-4, atol=1e-4)


def test_a_class_is_renamed_and_nothing_else(calibrated, line, tmp_path):
    change = rename_class(calibrated, "C", "C-2", tmp_path / "candidate")
    assert "right" in " ".join(change.notes)
    header, old = read_bundle_header(tmp_path / "candidate"), read_bundle_header(calibrated)
    assert header.classes == ("A", "B", "C-2")
    assert header.weights_sha256 == old.weights_sha256
    assert Memory.read(tmp_path / "candidate").classes == header.classes
    assert Memory.read(calibrated).classes == CLASSES, "the files of the bundle before are as they were"
    shown = line["rgb"] / "C/000003.png", line["xray"] / "C/000003.png"
    one, other = (Predictor.load(each).predict(*shown) for each in (calibrated, tmp_path / "candidate"))
    assert list(one.probabilities.values()) == list(other.probabilities.values())
    assert one.decision.bin == other.decision.bin
    assert set(sealed_names(tmp_path / "candidate")) == set(sealed_names(calibrated))
    with pytest.raises(InputError, match="has a class 'B' already"):
        rename_class(calibrated, "C", "b", tmp_path / "none")
    rename_class(calibrated, "C", "c", tmp_path / "case")


def test_training_on_begins_at_the_closed_form_and_remembers_all(bundle, old_sets, new_sets, tmp_path):
    config = FullAddition(epochs=1)
    out = tmp_path / "candidate"
    with pytest.raises(ConfigError, match="rate"):
        FullAddition(rate=0.0)
    with pytest.raises(RgbxError, match="needs all that the bundle was trained on"):
        add_class_in_full(bundle, "D", opened(new_sets), {}, out, config)
    added = add_class_in_full(bundle, "D", opened(new_sets), opened(old_sets), out, config)
    header = read_bundle_header(out)
    assert header.classes == FOUR
    assert header.changes == (added.change,)
    assert added.change.start == read_bundle_header(bundle).weights_sha256
    assert "trained on" in " ".join(added.change.notes)
    assert Memory.read(out).classes == FOUR
    assert header.training["rgb"]["epochs"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"]


def test_a_class_is_trained_in_full_with_old_sets_of_some_classes_each(
    bundle: Path, old_sets: dict[str, Path], new_sets: dict[str, Path], tmp_path: Path
) -> None:
    """As after a class was added before: the images of it are a set of their own."""
    apart = opened(old_sets)
    for modality, name in old_sets.items():
        fewer = leave_out(SampleSet.open(name), CLASSES[-1], tmp_path / modality / "fewer")
        alone = SampleSet.open(name)
        for label in CLASSES[:-1]:
            alone = leave_out(alone, label, tmp_path / modality / f"without-{label}")
        apart[modality] = [fewer, alone]
    out = tmp_path / "candidate"
    add_class_in_full(bundle, "D", opened(new_sets), apart, out, FullAddition(epochs=1))
    assert read_bundle_header(out).classes == FOUR
    assert {len(set(each.labels)) for each in Memory.read(out).images.values()} == {len(FOUR)}
    with pytest.raises(InputError, match=f"shows no device of class '{CLASSES[-1]}'"):
        check_addition(bundle, "D", tmp_path / "more", opened(new_sets), {m: each[:1] for m, each in apart.items()})


@pytest.mark.parametrize(
    ("found", "lost", "rehearsed", "enough"),
    [
        (0.95, 0.0, None, True),
        (0.9, 0.005, 0.85, True),
        (0.9, -0.1, 0.85, True),
        (0.89, 0.0, None, False),
        (1.0, 0.006, None, False),
        (1.0, 0.0, 0.84, False),
    ],
)
def test_when_a_full_training_is_proposed(found, lost, rehearsed, enough):
    good = ToldApart(images=9, found=1.0, twin="A", taken_for_twin=0.0, taken_for_new=0.0, old_images=9, old_right=1.0,
                     old_lost=0.0)  # fmt: skip
    judged = good.updated({"found": found, "old_lost": lost, "rehearsed": rehearsed})
    assert is_told_apart({"rgb": judged, "xray": judged, "rgbx": good})
    assert is_told_apart({"rgb": good, "xray": good, "rgbx": judged}) == enough
    assert is_told_apart({"xray": judged}) == enough
