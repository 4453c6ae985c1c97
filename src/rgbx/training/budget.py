"""How long to train: a schedule that ends before its images have been learnt begins again, twice as long.

Warm restarts, each of twice the length, after SGDR (Loshchilov and Hutter, 2017).
"""

from bisect import bisect_right
from typing import NamedTuple

from rgbx.training.settings import StreamTraining

STILL_FALLING = 0.97
"""A schedule has helped if the training loss at its end is below this share of the one before."""


class Stage(NamedTuple):
    """Part of a schedule."""

    iterations: int
    """That are run."""
    start: int
    """First epoch of the learning rate's cycle."""
    end: int
    """First epoch behind that cycle."""


class Budget:
    """Where a run is in its schedules.

    A schedule is a warm-up of one iteration, if there is any, and the epochs of all iterations behind it. Whether to
    begin again is decided at the end of the warm-up, so that only the last schedule goes on to look again.
    """

    def __init__(self, config: StreamTraining) -> None:
        self._config = config
        icam = config.stream.icam
        joining = icam.iterations - 1 if icam.extractors == "own" else 1
        self.warm_up = min(config.warmup_epochs, max(config.epochs - joining, 0))
        """Epochs of one iteration in the first schedule."""
        self.start = 0
        """First epoch of the present schedule."""
        self._restarts = 0
        self._loss: float | None = None

    @property
    def warm_up_ends(self) -> int:
        """First epoch of all iterations."""
        return self.start + 2**self._restarts * self.warm_up

    @property
    def end(self) -> int:
        """First epoch that is not trained any more, as far as is known."""
        epochs = self._config.epochs
        repeated = self.warm_up or epochs
        return self.start + 2**self._restarts * repeated + epochs - repeated

    def stage(self, epoch: int) -> Stage:
        """Return the stage that an ``epoch`` is in.

        Extractors of their own join one after the other in what the warm-up leaves, each with a cycle of the learning
        rate: it has everything to learn, and nothing before the one that shows it where to look has learnt.
        """
        icam = self._config.stream.icam
        iterations = icam.iterations
        if iterations == 1 or not self.warm_up:
            return Stage(iterations, self.start, self.end)
        joining = self.warm_up_ends
        if icam.extractors == "shared":
            return Stage(1 if epoch < joining else iterations, self.start, self.end)
        later = iterations - 1
        starts = [self.start, *(joining + (self.end - joining) * place // later for place in range(later)), self.end]
        running = min(bisect_right(starts, epoch), iterations)
        return Stage(running, starts[running - 1], starts[running])

    def restarts_after(self, epoch: int, loss: float, accuracy: float) -> bool:
        """Begin a new schedule after ``epoch`` if the images are not learnt yet, and say whether.

        Args:
            epoch: that has just ended.
            loss: of training, in it.
            accuracy: of training, in it.
        """
        config = self._config
        decided = self.warm_up_ends if self.warm_up else self.end
        if epoch + 1 != decided or accuracy >= config.learnt or self._restarts == config.restarts:
            return False
        if self._loss is not None and loss > STILL_FALLING * self._loss:
            return False
        self.start, self._restarts, self._loss = epoch + 1, self._restarts + 1, loss
        return True

    def state(self) -> tuple[int, int, float | None]:
        """Return what :meth:`restore` takes."""
        return self.start, self._restarts, self._loss

    def restore(self, state: tuple[int, int, float | None]) -> None:
        """Go on where another one was."""
        self.start, self._restarts, self._loss = state
