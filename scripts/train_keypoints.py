"""Train the keypoint network that comes with rgbx on synthetic shapes.

    python scripts/train_keypoints.py --out runs/keypoints

Everything is drawn on the fly from the seed and the step, so a run that was stopped goes on with the same command as if
it had not been. It ends with OUT/superpoint.safetensors, to be put beside
src/rgbx_render/radiography/superpoint.py, and OUT/curve.csv
with the loss on images it learned from and, every --check steps, on others.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rgbx.files import atomic_path, write_bytes
from rgbx_render.radiography.superpoint import _CELL as CELL
from rgbx_render.radiography.superpoint import LAYERS, SuperPoint, find_peaks, heat_map, write_network
from rgbx_render.radiography.synthetic_shapes import LabelledImage, draw_shapes

RADIUS = 4
"""Of non-maximum suppression, pixels."""
TOLERANCE = 3.0
"""A detection this near to a junction is right, pixels."""
CHECK_IMAGES = 128


def with_batch_norm(network: SuperPoint) -> SuperPoint:
    """Put a batch norm behind every convolution but the last; it learns in a fraction of the steps."""
    for name in LAYERS[:-1]:
        convolution = network.get_submodule(name)
        setattr(network, name, nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels)))
    return network


def merge_batch_norm(network: SuperPoint, plain: SuperPoint) -> SuperPoint:
    """Make ``plain``, of the same widths, give what ``network`` gives: batch norms become part of the convolutions."""
    state = {f"convPb.{key}": value for key, value in network.convPb.state_dict().items()}
    network.eval()
    for name in LAYERS[:-1]:
        fused = fuse_conv_bn_eval(*network.get_submodule(name))
        state |= {f"{name}.{key}": value for key, value in fused.state_dict().items()}
    plain.load_state_dict(state)
    return plain


def targets(points: np.ndarray, size: int) -> np.ndarray:
    """Return for every cell which of its pixels is a keypoint, (h, w) of 0 … 63, or 64 for none.

    Of several keypoints in a cell the last is taken, which is the strongest.
    """
    classes = np.full((size // CELL, size // CELL), CELL**2)
    x, y = points.T
    classes[y // CELL, x // CELL] = (y % CELL) * CELL + x % CELL
    return classes


def batch(seed: tuple[int, ...], count: int, size: int) -> tuple[list[LabelledImage], torch.Tensor, torch.Tensor]:
    """Draw images, as they are and as (B, 1, H, W), with their targets (B, h, w)."""
    rng = np.random.default_rng(seed)
    drawn = [draw_shapes(rng, size) for _ in range(count)]
    images = torch.from_numpy(np.stack([each.image for each in drawn]))[:, None]
    classes = torch.from_numpy(np.stack([targets(each.points, size) for each in drawn]))
    return drawn, images.to(memory_format=torch.channels_last), classes


@torch.inference_mode()
def check(network: SuperPoint, seed: int, size: int, threshold: float = 0.1) -> tuple[float, float, float]:
    """Return loss, precision and recall on images that are never learned from."""
    drawn, images, classes = batch((seed, 1), CHECK_IMAGES, size)
    network.eval()
    logits = network(images)
    network.train()
    right = found = recalled = labelled = 0
    for each, heat in zip(drawn, heat_map(logits).numpy(), strict=True):
        inside = each.points[((each.points >= 4) & (each.points < size - 4)).all(axis=1)]
        peaks = find_peaks(heat, threshold, RADIUS)
        distance = np.linalg.norm(peaks[:, None] - each.points[None], axis=2)
        right += np.count_nonzero(distance.min(axis=1, initial=np.inf) <= TOLERANCE)
        found += len(peaks)
        distance = np.linalg.norm(peaks[:, None] - inside[None], axis=2)
        recalled += np.count_nonzero(distance.min(axis=0, initial=np.inf) <= TOLERANCE)
        labelled += len(inside)
    return F.cross_entropy(logits, classes).item(), right / max(1, found), recalled / max(1, labelled)


def train(options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Train, yielding a line of the curve at every check; resumes from OUT/checkpoint.pt."""
    torch.manual_seed(options.seed)
    shape = tuple(options.widths), options.head
    network = with_batch_norm(SuperPoint(*shape))
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, options.steps, pct_start=0.1)
    state = {"network": network, "optimiser": optimiser, "schedule": schedule}
    checkpoint = options.out / "checkpoint.pt"
    first, seconds = 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        first, seconds = saved["step"], saved["cpu_seconds"]
        for name, part in state.items():
            part.load_state_dict(saved[name])
    started = time.process_time()
    losses: list[float] = []
    for step in range(first, options.steps):
        _, images, classes = batch((options.seed, 0, step), options.batch, options.size)
        loss = F.cross_entropy(network(images), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        done = step + 1
        if done % options.check == 0 or done == options.steps:
            held_out, precision, recall = check(network, options.seed, options.size)
            spent = seconds + time.process_time() - started
            yield {
                "step": done, "loss": float(np.mean(losses)), "check_loss": held_out,
                "precision": precision, "recall": recall, "cpu_seconds": spent,
            }  # fmt: skip
            losses.clear()
            with atomic_path(checkpoint) as temporary:
                saved = {name: part.state_dict() for name, part in state.items()}
                torch.save({**saved, "step": done, "cpu_seconds": spent}, temporary)
    write_bytes(options.out / "superpoint.safetensors", write_network(merge_batch_norm(network, SuperPoint(*shape))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=1700, help="batches to learn from")
    parser.add_argument("--batch", type=int, default=32, help="images in a batch")
    parser.add_argument("--size", type=int, default=128, help="side of the images, pixels")
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="the highest of the one cycle")
    parser.add_argument("--widths", type=int, nargs=4, default=[16, 32, 64, 64], help="channels of the encoder")
    parser.add_argument("--head", type=int, default=128, help="channels of the detector head")
    parser.add_argument("--check", type=int, default=100, help="steps from one check and checkpoint to the next")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    curve = options.out / "curve.csv"
    for line in train(options):
        new = not curve.exists()
        with curve.open("a", newline="") as file:
            writer = csv.DictWriter(file, line)
            if new:
                writer.writeheader()
            writer.writerow({name: round(value, 4) for name, value in line.items()})
        print(", ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)


if __name__ == "__main__":
    main()
