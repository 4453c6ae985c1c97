"""The paper's tables as rows of settings, with the paper's figures beside them.

A row says what is different from the benchmark's own settings. Rows of different tables that come to the same settings
are the same network, which is trained once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rgbx.modality import Channel, Modality
from rgbx.training.augmentation import AugmentConfig
from rgbx_render.radiography.edits import RANDOM_EDITS
from rgbx_render.radiography.randomisation import FIXED_OPEN_BEAM, FIXED_PROJECTOR, RANDOM_BLUR, RANDOM_SCATTER
from rgbx_render.radiography.transfer import NO_JITTER

Changes = Mapping[str, Any]
"""Settings by dotted name, e.g. ``{"stream.icam.iterations": 2}``."""

TableName = Literal[
    "table1",
    "table2",
    "table3",
    "table3-looks",
    "table4",
    "table5",
    "table6",
    "aggregators",
    "headline",
    "forms",
    "forms-rgb",
]


@dataclass(frozen=True)
class Row:
    """One line of a table: a way to train, and what the paper found with it."""

    name: str
    channel: Channel = "xray"
    paper: Mapping[str, float] = field(default_factory=dict)
    """``accuracy``, ``precision``, ``recall``, ``inference_ms``, ``training_minutes``, whichever it states."""
    radiographs: Changes = field(default_factory=dict)
    """Of X-ray domain randomisation."""
    xray: Changes = field(default_factory=dict)
    """Of the X-ray stream's training."""
    rgb: Changes = field(default_factory=dict)
    fusion: Changes = field(default_factory=dict)
    network: str = ""
    """Another backbone than the benchmark's, by timm's name."""
    labelled: bool = False
    """Trained on labelled photographs of the line as well (``Benchmark.labelled_units``), as the paper's RGB stream."""
    fused_on_line: bool = False
    """The fusion is trained on labelled images of the line, which no stream has seen, in place of the streams' own."""
    best: bool = False
    """Trained by ``Benchmark.best``."""
    closer: bool = False
    """Compared with other iterations: trained by ``Benchmark.looking_closer``, from the same first look."""
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper."""

    title: str
    rows: tuple[Row, ...]
    baseline: str
    """Name of the row that the others are tested against."""
    question: str
    """What the paper reads from it."""
    data: Literal["family", "cub200"] = "family"


def icam(iterations: int, **changes: Any) -> Changes:
    """Return the changes that make a stream look ``iterations`` times."""
    return {"stream.icam.iterations": iterations} | {f"stream.icam.{name}": value for name, value in changes.items()}


ALONE: Changes = {
    **icam(1),
    "warmup_epochs": 0,
    "join_frozen": False,
    "stream.backbone.frozen_stages": 0,
}
"""What makes a stream a backbone alone (n = 1)."""

BIRDS: Changes = {
    "augment": AugmentConfig(
        flip=True, rotation=(-15.0, 15.0), scale=(0.8, 1.25), gamma=(0.8, 1.25), noise=(0.0, 0.02), blur=0.1
    ).model_dump(),
    "stream.backbone.frozen_stages": 0,
    "validation_units": 0,
}
"""What suits photographs of birds: they stand upright, may be mirrored, and keep their colours."""

BIRDS_LOOKS: Changes = {
    **BIRDS,
    "stream.icam.input_size": 224,
    "stream.transform.source_size": 227,
    "warmup_epochs": 0,
    "join_frozen": False,
    "batch_size": 32,
    "label_smoothing": 0.1,
}
"""What one look and iCAM are compared with on birds; chosen on held-out training images."""


NOT_AUGMENTED: Changes = {
    "augment": AugmentConfig(
        rotation=(0.0, 0.0),
        scale=(1.0, 1.0),
        shift=(0.0, 0.0),
        gamma=(1.0, 1.0),
        contrast=(1.0, 1.0),
        brightness=(0.0, 0.0),
        noise=(0.0, 0.0),
        blur=0.0,
        cutout=0.0,
    ).model_dump()
}
"""What leaves images as they were rendered: domain randomisation alone."""

TRANSFER_FIXED: Changes = {
    "transfer.use": "metal",
    "transfer.jitter": NO_JITTER.model_dump(),
    "transfer.guard": (0.0, 1.0),
}
PROJECTOR_FIXED: Changes = {"projector": FIXED_PROJECTOR.model_dump()}
"""Rows of Table I that fix one thing."""


def _up_to(noise_variance: float) -> Changes:
    return {"noise_variance": (0.0, noise_variance)}


def _scores(accuracy: float, precision: float, recall: float, inference_ms: float | None = None) -> dict[str, float]:
    found = {"accuracy": accuracy, "precision": precision, "recall": recall}
    return found if inference_ms is None else found | {"inference_ms": inference_ms}


BEYOND: Changes = {"scatter": RANDOM_SCATTER.model_dump(), "blur": RANDOM_BLUR, "edits": RANDOM_EDITS.model_dump()}
"""What the paper does not randomise about radiographs, and the best bundle's do (docs/results/radiographs.md)."""

FORMS = "Look again, closer, where the class activation map is highest; everything else here is ours."
"""What the comparison of forms asks."""


def forms(modality: Modality, larger: int) -> tuple[Row, ...]:
    """Return ways to look three times, and two to spend the same passes on one look.

    Args:
        modality: of the stream.
        larger: side of an image with about three times the pixels of the stream's own input.
    """
    held_out = {"validation_units": 1}  # the default is chosen by these rows, so not on the test set
    papers = {**icam(3, crop_source="input", batch_norm="shared"), "iteration_loss": 0.0, **held_out}
    per_iteration = {**papers, "stream.icam.batch_norm": "per_iteration"}
    source = {**per_iteration, "stream.icam.crop_source": "source"}
    base = {**source, "iteration_loss": 1.0}
    ways: dict[str, Changes] = {
        "one look, trained with as many passes": {**icam(1), **held_out, "epochs": 12},
        "one look at three times the pixels": {**icam(1, input_size=larger), **held_out},
        "the paper's": papers,
        "… statistics per iteration": per_iteration,
        "… … crops from the source": source,
        "… … … loss on each iteration (base)": base,
        "base, mean": {**base, "stream.icam.aggregator": "mean"},
        "base, LayerCAM": {**base, "stream.icam.activation_map": "layercam"},
        "base, thresholded box": {**base, "stream.icam.window": "box", "stream.icam.crop_fraction": 0.3},
        "base, several regions": {**base, "stream.icam.window": "peaks"},
        "base, attention drop": {**base, "extra_losses": {"attention_drop": 1.0}},
        "base, counterfactual": {**base, "extra_losses": {"counterfactual": 1.0}},
    }
    rows = (Row(name, channel=modality, closer=True, **{modality: changes}) for name, changes in ways.items())  # type: ignore[arg-type]
    return tuple(rows)


TABLES: Mapping[TableName, PaperTable] = {
    "table1": PaperTable(
        "Table I: X-ray domain randomisation",
        (
            Row("all randomised", paper={"accuracy": 0.981}),
            Row("noise variance up to 10", paper={"accuracy": 0.934}, radiographs=_up_to(10)),
            Row("noise variance up to 100", paper={"accuracy": 0.923}, radiographs=_up_to(100)),
            Row("noise variance up to 500", paper={"accuracy": 0.957}, radiographs=_up_to(500)),
            Row(
                "fixed background", paper={"accuracy": 0.922}, radiographs={"background": FIXED_OPEN_BEAM.model_dump()}
            ),
            Row("fixed transfer function", paper={"accuracy": 0.655}, radiographs=TRANSFER_FIXED),
            Row("fixed projector", paper={"accuracy": 0.315}, radiographs=PROJECTOR_FIXED),
            Row("all randomised, not augmented", xray=NOT_AUGMENTED, note="ours"),
            Row("fixed transfer function, not augmented", xray=NOT_AUGMENTED, radiographs=TRANSFER_FIXED, note="ours"),
            Row(
                "fixed projector, not augmented",
                xray=NOT_AUGMENTED,
                radiographs=PROJECTOR_FIXED,
                note="ours",
            ),
        ),
        baseline="all randomised",
        question="Randomising the projector matters most, then the transfer function, then background and noise.",
    ),
    "table2": PaperTable(
        "Table II: networks for X-ray",
        (
            Row("EfficientNet-Lite0", xray=ALONE, network="tf_efficientnet_lite0"),
            Row("EfficientNet-Lite1", xray=ALONE, network="tf_efficientnet_lite1"),
            Row("EfficientNet-Lite2", xray=ALONE, network="tf_efficientnet_lite2"),
            Row("iCAM on EfficientNet-Lite0, n = 3", xray=icam(3), network="tf_efficientnet_lite0"),
            Row(
                "iCAM on InceptionV3, n = 3",
                paper=_scores(0.979, 0.942, 0.969, 30.86),
                xray={**icam(3), "stream.backbone.frozen_stages": 0},
                network="inception_v3",
            ),
            *(
                Row(label, paper=figures, xray=ALONE, network=name)
                for label, name, figures in (
                    ("InceptionV3", "inception_v3", _scores(0.933, 0.907, 0.935, 12.3)),
                    ("ResNet-101", "resnet101", _scores(0.953, 0.899, 0.956, 11.1)),
                    ("VGG-19", "vgg19", _scores(0.956, 0.898, 0.961, 7.53)),
                    ("ResNeXt-101 64x4d", "resnext101_64x4d", _scores(0.929, 0.869, 0.948, 20.15)),
                    ("SE-ResNet-101", "legacy_seresnet101", _scores(0.891, 0.841, 0.926, 14.01)),
                )
            ),
        ),
        baseline="EfficientNet-Lite0",
        question="iCAM is more accurate than its backbone and than any other network.",
    ),
    "table3": PaperTable(
        "Table III: networks on CUB-200-2011",
        (
            Row("EfficientNet-Lite0", "rgb", rgb={**BIRDS, **ALONE}, network="tf_efficientnet_lite0"),
            Row("iCAM on EfficientNet-Lite0", "rgb", rgb={**BIRDS, **icam(3)}, network="tf_efficientnet_lite0"),
            Row("InceptionV3", "rgb", {"accuracy": 0.692}, rgb={**BIRDS, **ALONE}, network="inception_v3"),
            Row("iCAM on InceptionV3", "rgb", {"accuracy": 0.797}, rgb={**BIRDS, **icam(3)}, network="inception_v3"),
            Row("ResNet-101", "rgb", {"accuracy": 0.814}, rgb={**BIRDS, **ALONE}, network="resnet101"),
            Row("iCAM on ResNet-101", "rgb", {"accuracy": 0.834}, rgb={**BIRDS, **icam(3)}, network="resnet101"),
            Row("ResNeXt-101 64x4d", "rgb", {"accuracy": 0.829}, rgb={**BIRDS, **ALONE}, network="resnext101_64x4d"),
            Row("SE-ResNet-101", "rgb", {"accuracy": 0.818}, rgb={**BIRDS, **ALONE}, network="legacy_seresnet101"),
            Row("VGG-19", "rgb", {"accuracy": 0.778}, rgb={**BIRDS, **ALONE}, network="vgg19"),
        ),
        baseline="InceptionV3",
        question="iCAM is more accurate than its backbone on birds as well.",
        data="cub200",
    ),
    "table3-looks": PaperTable(
        "CUB-200-2011: one look and iCAM at as many passes",
        tuple(
            Row(name, "rgb", rgb={**BIRDS_LOOKS, **changes}, note="ours")
            for name, changes in {
                "one look": {**icam(1), "epochs": 6},
                "iCAM, n = 2": {**icam(2), "epochs": 6},
                "iCAM, n = 3": {**icam(3), "epochs": 6},
                "one look, trained with the passes of n = 2": {**icam(1), "epochs": 12},
                "one look, trained with the passes of n = 3": {**icam(1), "epochs": 18},
                "one look at the pixels of n = 3": {**icam(1, input_size=392), "epochs": 6},
            }.items()
        ),
        baseline="one look",
        question="Whether looking again is worth its passes.",
        data="cub200",
    ),
    "table4": PaperTable(
        "Table IV: number of iterations",
        (
            Row("n = 1", xray=icam(1), closer=True),
            Row(
                "n = 2",
                paper={"accuracy": 0.962, "training_minutes": 325, "inference_ms": 20.11},
                xray=icam(2),
                closer=True,
            ),
            Row(
                "n = 3",
                paper={"accuracy": 0.979, "training_minutes": 490, "inference_ms": 30.86},
                xray=icam(3),
                closer=True,
            ),
            Row(
                "n = 5",
                paper={"accuracy": 0.981, "training_minutes": 723, "inference_ms": 50.96},
                xray=icam(5),
                closer=True,
            ),
        ),
        baseline="n = 3",
        question="More iterations help, less and less, and cost time in proportion.",
    ),
    "aggregators": PaperTable(
        "Feature aggregators",
        (
            Row("mean", paper={"accuracy": 0.941}, xray=icam(3, aggregator="mean"), closer=True),
            Row("sum", paper={"accuracy": 0.768}, xray=icam(3, aggregator="sum"), closer=True),
            Row("weighted mean", paper={"accuracy": 0.979}, xray=icam(3), closer=True),
        ),
        baseline="weighted mean",
        question="The weighted mean is best, the sum far behind.",
    ),
    "table5": PaperTable(
        "Table V: modalities",
        (
            Row("RGB", channel="rgb"),
            Row(
                "RGB, labelled photographs too",
                channel="rgb",
                paper=_scores(0.891, 0.932, 0.863, 30.86),
                labelled=True,
            ),
            Row("X-ray", channel="xray", paper=_scores(0.979, 0.942, 0.969, 30.86)),
            Row("RGB-X", channel="rgbx"),
            Row(
                "RGB-X, labelled photographs too",
                channel="rgbx",
                paper=_scores(0.987, 0.987, 0.995, 62.4),
                labelled=True,
            ),
        ),
        baseline="X-ray",
        question="Both modalities together are more accurate than either alone.",
    ),
    "table6": PaperTable(
        "Table VI: fast and slow fusion",
        (
            Row("fast fusion", channel="rgbx", paper=_scores(0.987, 0.987, 0.995)),
            Row(
                "slow fusion",
                channel="rgbx",
                paper=_scores(0.952, 0.951, 0.958),
                fusion={"mode": "slow", "epochs": 3, "batch_size": 16},
            ),
            Row(
                "fast fusion on labelled images of the line",
                channel="rgbx",
                fused_on_line=True,
                fusion={"epochs": 100, "learning_rate": 1e-3},
                note="streams as above; ours",
            ),
            Row("product of experts", channel="rgbx", fusion={"mode": "product"}, note="nothing trained"),
        ),
        baseline="fast fusion",
        question="Training the classifiers alone is better than training the extractors as well.",
    ),
    "headline": PaperTable(
        "The best bundle",
        (
            Row(
                "RGB",
                channel="rgb",
                paper=_scores(0.891, 0.932, 0.863),
                best=True,
                labelled=True,
                note="labelled photographs too",
            ),
            Row("X-ray", channel="xray", paper=_scores(0.979, 0.942, 0.969), best=True, radiographs=BEYOND),
            Row(
                "RGB-X",
                channel="rgbx",
                paper=_scores(0.987, 0.987, 0.995),
                best=True,
                radiographs=BEYOND,
                labelled=True,
                note="labelled photographs too",
            ),
        ),
        baseline="X-ray",
        question="An error of 2.1 % from X-rays and of 1.3 % from both modalities.",
    ),
    "forms": PaperTable("Forms of iCAM, X-ray", forms("xray", larger=224), baseline="the paper's", question=FORMS),
    "forms-rgb": PaperTable("Forms of iCAM, RGB", forms("rgb", larger=320), baseline="the paper's", question=FORMS),
}

BEST = next(row for row in TABLES["headline"].rows if row.channel == "rgbx")
"""Whose bundle is calibrated, exported and looked at beyond the tables."""
