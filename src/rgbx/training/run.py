"""A training run's folder: what it was started with, its checkpoint, its curve and, in the end, its bundle."""

import csv
import io
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import matplotlib.pyplot as plt
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.plugins.environments import TorchElasticEnvironment

from rgbx.errors import InputError
from rgbx.files import atomic_path, read_json, readable_os_errors, write_json, write_text
from rgbx.models.bundle import BUNDLE_FILE, versions
from rgbx.models.processor import denormals_flushed, keep_freed_memory, pick_processor, spare_depthwise
from rgbx.training.batches import WHOLE_BATCH, BatchShare

RUN = "run.json"
CHECKPOINT = "checkpoint/last.ckpt"


def start_run(out: Path, settings: Mapping[str, Any]) -> bool:
    """Start a run in ``out``, or go on with the same one; return whether it has finished already.

    Args:
        out: the run's folder.
        settings: JSON-able; everything that decides the result (configuration, digests of the data).

    Raises:
        InputError: the folder holds a run with other settings, or files that are no run.
    """
    path = out / RUN
    if path.exists():
        found = read_json(path).get("settings", {})
        changed = [key for key in sorted(found.keys() | settings.keys()) if found.get(key) != settings.get(key)]
        if changed:
            raise InputError(
                out,
                f"holds a run with other settings ({_differences(found, settings)})",
                "choose another --out folder or delete this one",
            )
    elif out.exists() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise InputError(out, "is not empty and holds no training run", "choose an empty --out folder")
    else:
        write_json(path, {"settings": dict(settings), "versions": versions()})
    return (out / BUNDLE_FILE).exists()


def fit_module(
    module: L.LightningModule, data: L.LightningDataModule, epochs: int, out: Path, description: str
) -> None:
    """Train ``module``, or go on from the last epoch that an earlier call in ``out`` had finished.

    Under ``torchrun`` its processes share each batch, on GPUs or, by gloo, on CPUs.
    """
    device = pick_processor()
    together = TorchElasticEnvironment.detect()
    keep_freed_memory()
    spare_depthwise(module, device)
    _quieten_lightning()
    on_terminal = sys.stderr.isatty()
    checkpoint = out / CHECKPOINT
    keep_last = ModelCheckpoint(
        dirpath=checkpoint.parent,
        filename=checkpoint.stem,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    trainer = L.Trainer(
        accelerator=device.accelerator,
        precision=device.precision,  # type: ignore[arg-type]
        # Frozen extractors and the later iterations of a warm-up take no part in some epochs.
        strategy="ddp_find_unused_parameters_true" if together else "auto",
        devices=int(os.environ["LOCAL_WORLD_SIZE"]) if together else 1,
        num_nodes=int(os.environ["GROUP_WORLD_SIZE"]) if together else 1,
        use_distributed_sampler=False,  # batches are shared by rgbx.training.batches
        max_epochs=epochs,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[keep_last, RichProgressBar() if on_terminal else EpochLines(description)],
        logger=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=on_terminal,
    )
    module.train()  # Lightning takes modules in the mode they are in, and frozen parts have to leave training mode
    with readable_os_errors(out), denormals_flushed():
        trainer.fit(
            module, datamodule=data, ckpt_path=str(checkpoint) if checkpoint.exists() else None, weights_only=True
        )


def batch_share_of(trainer: L.Trainer | None) -> BatchShare:
    """Return what part of each batch this process works on."""
    return BatchShare(trainer.global_rank, trainer.world_size) if trainer else WHOLE_BATCH


class EpochLines(Callback):
    """One line an epoch, for logs."""

    def __init__(self, description: str) -> None:
        self._description = description

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Print what was logged in the epoch."""
        if not trainer.is_global_zero:
            return
        figures = ", ".join(f"{name} {value:.3f}" for name, value in sorted(trainer.callback_metrics.items()))
        print(
            f"{self._description}: epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, {figures}", file=sys.stderr
        )


def write_history(out: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the figures of each epoch as ``metrics.csv``, ``metrics.json`` and ``curves.png``."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    table = io.StringIO()
    writer = csv.DictWriter(table, columns)
    writer.writeheader()
    writer.writerows(history)
    write_text(out / "metrics.csv", table.getvalue())
    write_json(out / "metrics.json", list(history))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, kind in zip(axes, ("loss", "accuracy"), strict=True):
        for name in (column for column in columns if kind in column):
            axis.plot([row["epoch"] for row in history], [row.get(name) for row in history], "o-", label=name)
        axis.set(xlabel="epoch", ylabel=kind)
        axis.legend()
    axes[1].set_ylim(0, 1.02)
    with atomic_path(out / "curves.png") as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> str:
    parts = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := _differences(old, new, f"{prefix}{key}."):
                parts.append(inner)
        elif old != new:
            parts.append(f"{prefix}{key}: {old!r} there, {new!r} now")
    return "; ".join(parts)


def _quieten_lightning() -> None:
    """Keep Lightning's notices about hardware and workers off the screen; its errors stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    notices = (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*",
        ".*`isinstance\\(treespec.*",
        ".*in eval mode at the start of training.*",
        ".*have no `val_dataloader`.*",
    )
    for notice in notices:
        warnings.filterwarnings("ignore", notice)
