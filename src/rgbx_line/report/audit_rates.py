"""How pure the bins are, and how much of each class they get, by the devices that were drawn at random and reviewed."""

from collections import Counter
from collections.abc import Callable, Sequence

from rgbx.config import Config
from rgbx.names import natural_key
from rgbx_line.review.audited import AuditedDevice
from rgbx_line.review.rates import reviewed_rate
from rgbx_line.review_mix import NO_KNOWN_CLASS

Right = Callable[[int, str, str], bool]
"""Whether a bin is right: number of the model, the bin, what the device is."""


class AuditedShare(Config):
    """A share of devices, by a sample of which some may be open.

    ``low`` and ``high`` are the ends of the 95 % interval (Clopper and Pearson). Devices of the sample that nobody has
    said anything of, or of which people say different things, count as bad for the one and as good for the other.
    """

    good: int
    bad: int
    open: int
    value: float | None = None
    """Good ones of those that are known; None where none is: nothing was audited."""
    low: float = 0.0
    high: float = 1.0


class BinPurity(Config):
    """Of the devices in a bin, how many belong there."""

    bin: str
    share: AuditedShare


class ClassRecall(Config):
    """Of the devices of a class, how many went to a bin that is right for them; of unknown ones, how many aside."""

    label: str
    share: AuditedShare


class AuditedRates(Config):
    """What the audit of a period says."""

    random_share: float
    """Of all devices, drawn to be reviewed."""
    drawn: int
    reviewed: int
    """Of the drawn ones, those that people agree on."""
    chosen: int
    """Devices that were reviewed, but not drawn at random: no rate counts them."""
    chosen_wrong: int
    """Of these, those that had gone to a wrong bin."""
    all_bins: AuditedShare
    bins: tuple[BinPurity, ...]
    classes: tuple[ClassRecall, ...]


def audited_rates(
    devices: Sequence[AuditedDevice], random_share: float, is_right: Right, bins: Sequence[str], classes: Sequence[str]
) -> AuditedRates:
    """Return what reviewed devices say of a period.

    Args:
        devices: of the period, those that were drawn or reviewed, as :func:`rgbx_line.review.audited.audited` gives
            them.
        random_share: of all devices, that is drawn.
        is_right: which bin is right for which class.
        bins: to tell of, whether they were audited or not.
        classes: likewise.
    """
    drawn = [device for device in devices if device.drawn]
    chosen = [device for device in devices if not device.drawn and device.label is not None]
    known = {device.label for device in drawn if device.label is not None}
    labels = sorted({*classes, *known} - {NO_KNOWN_CLASS}, key=natural_key) + [NO_KNOWN_CLASS] * bool(known)
    binned = [device for device in drawn if device.active.bin is not None]
    return AuditedRates(
        random_share=random_share,
        drawn=len(drawn),
        reviewed=sum(device.label is not None for device in drawn),
        chosen=len(chosen),
        chosen_wrong=sum(device.active.bin is not None and not _went_right(device, is_right) for device in chosen),
        all_bins=_purity(binned, is_right),
        bins=tuple(
            BinPurity(bin=name, share=_purity([each for each in binned if each.active.bin == name], is_right))
            for name in bins
        ),
        classes=tuple(ClassRecall(label=label, share=_recall(drawn, label, is_right)) for label in labels),
    )


def _purity(devices: Sequence[AuditedDevice], is_right: Right) -> AuditedShare:
    found = Counter(None if device.label is None else _went_right(device, is_right) for device in devices)
    return _share(found[True], found[False], found[None], found[None], found[None])


def _recall(devices: Sequence[AuditedDevice], label: str, is_right: Right) -> AuditedShare:
    own = Counter(_went_right(device, is_right) for device in devices if device.label == label)
    # Each open device may be one of this class.
    open = Counter(_would_be_right(device, label, is_right) for device in devices if device.label is None)
    return _share(own[True], own[False], open[True], open[False], open.total())


def _share(good: int, bad: int, may_be_good: int, may_be_bad: int, open: int) -> AuditedShare:
    """Return a share with an interval that holds whatever the open devices are."""
    if not good + bad:
        return AuditedShare(good=0, bad=0, open=open)
    lowest = reviewed_rate(good + bad + may_be_bad, bad + may_be_bad, 0)
    highest = reviewed_rate(good + bad + may_be_good, bad, 0)
    return AuditedShare(
        good=good,
        bad=bad,
        open=open,
        value=good / (good + bad),
        low=1 - lowest.high,
        high=1 - highest.low,
    )


def _went_right(device: AuditedDevice, is_right: Right) -> bool:
    assert device.label is not None
    return _would_be_right(device, device.label, is_right)


def _would_be_right(device: AuditedDevice, label: str, is_right: Right) -> bool:
    """Say whether a device went where it should if it is of a class; what is of none should go aside."""
    bin_name = device.active.bin
    if label == NO_KNOWN_CLASS:
        return bin_name is None
    return bin_name is not None and is_right(device.active.model, bin_name, label)
