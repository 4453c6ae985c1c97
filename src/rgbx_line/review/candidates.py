"""What reviews say of a candidate beside the active model: whether it may take its place."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any, NamedTuple

from rgbx.errors import RgbxError
from rgbx.trust.proof import Proof, ReviewedPair, Sent
from rgbx_line.models import ModelStore
from rgbx_line.review.audited import index_path
from rgbx_line.review.index import ReviewIndex
from rgbx_line.review.models import ModelKnowledge, StoreKnowledge
from rgbx_line.review.standing import ReviewState
from rgbx_line.settings import LineFolder, LineSettings

MOST_DIFFERING = 50
PROMOTION_ALLOWED = "promotion allowed"
"""What the log's entry of who changed what says when somebody promotes a candidate that is proven."""


class DifferingDevice(NamedTuple):
    """A device that the two models sent to different places."""

    number: int
    """Of its result's entry."""
    part: str
    time: datetime
    active: str | None
    """Where it went; None when aside."""
    active_label: str | None
    candidate: str | None
    """Where it would have gone."""
    candidate_label: str | None
    state: ReviewState
    label: str | None
    """What it is by its reviewers; None where that is open."""


class DrawnDevice(NamedTuple):
    """A device that was drawn at random."""

    number: int
    """Of its result's entry."""
    draw: float
    """Those with the least are asked about first."""
    came: int
    """Number of the entry with the candidate's answer."""
    looked: int | None
    """Number of the entry with the first opinion of it; None where nobody has looked."""


class CandidateReviews(NamedTuple):
    """What reviews say of a candidate."""

    candidate: int
    active: int
    """Numbers of both models."""
    proof: Proof
    waiting: int
    """Devices that were drawn, that both saw, and that nobody has looked at."""
    early: int
    """Devices that were looked at and count when their turn has come."""
    unseen: int
    """Devices that were drawn since the candidate is there, and that it has not seen."""
    seen: int
    """All devices that it saw, drawn or not."""
    differ: int
    """Of these, sent elsewhere than the active model did."""
    differing: list[DifferingDevice]
    """The newest of these."""
    lacking_bins: tuple[str, ...]
    """Bins that the candidate names and the line has no code for: what it sends there goes aside."""

    @property
    def sentence(self) -> str:
        """Whether it may be promoted, or how many more reviews that takes."""
        proof = self.proof
        if proof.passes:
            return (
                f"Yes. {_reviews(proof.reviews)} show it with {proof.rule.confidence:.0%} confidence each, however "
                "often one looks."
            )
        if proof.least is None:
            return f"No. After {_reviews(proof.reviews)}, no number of reviews without an error would show it."
        more = f"It takes {proof.least} more reviews of devices drawn at random, if no error comes"
        if self.early:
            more += f" ({self.early} were reviewed before their turn, and are among them)"
        if proof.expected is None:
            return f"Not yet. {more}. At the rates seen so far it never holds."
        if proof.expected > proof.least:
            return f"Not yet. {more}; about {proof.expected} at the rates seen so far."
        return f"Not yet. {more}."

    def for_the_log(self) -> dict[str, Any]:
        """Return what the log keeps of the proof that a promotion rests on."""
        proof = self.proof
        return {
            "number": self.candidate,
            "instead_of": self.active,
            "reviews": proof.reviews,
            "open": proof.open,
            "false_sorts": proof.candidate.false_sorts.count,
            "sorted": proof.candidate.false_sorts.devices,
            "candidate_only": proof.false_sorts.candidate_only,
            "active_only": proof.false_sorts.active_only,
            "rule": proof.rule.model_dump(mode="json"),
        }


def candidate_reviews(
    settings: LineSettings, candidate: int, through: int, most: int | None = None
) -> CandidateReviews | None:
    """Return what reviews say of a model; None where the settings ask for no proof, or there is nothing to prove.

    Nothing is to be proven of the active model, of the previous one, which may be gone back to at any time, of the
    first one, and of one that the store does not have.

    Devices count that were drawn at random, that the present active model answered and the candidate saw, and whose
    turn has come. Those that people look at first since they look doubtful count when their turn comes, too: else a
    proof would rest on devices that were chosen.

    Args:
        settings: of the line.
        candidate: number of the model, whether it shadows the active one at the moment or did earlier.
        through: number of the last entry of the log that may be told of.
        most: how many entries that the index lacks may be taken into it; all when None.

    Raises:
        InputError: the log, the store or a bundle is damaged, or the index cannot be written.
    """
    folder = LineFolder(settings.folder)
    store = ModelStore(folder.models)
    active = store.active
    if settings.promotion is None or active is None or candidate in (active, store.previous):
        return None
    if candidate not in store.models():
        return None
    knowledge = StoreKnowledge(folder.models)()
    with ReviewIndex(folder.log, index_path(folder), settings.review) as index:
        index.update(most)
        values = {"candidate": candidate, "active": active, "through": through, "share": settings.review.random_share}
        rows = index.rows(_DRAWN, **values)
        # What is too old to be asked about, and was never looked at, says nothing.
        both = [row for row in rows if row["seen"] and (row["looked"] or row["waiting"])]
        counted = in_turn([DrawnDevice(row["number"], row["draw"], row["seen"], row["looked"]) for row in both])
        (counts,) = index.rows(_COUNTS, candidate=candidate)
        return CandidateReviews(
            candidate=candidate,
            active=active,
            proof=Proof.of(
                (_pair(row, active, candidate, knowledge, settings.bins) for row in both if row["number"] in counted),
                settings.promotion,
            ),
            waiting=sum(not row["looked"] for row in both),
            early=sum(bool(row["looked"]) for row in both) - len(counted),
            unseen=sum(bool(row["images"]) and not row["seen"] for row in rows),
            seen=counts["seen"],
            differ=int(counts["differ"]),
            differing=_differing(index, settings.bins, **values),
            lacking_bins=tuple(name for name in knowledge.bins(candidate) if name not in settings.bins),
        )


def check_promotion(settings: LineSettings, number: int, through: int) -> CandidateReviews | None:
    """Return what a promotion rests on, for the log; None where nothing is asked.

    Args:
        settings: of the line.
        number: of the model that is to become active.
        through: number of the last entry of the log that may be told of.

    Raises:
        RgbxError: the reviews do not show what the settings ask for.
    """
    found = candidate_reviews(settings, number, through)
    if found is not None and not found.proof.passes:
        raise RgbxError(
            f"Model {number} may not be promoted. {found.sentence} The rule is 'promotion' in the line's settings."
        )
    return found


def in_turn(devices: Iterable[DrawnDevice]) -> set[int]:
    """Return the devices that were looked at and whose turn has come, by their numbers.

    A device's turn has come once it was looked at and none that was there had a lower draw and waited for its first
    look. So which devices count does not depend on what they look like: each has one draw, and waits for those before
    it. None that has come to count ever ceases to.
    """
    came = sorted(devices, key=lambda device: device.came)
    looks = sorted(
        (max(device.looked, device.came), device.number, device.draw) for device in came if device.looked is not None
    )
    open_draws: list[tuple[float, int]] = []
    early: list[tuple[float, int]] = []
    looked, counted = set[int](), set[int]()
    place = 0
    for at, number, draw in looks:
        while place < len(came) and came[place].came <= at:
            heappush(open_draws, (came[place].draw, came[place].number))
            place += 1
        looked.add(number)
        heappush(early, (draw, number))
        while open_draws and open_draws[0][1] in looked:
            heappop(open_draws)
        while early and (not open_draws or early[0] < open_draws[0]):
            counted.add(heappop(early)[1])
    return counted


def _pair(row: Any, active: int, candidate: int, knowledge: ModelKnowledge, bins: Collection[str]) -> ReviewedPair:
    label = row["verdict"]

    def sent(model: int, bin: str | None) -> Sent:
        return Sent(bin, bin is not None and label is not None and knowledge.is_right(model, bin, label))

    return ReviewedPair(label, sent(active, row["bin"]), sent(candidate, _with_code(row["candidate_bin"], bins)))


def _differing(index: ReviewIndex, bins: Collection[str], **values: Any) -> list[DifferingDevice]:
    found = [
        DifferingDevice(
            number=row["number"],
            part=row["part"],
            time=datetime.fromtimestamp(row["time"], UTC),
            active=row["bin"],
            active_label=row["label"],
            candidate=_with_code(row["candidate_bin"], bins),
            candidate_label=row["candidate_label"],
            state=ReviewState(row["state"]),
            label=row["verdict"],
        )
        for row in index.rows(_DIFFERING, **values)
    ]
    return [each for each in found if each.active != each.candidate]


def _with_code(bin: str | None, bins: Collection[str]) -> str | None:
    """Return a bin; None, which is aside, where the line has no code for it."""
    return bin if bin in bins else None


def _reviews(count: int) -> str:
    return "1 review" if count == 1 else f"{count} reviews"


_BOTH = "results.model = :active AND results.number <= :through"
_DRAWN = (
    "SELECT results.number, draw, verdict, waiting, images, results.bin, shadows.bin AS candidate_bin,"
    " shadows.number AS seen, looks.number AS looked FROM results INDEXED BY by_draw"
    " LEFT JOIN looks ON looks.result = results.number"
    " LEFT JOIN shadows ON shadows.result = results.number AND shadows.model = :candidate"
    f" WHERE draw < :share AND {_BOTH}"
    " AND results.number >= (SELECT min(result) FROM shadows WHERE model = :candidate)"
)
_DIFFERING = (
    "SELECT results.number, part, time, results.bin, results.label, state, verdict, shadows.bin AS candidate_bin,"
    " shadows.label AS candidate_label FROM shadows INDEXED BY by_difference"
    " JOIN results ON results.number = shadows.result"
    f" WHERE shadows.model = :candidate AND differs = 1 AND {_BOTH}"
    f" ORDER BY shadows.result DESC LIMIT {MOST_DIFFERING}"
)
_COUNTS = (
    "SELECT count(*) AS seen, total(differs) AS differ FROM shadows INDEXED BY by_difference WHERE model = :candidate"
)
