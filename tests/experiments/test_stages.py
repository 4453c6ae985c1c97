import pytest
from rich.console import Console

from rgbx.experiments.stages import Stages


def test_a_finished_stage_is_not_run_again_and_keeps_its_time(tmp_path):
    stages = Stages(tmp_path, Console(quiet=True))
    with stages.stage("first", "does something") as pending:
        assert pending
    spent = stages.seconds

    again = Stages(tmp_path, Console(quiet=True))
    with again.stage("first", "does something") as pending:
        assert not pending
    assert again.seconds == spent


def test_a_failed_stage_is_run_again(tmp_path):
    stages = Stages(tmp_path, Console(quiet=True))
    with pytest.raises(RuntimeError), stages.stage("first", "fails"):
        raise RuntimeError

    with Stages(tmp_path, Console(quiet=True)).stage("first", "fails") as pending:
        assert pending
