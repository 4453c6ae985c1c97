"""How long to train: a schedule that ends before its images have been learnt begins again, twice as long.

Warm restarts, each of twice the length, after SGDR (Loshchilov and Hutter, 2017).
"""

from rgbx.training.settings import StreamTraining

STILL_FALLING = 0.97
"""A schedule has helped if the training loss at its end is below this share of the one before."""


class Budget:
    """Where a run is in its schedules.

    A schedule is a warm-up of one iteration, if there is any, and the epochs of all iterations behind it. Whether to
    begin again is decided at the end of the warm-up, so that only the last schedule goes on to look again.
    """

    def __init__(self, config: StreamTraining) -> None:
        self._config = config
        self.start = 0
        """First epoch of the present schedule."""
        self._restarts = 0
        self._loss: float | None = None

    @property
    def warm_up_ends(self) -> int:
        """First epoch of all iterations."""
        return self.start + 2**self._restarts * self._config.warmup_epochs

    @property
    def end(self) -> int:
        """First epoch that is not trained any more, as far as is known."""
        config = self._config
        repeated = config.warmup_epochs or config.epochs
        return self.start + 2**self._restarts * repeated + config.epochs - repeated

    def rate_cycle(self, epoch: int) -> tuple[int, int]:
        """Return the first epoch of the learning rate's cycle that an ``epoch`` is in, and the first behind it.

        Extractors that join after the warm-up have everything to learn: they get a cycle of their own.
        """
        if self._config.stream.icam.extractors == "shared" or not self._config.warmup_epochs:
            return self.start, self.end
        return (self.start, self.warm_up_ends) if epoch < self.warm_up_ends else (self.warm_up_ends, self.end)

    def restarts_after(self, epoch: int, loss: float, accuracy: float) -> bool:
        """Begin a new schedule after ``epoch`` if the images are not learnt yet, and say whether.

        Args:
            epoch: that has just ended.
            loss: of training, in it.
            accuracy: of training, in it.
        """
        config = self._config
        decided = self.warm_up_ends if config.warmup_epochs else self.end
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
