from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rgbx.evaluation.pairing import SAME_UNIT, draw_pairings
from rgbx.samples import SampleRecord


def records(modality, counts, views=2):
    return [
        SampleRecord(file_name=f"{modality}/{label}{n}.png", label=label, unit=f"{label}-{n // views}", seed=n, draw={})
        for label, count in counts.items()
        for n in range(count)
    ]


@given(
    st.fixed_dictionaries({label: st.tuples(st.integers(1, 9), st.integers(1, 9)) for label in "AB"}),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_pairs_share_the_class_and_use_radiographs_evenly(counts, count, seed):
    rgb = records("rgb", {label: many[0] for label, many in counts.items()})
    xray = records("xray", {label: many[1] for label, many in counts.items()})
    pairings = draw_pairings(rgb, xray, count, seed)

    assert [name for name in pairings if name != SAME_UNIT] == [str(number) for number in range(1, count + 1)]
    for pairs in pairings.values():
        assert [photo for photo, _ in pairs] == rgb
        assert all(photo.label == radiograph.label for photo, radiograph in pairs)
    for label in "AB":
        uses = Counter(x.file_name for _, x in pairings["1"] if x.label == label)
        unused = counts[label][1] - len(uses)
        assert max(uses.values()) - (0 if unused else min(uses.values())) <= 1


def test_pairings_differ_and_are_the_same_for_the_same_seed():
    rgb, xray = records("rgb", {"A": 20}), records("xray", {"A": 20})
    pairings = draw_pairings(rgb, xray, 3, seed=5)
    assert pairings == draw_pairings(rgb, xray, 3, seed=5)
    assert pairings["1"] != pairings["2"] != pairings["3"]
    assert pairings["1"] != draw_pairings(rgb, xray, 3, seed=6)["1"]


def test_same_unit_needs_every_photographed_unit_xrayed():
    rgb, xray = records("rgb", {"A": 6}), records("xray", {"A": 4})
    assert SAME_UNIT not in draw_pairings(rgb, xray, 1, seed=0)
    pairs = draw_pairings(xray, rgb, 1, seed=0)[SAME_UNIT]
    assert all(photo.unit == radiograph.unit for photo, radiograph in pairs)
