import pytest

from rgbx.training.budget import Budget
from rgbx.training.settings import StreamTraining
from tiny_training import tiny_training


def trained(config: StreamTraining, losses: list[float], accuracy: float = 0.6) -> tuple[Budget, int]:
    """Return the budget after a run with such losses at the ends of its schedules, and how many epochs it had."""
    budget, epoch, left = Budget(config), 0, list(losses)
    while epoch < budget.end:
        decided = epoch + 1 in (budget.warm_up_ends, budget.end)
        budget.restarts_after(epoch, left[0], accuracy)
        if decided and len(left) > 1:
            left.pop(0)
        epoch += 1
    return budget, epoch


@pytest.mark.parametrize(("losses", "epochs"), [
    ([1.0, 0.8, 0.6], 7 + 14 + 28 + 1),
    ([1.0, 1.0], 7 + 14 + 1),
])  # fmt: skip
def test_schedules_double_while_the_loss_falls(losses: list[float], epochs: int) -> None:
    budget, trained_epochs = trained(tiny_training("xray", epochs=8, warmup_epochs=7, restarts=2), losses)
    assert trained_epochs == epochs
    assert budget.end - budget.warm_up_ends == 1, "only the last one looks again"


def test_without_a_warm_up_whole_schedules_are_repeated() -> None:
    assert trained(tiny_training("xray", epochs=5, warmup_epochs=0, restarts=1), [1.0])[1] == 5 + 10


@pytest.mark.parametrize("changes", [{"restarts": 0}, {"restarts": 2, "learnt": 0.6}])
def test_what_is_learnt_is_trained_no_more(changes: dict[str, float]) -> None:
    assert trained(tiny_training("xray", epochs=8, warmup_epochs=7, **changes), [1.0])[1] == 8


def test_a_run_goes_on_in_its_schedule() -> None:
    config = tiny_training("xray", epochs=3, warmup_epochs=2, restarts=2)
    budget, again = Budget(config), Budget(config)
    assert budget.restarts_after(1, 1.0, 0.1)
    again.restore(budget.state())
    assert (again.start, again.warm_up_ends, again.end) == (2, 6, 7)
    assert not again.restarts_after(5, 1.0, 0.1), "the loss is where it was"


@pytest.mark.parametrize(("iterations", "extractors", "stages"), [
    (1, "shared", [(1, 0, 8)] * 9),
    (3, "shared", [(1, 0, 8)] * 3 + [(3, 0, 8)] * 6),
    (2, "own", [(1, 0, 3)] * 3 + [(2, 3, 8)] * 6),
    (3, "own", [(1, 0, 3)] * 3 + [(2, 3, 5)] * 2 + [(3, 5, 8)] * 4),
])  # fmt: skip
def test_extractors_join_one_after_the_other_with_a_cycle_each(
    iterations: int, extractors: str, stages: list[tuple[int, int, int]]
) -> None:
    changes = {"stream.icam.iterations": iterations, "stream.icam.extractors": extractors}
    budget = Budget(tiny_training("xray", epochs=8, warmup_epochs=3, **changes))
    assert [budget.stage(epoch) for epoch in range(9)] == stages, "the schedule asks for the rate behind the last step"


def test_extractors_join_after_the_schedule_that_was_repeated() -> None:
    changes = {"stream.icam.iterations": 3, "stream.icam.extractors": "own"}
    budget = Budget(tiny_training("xray", epochs=4, warmup_epochs=2, restarts=1, **changes))
    assert budget.restarts_after(1, 1.0, 0.1)
    assert [budget.stage(epoch) for epoch in range(2, 8)] == [(1, 2, 6)] * 4 + [(2, 6, 7), (3, 7, 8)]


@pytest.mark.parametrize(("extractors", "epochs", "iterations"), [
    ("shared", 3, [1, 1, 3]),
    ("shared", 1, [3]),
    ("own", 4, [1, 1, 2, 3]),
    ("own", 1, [3]),
])  # fmt: skip
def test_however_few_epochs_there_are_all_iterations_are_trained(
    extractors: str, epochs: int, iterations: list[int]
) -> None:
    """As with ``--epochs 3`` and a preset whose warm-up has eight."""
    changes = {"stream.icam.iterations": 3, "stream.icam.extractors": extractors}
    budget = Budget(tiny_training("xray", epochs=epochs, warmup_epochs=8, **changes))
    assert budget.end == epochs
    assert [budget.stage(epoch).iterations for epoch in range(epochs)] == iterations
