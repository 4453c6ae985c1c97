"""Stage three: train the fusion of two trained streams (paper, section III-B.2, Eq. 4), fast or slow."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import safetensors.torch
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from rgbx.datasets.labelled import LabelledImages, check_same_classes, load_images, sets_digest
from rgbx.datasets.partners import draw_partners
from rgbx.errors import InputError
from rgbx.files import write_bytes
from rgbx.modality import MODALITIES, Modality
from rgbx.models import bundle
from rgbx.models.bundle import Bundle
from rgbx.models.header import read_bundle_header
from rgbx.models.localiser import in_torch
from rgbx.models.network import FusionHead, RgbXNetwork
from rgbx.samples import SampleSet, generator
from rgbx.training.augmentation import AugmentConfig, augment, batch_generator
from rgbx.training.batches import Batches
from rgbx.training.encoding import encode_features
from rgbx.training.remember import remember
from rgbx.training.run import batch_share_of, fit_module, start_run, write_history
from rgbx.training.settings import FusionTraining
from rgbx.view.transform import Transform

FEATURES = "checkpoint/features.safetensors"


def train_fusion(
    config: FusionTraining,
    runs: Mapping[Modality, Path],
    sets: Mapping[Modality, Sequence[SampleSet]],
    out: Path,
) -> Path:
    """Train the fusion and write the bundle of both modalities.

    Args:
        config: how.
        runs: the trained stream's folder by modality, ``"rgb"`` and ``"xray"``.
        sets: the sets to train on by modality, those of the streams as a rule.
        out: the run's folder.

    Returns:
        ``out``, now a bundle.

    Raises:
        RgbxError: a stream is missing or of the wrong modality, or classes differ between streams and sets.
    """
    bundles = load_streams(runs, sets)
    classes = bundles["rgb"].header.classes
    sources: dict[str, str] = {modality: sets_digest(sets[modality]) for modality in MODALITIES}
    settings = {
        "training": config.model_dump(mode="json"),
        "streams": {modality: bundles[modality].header.weights_sha256 for modality in MODALITIES},
        "sources": sources,
    }
    if start_run(out, settings):
        return out
    streams = {modality: bundles[modality].network.streams[modality] for modality in MODALITIES}
    torch.manual_seed(config.seed)
    network = RgbXNetwork(streams, fused=True)  # type: ignore[arg-type]
    history: list[dict[str, float]] = []
    if config.mode in ("fast", "slow"):
        history = _fit(network, bundles, sets, config, out)
        write_history(out, history)
    elif config.mode == "mean":  # the product is what a new network computes
        network.fusion.scale(1 / len(MODALITIES))  # type: ignore[union-attr]
    configs = {modality: bundles[modality].header.streams[modality] for modality in MODALITIES}
    bundle.save_bundle(
        out,
        network,
        classes,
        configs,
        training={
            **{modality: bundles[modality].header.training[modality] for modality in MODALITIES},
            "fusion": config.model_dump(mode="json"),
        },
        sources=sources,
        metrics={
            **bundles["rgb"].header.metrics,
            **bundles["xray"].header.metrics,
            **{f"fusion_{name}": value for epoch in history[-1:] for name, value in epoch.items()},
        },
        memory=remember(network, configs, classes, sets),
    )
    return out


def _fit(
    network: RgbXNetwork,
    bundles: Mapping[Modality, Bundle],
    sets: Mapping[Modality, Sequence[SampleSet]],
    config: FusionTraining,
    out: Path,
) -> list[dict[str, float]]:
    """Train the fusion in place, fast or slow; return the figures of each epoch."""
    images = {modality: _load(bundles[modality], sets[modality], config) for modality in MODALITIES}
    augmentation = {modality: _augmentation(bundles[modality], modality) for modality in MODALITIES}
    if config.mode == "fast":
        features = _cached_features(network, images, augmentation, config, out / FEATURES)
        labels = {modality: torch.from_numpy(images[modality].labels) for modality in MODALITIES}
        return train_head(network.fusion, features, labels, config)  # type: ignore[arg-type]
    module = SlowFusionModule(network, config, augmentation)
    fit_module(module, PairData(images, config), config.epochs, out, "training fusion")
    return module.history


def load_streams(runs: Mapping[Modality, Path], sets: Mapping[Modality, Sequence[SampleSet]]) -> dict[Modality, Bundle]:
    """Load both trained streams, with the classes of both in the order of the RGB stream's.

    Raises:
        InputError: a run is no finished stream of its modality, or classes differ.
    """
    bundles = {}
    for modality in MODALITIES:
        header = read_bundle_header(runs[modality])
        if tuple(header.streams) != (modality,):
            found = " and ".join(header.streams)
            raise InputError(
                runs[modality],
                f"holds {found}, not the stream '{modality}'",
                "give the run of 'rgbx train " + modality + "'",
            )
        if set(header.classes) != set(sets[modality][0].header.classes):
            raise InputError(
                sets[modality][0].folder,
                f"has other classes than the stream {runs[modality]}",
                "give the set it was trained on",
            )
        bundles[modality] = bundle.load_bundle(runs[modality])
    check_same_classes(sets["rgb"][0], sets["xray"][0])
    return {modality: _in_order(loaded, bundles["rgb"].header.classes) for modality, loaded in bundles.items()}


def _in_order(loaded: Bundle, classes: tuple[str, ...]) -> Bundle:
    """Return a stream whose classes, the same ones, are in another order."""
    rows = [loaded.header.classes.index(name) for name in classes]
    for stream in loaded.network.streams.values():
        classifier: Any = stream.classifier
        with torch.no_grad():
            classifier.weight.copy_(classifier.weight[rows])
            classifier.bias.copy_(classifier.bias[rows])
    return Bundle(loaded.header.updated({"classes": classes}), loaded.network)


def train_head(
    head: FusionHead,
    features: Mapping[Modality, torch.Tensor],
    labels: Mapping[Modality, torch.Tensor],
    config: FusionTraining,
) -> list[dict[str, float]]:
    """Train C_R, C_X and FS on features that are constants; return loss and accuracy of each epoch.

    Args:
        head: changed in place.
        features: (views, N, K) by modality, from :func:`encode_features`.
        labels: (N,) by modality.
        config: how.
    """
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    history = []
    for epoch in range(config.epochs):
        rng = generator(config.seed, epoch)
        count = len(labels["rgb"])
        partners = torch.from_numpy(draw_partners(labels["rgb"].numpy(), labels["xray"].numpy(), rng))
        rgb_view = torch.from_numpy(rng.integers(len(features["rgb"]), size=count))
        xray_view = torch.from_numpy(rng.integers(len(features["xray"]), size=count))
        losses, correct = 0.0, 0
        for chosen in torch.from_numpy(rng.permutation(count)).split(config.batch_size):
            pair = {
                "rgb": features["rgb"][rgb_view[chosen], chosen],
                "xray": features["xray"][xray_view[chosen], partners[chosen]],
            }
            silenced = batch_generator(config.seed, epoch, int(chosen[0]))
            logits = head(pair, draw_kept(len(chosen), config.modality_dropout, silenced))
            loss = F.cross_entropy(logits, labels["rgb"][chosen], label_smoothing=config.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += float(loss.detach()) * len(chosen)
            correct += int((logits.argmax(1) == labels["rgb"][chosen]).sum())
        history.append({"epoch": epoch + 1.0, "train_loss": losses / count, "train_accuracy": correct / count})
    return history


def draw_kept(count: int, dropout: float, random: torch.Generator) -> torch.Tensor:
    """Return (count, 2) factors for :class:`FusionHead`: in a share of ``dropout`` pairs one modality is silent."""
    silent = torch.rand(count, generator=random) < dropout
    which = torch.randint(len(MODALITIES), (count,), generator=random)
    return 1.0 - F.one_hot(which, len(MODALITIES)) * silent[:, None]


class PairData(L.LightningDataModule):
    """For slow fusion: photographs with random radiographs of their class, paired anew in each epoch."""

    def __init__(self, images: Mapping[Modality, LabelledImages], config: FusionTraining) -> None:
        super().__init__()
        self._images = images
        self._config = config

    def train_dataloader(self) -> DataLoader:
        rng = generator(self._config.seed, self.trainer.current_epoch if self.trainer else 0)
        share = batch_share_of(self.trainer)
        rgb, xray = self._images["rgb"], self._images["xray"]
        order = rng.permutation(len(rgb))[: len(rgb) // share.of * share.of]  # some of the last batch for everyone
        partners = draw_partners(rgb.labels[order], xray.labels, rng)
        size = self._config.batch_size
        photographs, radiographs = Batches(rgb, order, size, share), Batches(xray, partners, size, share)
        pairs = [(photographs, radiographs, place) for place in range(len(photographs))]
        return DataLoader(pairs, batch_size=None, collate_fn=_read_pair)  # type: ignore[arg-type]


class SlowFusionModule(L.LightningModule):
    """Both extractors, C_R, C_X and FS trained together; batch-norm statistics and the crops' W stay frozen."""

    def __init__(
        self, network: RgbXNetwork, config: FusionTraining, augmentation: Mapping[Modality, AugmentConfig]
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.augmentation = augmentation
        self.history: list[dict[str, float]] = []
        for stream in network.streams.values():
            stream.classifier.requires_grad_(False)

    def train(self, mode: bool = True) -> "SlowFusionModule":
        super().train(mode)
        self.network.streams.eval()
        return self

    def training_step(self, batch: tuple[int, dict[Modality, torch.Tensor], torch.Tensor], _index: int) -> torch.Tensor:
        number, images, labels = batch
        features = {}
        for place, modality in enumerate(MODALITIES):
            random = batch_generator(self.config.seed + place, self.current_epoch, number, self.global_rank)
            pixels = augment(images[modality], self.augmentation[modality], random)
            stream: Any = self.network.streams[modality]
            features[modality] = stream.aggregate(stream(pixels).features)
        kept = draw_kept(len(labels), self.config.modality_dropout, random).to(labels.device)
        logits = self.network.fusion(features, kept)  # type: ignore[misc]
        loss = F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        correct = (logits.argmax(1) == labels).float().mean()
        log = partial(self.log, on_step=False, on_epoch=True, batch_size=len(labels), prog_bar=True, sync_dist=True)
        log("train_loss", loss)
        log("train_accuracy", correct)
        return loss

    def on_train_epoch_end(self) -> None:
        figures = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.history.append({"epoch": float(self.current_epoch + 1), **figures})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(parameters, self.config.learning_rate, weight_decay=self.config.weight_decay)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]


def _read_pair(pair: tuple[Batches, Batches, int]) -> tuple[int, dict[Modality, torch.Tensor], torch.Tensor]:
    photographs, radiographs, place = pair
    number, rgb, labels = photographs[place]
    return number, {"rgb": rgb, "xray": radiographs[place][1]}, labels


def _load(loaded: Bundle, sets: Sequence[SampleSet], config: FusionTraining) -> LabelledImages:
    modality = sets[0].header.modality
    localiser = loaded.network.streams[modality].localiser
    localise = None if localiser is None else in_torch(localiser)  # type: ignore[arg-type]
    return load_images(
        sets,
        Transform(modality, loaded.header.streams[modality].transform, localise),
        classes=loaded.header.classes,
        per_class=config.images_per_class,
    )


def _augmentation(loaded: Bundle, modality: str) -> AugmentConfig:
    return AugmentConfig.model_validate(loaded.header.training[modality]["augment"])


def _cached_features(
    network: RgbXNetwork,
    images: Mapping[Modality, LabelledImages],
    augmentation: Mapping[Modality, AugmentConfig],
    config: FusionTraining,
    cache: Path,
) -> dict[Modality, torch.Tensor]:
    if cache.exists():  # of this very run, stopped after encoding: start_run has compared its settings
        stored = safetensors.torch.load_file(cache)
        return {modality: stored[modality] for modality in MODALITIES}
    features = {
        modality: encode_features(
            network.streams[modality],  # type: ignore[arg-type]
            images[modality],
            augmentation[modality],
            config.views,
            config.seed,
        )
        for modality in MODALITIES
    }
    network.cpu()
    write_bytes(cache, safetensors.torch.save({str(modality): each for modality, each in features.items()}))
    return features
