"""Bets that devices come to look stranger, and how many false alarms they give at most.

Each bet turns a p-value into a factor whose mean is 1 while p-values are uniform, and larger when small ones abound. A
plain product of factors (a test martingale) wears out: after a quiet year it is so near to 0 that a fault takes months
to show. The statistic of Shiryaev and Roberts begins anew with each device instead, and sums::

    M ← (M + 1) · factor(p)

There is one for each bet on all devices, and one for each bet on the devices of each class, which stays as it is when a
device of another comes. The evidence is half the mean over bets of the former, and half that of the latter, summed over
classes. When it reaches the threshold an alarm sounds, and all begin again at 0.

**The promise.** Let N be the number of alarms in T devices. While each p-value is uniform or larger, whatever came
before, the mean of evidence + threshold · N grows by 1 with each device at most: by ½ for all devices and by ½ for the
device's class, and an alarm takes at least as much from the one as it adds to the other. So threshold · E[N] ≤ T: there
is one false alarm in ``threshold`` devices on average at most, over any length of time and for any number of classes,
without any approximation. Alarms of several signals add up, however the signals depend on one another: each gets its
share of the rate. (Shin, Ramdas and Rinaldo, 2024, bound the mean time to the first alarm by the same statistic.)

**The tolerance.** Where devices may come to be strange up to c times as often without fault, a p-value p is at most x
with a chance of at most c x. Then c p is uniform or larger, and bets on it keep the promise.
"""

from collections.abc import Mapping, Sequence

POWERS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Exponents κ of the bets κ p^(κ − 1): the least for a few devices that are very strange, the greatest for many that
are a little stranger."""
SLOPES = (0.3, 0.8)
"""Of the bets 1 + λ (1 − 2 p), for a shift of all devices."""
BETS = len(POWERS) + len(SLOPES)


def factors(p: float) -> list[float]:
    """Return what each bet multiplies by, 7 numbers, for a p-value above 0 up to 1; the mean over uniform ones is 1."""
    return [power * p ** (power - 1) for power in POWERS] + [1 + slope * (1 - 2 * p) for slope in SLOPES]


def threshold(devices: float, signals: int) -> float:
    """Return where an alarm sounds.

    Args:
        devices: in which all signals together may give one false alarm.
        signals: how many there are.
    """
    return devices * signals


class Stakes:
    """Evidence of one signal.

    Args:
        every: M of each bet on all devices.
        classes: of those on the devices of each class.
    """

    def __init__(
        self, every: Sequence[float] = (0.0,) * BETS, classes: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        self.every = tuple(every)
        self.classes = {label: tuple(each) for label, each in (classes or {}).items()}

    @property
    def evidence(self) -> float:
        """0 or more."""
        return (sum(self.every) + sum(map(sum, self.classes.values()))) / (2 * BETS)

    def take(self, label: str, won: Sequence[float]) -> None:
        """Take in a device of a class, with what bets on it won."""
        self.every = _next(self.every, won)
        self.classes[label] = _next(self.classes.get(label, (0.0,) * BETS), won)


def _next(before: Sequence[float], won: Sequence[float]) -> tuple[float, ...]:
    return tuple((each + 1) * factor for each, factor in zip(before, won, strict=True))
