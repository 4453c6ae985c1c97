"""Draws unlike.png: where radiographs are unlike the known devices that they resemble most. Run it with python."""

import tempfile
from pathlib import Path

import numpy as np

from rgbx.datasets.images import read_radiograph
from rgbx.evaluation.explain import overlay
from rgbx.pictures import contact_sheet
from rgbx.samples import SampleSet, write_image
from rgbx.trust.layout import Layouts, layout_of
from rgbx.view.transform import Transform, TransformConfig
from rgbx_proving.experiments.benchmark import Benchmark, LineUnits, scan_units

CLASSES = ("SP2", "SP3", "SP4", "SP5", "SP6", "SP7")
KNOWN, SHOWN = range(1001, 1031), range(1031, 1033)
"""Worn units of each class to compare with, and to show; two radiographs each."""
ROWS = {"SP5": "SP5", "SP2": "SP2", "SP6": None}
"""Class that is shown, and class that is unknown meanwhile."""


def main() -> None:
    """Write the picture beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        known, shown = (radiographs(Path(folder, use), units) for use, units in (("known", KNOWN), ("shown", SHOWN)))
    rows, captions = [], []
    for label, unknown in ROWS.items():
        names = [name for name in CLASSES if name != unknown]
        layouts = Layouts.fit(
            np.stack([layout_of(image).ravel() for name in names for image in known[name]]),
            np.repeat(np.arange(len(names)), [len(known[name]) for name in names]),
        )
        rows.append([])
        captions.append([])
        for image in shown[label]:
            nearest, places = layouts.anomaly_map(image)
            grey = np.repeat((image >> 8).astype(np.uint8)[..., None], 3, 2)
            rows[-1] += [grey, np.rint(255 * overlay(grey, places)).astype(np.uint8)]
            captions[-1] += [f"{label}, {'known' if unknown is None else 'unknown'}", f"unlike {names[nearest]}"]
    write_image(Path(__file__).with_suffix(".png"), contact_sheet(rows, captions, tile=180))


def radiographs(line: Path, units: range) -> dict[str, list[np.ndarray]]:
    """Return prepared radiographs of units on the simulated line, by class."""
    benchmark = Benchmark(classes=CLASSES)
    scan_units(line / "units-as-new", line, benchmark, LineUnits(units, 2), rgb=False)
    samples = SampleSet.open(line / "xray")
    prepare = Transform("xray", TransformConfig(view="square"))
    found: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    for record in samples:
        found[record.label].append(prepare(read_radiograph(samples.path(record))))
    return found


if __name__ == "__main__":
    main()
