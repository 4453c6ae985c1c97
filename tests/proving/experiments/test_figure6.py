"""Where the X-ray stream looks on look-alikes, and what differs there."""

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx_proving.experiments.figure6 import Figure6, most_different
from rgbx_proving.families.differences import inside_changes
from rgbx_proving.sp10.family import SP10
from tiny_benchmark import TINY, options


def test_the_most_different_quarter_of_the_device():
    first = np.zeros((20, 20))
    first[5:15, 5:15] = 1.0
    second = first.copy()
    second[5:10, 5:8] = 2.0
    second[12, 14] = 0.99
    chosen = most_different(first, second)
    assert chosen.sum() == 25
    assert chosen[5:10, 5:8].all()
    assert chosen[12, 14]
    assert not chosen[:5].any(), "what lies beside the device is not part of it"
    assert not most_different(np.zeros((4, 4)), np.zeros((4, 4))).any()


def test_differences_are_those_of_the_designs():
    assert "haptic: kind" in inside_changes(SP10, "SP1", "SP2")
    assert inside_changes(SP10, "SP9", "SP10") == ()


@pytest.mark.slow
def test_figure_6_is_measured_and_drawn(workshop):
    ran = CliRunner().invoke(app, ["reproduce", "figure6", "--out", str(workshop), *options(TINY)])
    assert ran.exit_code == 0, ran.output
    result = Figure6.model_validate_json((workshop / "figure6.json").read_text())
    (pair,) = result.pairs
    assert (pair.first, pair.second, pair.images) == ("SP1", "SP9", 8)
    assert 0 <= pair.on_difference.low <= pair.on_difference.value <= pair.on_difference.high <= 1
    assert result.faithfulness.images == 8
    assert "cells" in (workshop / "figure6.md").read_text()
    assert (workshop / "figure6.png").read_bytes().startswith(b"\x89PNG")
