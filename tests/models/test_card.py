from rgbx.models.card import CARD, model_card
from rgbx.models.header import read_bundle_header
from tiny_bundle import write_untrained_bundle


def test_a_bundle_says_what_it_is(tmp_path):
    folder = write_untrained_bundle(tmp_path / "model")
    header = read_bundle_header(folder)
    written = (folder / CARD).read_text()
    assert written == model_card(header)
    assert "Tells 3 device classes apart (A, B, C) from a photograph and a radiograph." in written
    assert header.weights_sha256 in written
    assert "Not calibrated" in written
    trusted = model_card(header, ["RGB-X: at most 1.00% false sorts."])
    assert "- RGB-X: at most 1.00% false sorts." in trusted
    assert "Not calibrated" not in trusted
