"""The keypoint filter of X-ray domain randomisation: which renders it keeps, and how repeatable its keypoints are.

Renders show SP10 units that sets are trained on (the first two of each class, scanned at 0.3 mm).

*Acceptance*: keypoints and accept rates of default draws by transfer-function seed, of the same draws with all
attenuations scaled, of blank images and of pure noise. The threshold to choose is the one at which the kind of image
that is decided worst is decided best; thresholds are compared on even draws and rates are stated on odd ones.

*Repeatability*: the share of keypoints found again within 3 pixels under a random homography, on noise-free renders of
240 × 240, after the same non-maximum suppression. Each detector may name its 300 strongest points; of every detector as
many are compared as the one with the fewest finds in that pair of images. Means with 95 % intervals.

    python benchmarks/keypoint_filter.py [--quick] [--weights FILE] [--radius PIXELS] [--picture FILE.png]

prints one JSON object as its last line.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from rich.console import Console
from rich.table import Table

from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.filters import Acceptance
from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation, draw_radiograph, render_radiograph
from rgbx_render.radiography.scans import PreparedScan, prepare_scan
from rgbx_render.radiography.superpoint import KeypointDetector, find_peaks, load_detector
from rgbx_render.radiography.transfer import read_presets

matplotlib.use("Agg")
from matplotlib import pyplot

CLASSES = [f"SP{number}" for number in range(1, 11)]
SPACING_MM = 0.3
SIDE = 240
"""Of the images the network sees, pixels."""
SCALED = {"× 0.02": 0.02, "× 0.05": 0.05, "× 0.1": 0.1, "× 30": 30.0}
"""All attenuations of a draw by this."""
WANTED = tuple(read_presets())
UNWANTED = ("× 0.02", "× 0.05", "× 30", "blank", "noise")
"""What is neither (× 0.1, noisy renders) is told, but not decided by."""
THRESHOLDS = np.array([digit / 10**places for places in (4, 3, 2, 1) for digit in range(1, 10)])
TOP = 300
DISTANCE = 3.0
RADIUS = 4
"""Of non-maximum suppression where detectors are compared, pixels."""

Points = np.ndarray
Detector = Callable[[np.ndarray], Points]


class Renders:
    """Noise-free renders of a few scans, drawn as sets draw them."""

    def __init__(self, classes: list[str], units: int) -> None:
        self.scans: dict[str, PreparedScan] = {}
        for name in classes:
            for number in range(1, units + 1):
                self.scans[f"{name}-{number}"] = prepare_scan(scan_unit(SP10.make_unit(name, number), SPACING_MM))
        self.statistics = ScanStatistics.of([scan.description for scan in self.scans.values()])

    def __call__(self, number: int, seed: str, strength: float = 1.0, size: int = 160) -> tuple[np.ndarray, np.ndarray]:
        """Return a render and its transmission, by the number of the draw, with attenuations scaled."""
        config = XrayRandomisation(size=size).updated({"transfer.use": seed})
        drawn = draw_radiograph(generator(number), config, list(self.scans), self.statistics)
        points = tuple((x, y * strength) for x, y in drawn.transfer.points)
        drawn = drawn.model_copy(update={"transfer": drawn.transfer.model_copy(update={"points": points})})
        radiograph = render_radiograph(drawn, self.scans[drawn.unit])
        return radiograph.noise_free, radiograph.transmission


def images(renders: Renders, kind: str, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return ``count`` images of a kind, each with the transmission that goes with it."""
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        open_beam = np.ones((160, 160), np.float32)
        if kind in WANTED:
            made.append(renders(number, kind))
        elif kind in SCALED:
            made.append(renders(number, str(rng.choice(WANTED)), SCALED[kind]))
        elif kind == "blank":
            made.append((open_beam * np.float32(number / max(1, count - 1)), open_beam))
        elif kind == "noise":
            made.append((_noisy(rng, open_beam * np.float32(rng.uniform(0.2, 0.95))), open_beam))
        else:
            image, through = renders(number, str(rng.choice(WANTED)))
            made.append((_noisy(rng, image), through))
    return made


def _noisy(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add noise of a variance up to the default's highest."""
    deviation = np.sqrt(rng.uniform(0, 1000)) / 255
    return np.clip(image + deviation * rng.standard_normal(image.shape), 0, 1).astype(np.float32)


def acceptance(renders: Renders, detector: KeypointDetector, filters: dict[str, Acceptance], count: int) -> dict:
    """Return counts and accept rates for each kind of image, and how each threshold would decide."""
    learned = filters["superpoint"]
    _, radius = learned.superpoint.operating_point
    table: dict[str, dict] = {}
    decisions = {}
    for kind in (*WANTED, *SCALED, "blank", "noise", "noisy renders"):
        made = images(renders, kind, count)
        table[kind] = {}
        for name, accept in filters.items():
            counts = [accept.keypoint_filter.count(image) for image, _ in made[1::2]]
            rate = np.mean([accept.accepts(*each) for each in made[1::2]])
            table[kind][name] = {"quartiles": np.percentile(counts, [25, 50, 75]).tolist(), "accepted": float(rate)}
        if kind in WANTED or kind in UNWANTED:
            heats = [detector.heat(_at_side(image)) for image, _ in made[::2]]
            dark = [not Acceptance(keypoints=0, detector="corners").accepts(*each) for each in made[::2]]
            enough = np.array([_counts(heat, radius) for heat in heats]) > learned.keypoints
            kept = (enough & ~np.array(dark)[:, None]).mean(axis=0)
            decisions[kind] = kept if kind in WANTED else 1 - kept
    return {"kinds": table, "decisions": decisions}


def _counts(heat: np.ndarray, radius: int) -> np.ndarray:
    """Return the number of keypoints at each of ``THRESHOLDS``: suppression goes from the highest value down."""
    x, y = find_peaks(heat, THRESHOLDS[0], radius).T
    return np.count_nonzero(heat[y, x][:, None] > THRESHOLDS, axis=0)


def best_threshold(decisions: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the threshold at which the worst kind is decided best (the middle of equals), and its share of right."""
    worst = np.min(list(decisions.values()), axis=0)
    best = np.flatnonzero(worst == worst.max())
    return float(THRESHOLDS[best[len(best) // 2]]), float(worst.max())


def _at_side(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def detectors(network: KeypointDetector) -> dict[str, Detector]:
    """Return every detector as a function from an image to its strongest keypoints (N, 2)."""

    def learned(image: np.ndarray) -> Points:
        return find_peaks(network.heat(image), 0.0, RADIUS)[:TOP].astype(float)

    def by_response(image: np.ndarray, detector: cv2.Feature2D) -> Points:
        found = detector.detect(np.rint(image * 255).astype(np.uint8), None)
        found = sorted(found, key=lambda keypoint: -keypoint.response)
        return _thinned(np.array([keypoint.pt for keypoint in found]).reshape(-1, 2))

    def shi_tomasi(image: np.ndarray) -> Points:
        found = cv2.goodFeaturesToTrack(image, 5000, 1e-6, 1)
        return _thinned(np.empty((0, 2)) if found is None else found.reshape(-1, 2).astype(float))

    def at_random(image: np.ndarray) -> Points:
        rng = np.random.default_rng(image.view(np.uint32).ravel())
        return _thinned(rng.uniform(4, SIDE - 5, (5000, 2)))

    sift = cv2.SIFT_create(nfeatures=0, contrastThreshold=1e-4)
    orb = cv2.ORB_create(nfeatures=5000, fastThreshold=1, edgeThreshold=4, patchSize=9)
    return {
        "SuperPoint": learned,
        "SIFT": lambda image: by_response(image, sift),
        "ORB": lambda image: by_response(image, orb),
        "Shi–Tomasi": shi_tomasi,
        "random points": at_random,
    }


def _thinned(points: Points) -> Points:
    """Return the first ``TOP`` of points, in their order, that are inside and further apart than ``RADIUS``."""
    inside = ((points >= 4) & (points < SIDE - 4)).all(axis=1)
    kept = np.empty((0, 2))
    for point in points[inside]:
        if len(kept) == TOP:
            break
        if not (np.abs(kept - point).max(axis=1) <= RADIUS).any():
            kept = np.vstack([kept, point])
    return kept


def homography(rng: np.random.Generator) -> np.ndarray:
    """Return a random perspective with rotation up to 45°, scale 0.8 … 1.25 and a shift of up to a tenth."""
    square = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], float) - SIDE / 2
    angle, scale = np.radians(rng.uniform(-45, 45)), np.exp(rng.uniform(np.log(0.8), np.log(1.25)))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (square + rng.uniform(-0.1, 0.1, (4, 2)) * SIDE) @ turn.T + rng.uniform(-0.1, 0.1, 2) * SIDE
    return cv2.getPerspectiveTransform((square + SIDE / 2).astype(np.float32), (moved + SIDE / 2).astype(np.float32))


def repeatability(first: Points, second: Points, warp: np.ndarray) -> float:
    """Return the share of keypoints visible in both images that have a partner within ``DISTANCE``, in each image."""

    def moved(points: Points, by: np.ndarray) -> Points:
        return cv2.perspectiveTransform(points.reshape(-1, 1, 2), by).reshape(-1, 2)

    def visible(points: Points) -> np.ndarray:
        return ((points >= 4) & (points < SIDE - 4)).all(axis=1)

    there = moved(first, warp)
    there = there[visible(there)]
    here = second[visible(moved(second, np.linalg.inv(warp)))]
    if not len(there) or not len(here):
        return 0.0
    distance = np.linalg.norm(there[:, None] - here[None], axis=2)
    found = np.count_nonzero(distance.min(axis=1) <= DISTANCE) + np.count_nonzero(distance.min(axis=0) <= DISTANCE)
    return found / (len(there) + len(here))


def compare_repeatability(renders: Renders, network: KeypointDetector, count: int) -> dict[str, dict[str, float]]:
    """Return mean repeatability, the half-width of its 95 % interval and the mean numbers of points, by detector."""
    shares: dict[str, list[float]] = {name: [] for name in detectors(network)}
    found: dict[str, list[int]] = {name: [] for name in shares}
    compared: list[int] = []
    for number in range(count):
        rng = np.random.default_rng((1, number))
        image, _ = renders(1000 + number, str(rng.choice(WANTED)), size=SIDE)
        warp = homography(rng)
        warped = cv2.warpPerspective(image, warp, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        warped = np.clip(warped, 0, 1)
        points = {name: (detect(image), detect(warped)) for name, detect in detectors(network).items()}
        fewest = min(len(side) for both in points.values() for side in both)
        compared.append(fewest)
        for name, (first, second) in points.items():
            shares[name].append(repeatability(first[:fewest], second[:fewest], warp))
            found[name].append(len(first))
    return {
        name: {
            "mean": float(np.mean(values)),
            "half_width": float(1.96 * np.std(values, ddof=1) / np.sqrt(count)),
            "points_found": float(np.mean(found[name])),
            "points_compared": float(np.mean(compared)),
        }
        for name, values in shares.items()
    }


def milliseconds(renders: Renders, accept: Acceptance, size: int) -> float:
    """Return the median CPU time of one decision on a render of this size, everything loaded."""
    images = [renders(number, WANTED[number % 5], size=size) for number in range(10)]
    accept.accepts(*images[0])
    times = []
    for image in images * 2:
        start = time.process_time()
        accept.accepts(*image)
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))


def draw_picture(path: Path, renders: Renders, network: KeypointDetector, learned: Acceptance) -> None:
    """Draw keypoints on a render of each kind."""
    shown = [*WANTED, *SCALED, "noise"]
    figure, axes = pyplot.subplots(2, 5, figsize=(15, 6.6), layout="constrained")
    for kind, axis in zip(shown, axes.flat, strict=True):
        image, through = images(renders, kind, 2)[-1]
        kept = "kept" if learned.accepts(image, through) else "rejected"
        image = _at_side(image)
        points = network.keypoints(image, *learned.superpoint.operating_point)
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.scatter(*points.T, s=9, facecolors="none", edgecolors="tab:orange", linewidths=0.8)
        axis.set_title(f"{kind}: {len(points)}, {kept}")
        axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few classes and images")
    parser.add_argument("--weights", type=Path, help="SuperPoint weights to look at instead of those of rgbx")
    parser.add_argument("--radius", type=int, help="of non-maximum suppression for the filter, instead of its default")
    parser.add_argument("--picture", type=Path, help="where to draw keypoints on a render of each kind")
    options = parser.parse_args()
    count, pairs = (12, 10) if options.quick else (200, 200)
    renders = Renders(CLASSES[::4] if options.quick else CLASSES, units=1 if options.quick else 2)
    network = load_detector(options.weights)
    learned = Acceptance.model_validate({"superpoint": {"weights": options.weights, "radius": options.radius}})
    filters = {"superpoint": learned, "corners": Acceptance(detector="corners")}

    measured = acceptance(renders, network, filters, count)
    threshold, worst = best_threshold(measured["decisions"])
    repeated = compare_repeatability(renders, network, pairs)
    costs = {name: {size: milliseconds(renders, each, size) for size in (160, 299)} for name, each in filters.items()}

    console = Console(width=120)
    table = Table("images", *[f"{name}: {what}" for name in filters for what in ("quartiles", "kept")])
    for kind, row in measured["kinds"].items():
        cells = [
            ("  ".join(f"{q:.0f}" for q in row[name]["quartiles"]), f"{row[name]['accepted']:.0%}") for name in row
        ]
        table.add_row(kind, *[cell for pair in cells for cell in pair])
    console.print(table)
    table = Table("detector", f"repeatability within {DISTANCE:.0f} px", "points found")
    for name, row in repeated.items():
        table.add_row(name, f"{row['mean']:.3f} ± {row['half_width']:.3f}", f"{row['points_found']:.0f}")
    console.print(table)
    console.print(f"best threshold {threshold}: at least {worst:.0%} of every kind decided as intended")
    for name, cost in costs.items():
        console.print(f"{name}: " + ", ".join(f"{each:.1f} ms at {size}²" for size, each in cost.items()))
    if options.picture:
        draw_picture(options.picture, renders, network, learned)
    result = {
        "benchmark": "keypoint_filter",
        "images_of_a_kind": count // 2,
        "kinds": measured["kinds"],
        "best_threshold": threshold,
        "worst_kind_decided_right": worst,
        "repeatability": repeated,
        "filter_cpu_ms": costs,
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
