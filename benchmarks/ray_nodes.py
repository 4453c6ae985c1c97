"""Two Ray nodes against one: how much faster a set of radiographs is rendered.

Both nodes run on this machine and have one core each, their own object store and their own copy of the scans; each
is kept to a core of its own. The head, which runs this script too, renders nothing and has no core to itself, so on
a machine of two cores the nodes share them with it. One and two nodes take turns. Each renders a small set and a
large one, and what is compared is the time that the large one takes longer, so that starting workers and waiting for
the last image do not count.

    python benchmarks/ray_nodes.py [--quick]

prints one JSON object as its last line. Needs `pip install rgbx[ray]` and two cores.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

from rgbx_render.devices.library import Library
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume
from rgbx_render.radiography.radiographs import render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation

STORE_BYTES = 200 * 2**20
CLASSES = ("A", "B")
SIZE = 299
"""Of the images, pixels: that of the paper's network."""


def board_of_chips(seed: int) -> Volume:
    """Return a scan of a slab of plastic with a thousand bits of metal in it, about as large as that of a phone."""
    rng = np.random.default_rng(seed)
    values = np.zeros((40, 400, 200), np.uint16)
    values[8:32, 10:390, 10:190] = 900
    for _ in range(1000):
        z, y, x = rng.integers((10, 12, 12), (28, 380, 180))
        values[z : z + 3, y : y + 8, x : x + 8] = rng.choice([3000, 12000, 16000])
    return Volume(values, (0.4, 0.4, 0.4))


def seconds(library: Library, out: Path, images_per_class: int, address: str) -> float:
    """Return how long the cluster takes to render a set."""
    config = XrayRandomisation(size=SIZE).updated({"acceptance.keypoints": 30})
    start = time.perf_counter()
    render_radiographs(library, out, config, images_per_class=images_per_class, ray=address)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images and one turn each")
    options = parser.parse_args()
    small, large, turns = (20, 80, 1) if options.quick else (50, 350, 3)
    all_cores = os.sched_getaffinity(0)
    cores = sorted(all_cores)[:2]
    if len(cores) < 2:
        parser.error("this machine has one core, two nodes would share it")
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="rgbx-ray-nodes-") as folder:
        for number, label in enumerate(CLASSES):
            write_volume(Path(folder) / f"library/{label}/{label}-1/scan.nrrd", board_of_chips(number))
        library = Library.open(Path(folder) / "library")
        store = {"object_store_memory": STORE_BYTES}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store})
        try:
            for turn in range(turns):
                nodes = []
                for count in (1, 2):
                    os.sched_setaffinity(0, {cores[count - 1]})  # what a node starts stays on its core
                    nodes.append(cluster.add_node(num_cpus=1, **store))
                    os.sched_setaffinity(0, all_cores)
                    small_seconds, large_seconds = (
                        seconds(library, Path(folder) / f"{turn}-{count}-{size}", size, cluster.address)
                        for size in (small, large)
                    )
                    rates[count].append(len(CLASSES) * (large - small) / (large_seconds - small_seconds))
                for node in nodes:
                    cluster.remove_node(node)
        finally:
            cluster.shutdown()
    medians = {count: statistics.median(values) for count, values in rates.items()}
    result = {
        "benchmark": "ray_nodes",
        "images": [len(CLASSES) * small, len(CLASSES) * large],
        "size": SIZE,
        "turns": turns,
        "cores": os.cpu_count(),
        "one_node_images_per_second": medians[1],
        "two_nodes_images_per_second": medians[2],
        "all_images_per_second": rates,
        "two_over_one": medians[2] / medians[1],
        "ray": ray.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
