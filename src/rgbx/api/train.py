"""What ``rgbx[train]`` does: networks, and training, calibrating, testing and exporting them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.extras import optional_packages
from rgbx.modality import MODALITIES, Modality, given_modalities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rgbx.api.settings import OneSet, Sets, Settings
    from rgbx.evaluation.results import Evaluation
    from rgbx.inference import Predictor
    from rgbx.inference.runtimes import Graphs, RuntimeName
    from rgbx.models.icam import ICam
    from rgbx.models.network import FusionHead
    from rgbx.models.stream_config import Precision, Preset
    from rgbx.trust.calibration import Calibrated
    from rgbx.view.transform import Transform, TransformConfig


class Answers(Config):
    """How many classes a network tells apart."""

    classes: int = Field(ge=2)


@optional_packages("rgbx[train]")
def create_stream(
    backbone: str = "tf_efficientnet_lite0",
    *,
    classes: int,
    weights: str | Path = "none",
    frozen_stages: int = 0,
    **icam: Any,
) -> "ICam":
    """Make an iCAM network of any convolutional network of timm: look, find what mattered, look closer, combine.

    Args:
        backbone: its name, e.g. ``"resnet18"``; see ``timm.list_models()``.
        classes: how many to tell apart, 2 or more.
        weights: what the backbone starts from: ``"none"`` (at random), ``"embedded"`` (tf_efficientnet_lite0 to 2;
            needs no network), ``"imagenet"`` (timm's hub), or a file.
        frozen_stages: how many of the backbone's stages, counted from the input, never move.
        icam: settings of the loop by name, e.g. ``iterations=3`` (how often it looks, 1 to 8), ``input_size=128``
            (side in pixels of what it sees at a time), ``crop_fraction=0.5`` (side of the next window as a share of
            this one's), ``aggregator="weighted_mean"``.

    Returns:
        An ``nn.Module``, in training mode as any new one, of images (B, 3, S, S), photographs, or (B, 1, S, S),
        radiographs: float32 in 0..1, S any size. For n iterations it gives

        - ``.logits`` (B, classes), of all iterations together;
        - ``.features`` (B, n, K), each iteration's, averaged over space;
        - ``.iteration_logits`` (B, n, classes), of each iteration alone;
        - ``.cams`` (B, n, h, w), class activation maps, not normalised;
        - ``.windows`` (B, n, 3), left, top and side of what each iteration saw, in 0..1 of the image.

    Raises:
        ConfigError: timm has no such network, it is not convolutional, or a setting cannot be used.
        InputError: the file of weights is missing, damaged or of another network.
        MissingToolError: a package of ``rgbx[train]``, or that of embedded weights, is not installed.
        RgbxError: timm's hub cannot be reached.

    Example:
        >>> stream = rgbx.create_stream("resnet18", classes=10, iterations=2)
        >>> output = stream(torch.rand(4, 3, 224, 224))
        >>> output.logits.shape, output.windows.shape
        (torch.Size([4, 10]), torch.Size([4, 2, 3]))
    """
    from rgbx.models.stream import build_stream
    from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
    from rgbx.view.transform import TransformConfig

    extractor = BackboneConfig(name=backbone, weights=str(weights), frozen_stages=frozen_stages)
    config = StreamConfig(
        modality="rgb",  # the network is the same for both
        transform=TransformConfig(view="none"),
        backbone=extractor,
        icam=ICamConfig(**icam),
    )
    return build_stream(config, Answers(classes=classes).classes)


@optional_packages("rgbx[train]")
def predictor_of(
    streams: "Mapping[Modality, ICam]",
    *,
    classes: Sequence[str],
    fusion: "FusionHead | None" = None,
    transforms: "Mapping[Modality, TransformConfig | Mapping[str, Any]] | None" = None,
) -> "Predictor":
    """Make a predictor of networks in memory, without a bundle on disk.

    Args:
        streams: a network, of :func:`create_stream` or trained elsewhere, for ``"rgb"``, ``"xray"`` or both. They go
            to the GPU where there is one, and to evaluation mode.
        classes: their names, in the order of the logits.
        fusion: of both streams; when None their class vectors are added up.
        transforms: how images of a modality are prepared, e.g. ``{"xray": {"source_size": 299}}``; photographs
            are seen whole and radiographs in the square round the device where not given. It has to be what the
            network was trained with.

    Returns:
        The predictor, as of :func:`rgbx.load`; it knows no calibration.

    Raises:
        ConfigError: there is no stream, a modality is unknown, a setting of a transform cannot be used, or ``classes``
            are not as many as a stream's.
        MissingToolError: a package of ``rgbx[train]`` is not installed.

    Example:
        >>> predictor = rgbx.predictor_of({"xray": stream}, classes=["A", "B"])
        >>> predictor.predict(xray=radiograph).label
    """
    from rgbx.errors import ConfigError
    from rgbx.inference import Predictor
    from rgbx.inference.torch_runtime import TorchRuntime
    from rgbx.models.network import FusionHead

    names = tuple(classes)
    if not streams:
        raise ConfigError("There is no stream: give {'rgb': stream}, {'xray': stream} or both.")
    prepared = {modality: _transform_of(modality, streams[modality], transforms or {}) for modality in streams}
    for modality, stream in streams.items():
        if stream.classifier.out_features != len(names):
            raise ConfigError(
                f"The stream '{modality}' tells {stream.classifier.out_features} classes apart, but {len(names)} names "
                "were given: give as many."
            )
    head = fusion
    if fusion is None and len(streams) == 2:
        head = FusionHead({modality: stream.classifier for modality, stream in streams.items()})
    fuse = None if head is None else _in_numpy(head.cpu())  # before the streams go to the GPU
    return Predictor(names, prepared, {modality: TorchRuntime(stream) for modality, stream in streams.items()}, fuse)


@optional_packages("rgbx[train]")
def train_stream(
    sets: "Sets",
    out: Path | str,
    *,
    validation: "Sets" = (),
    preset: "Preset" = "small",
    start: Path | str | None = None,
    localiser: Path | str | None = None,
    settings: "Settings" = None,
    **changes: Any,
) -> Path:
    """Train the network of one modality, that of the sets; a training that was stopped goes on.

    Args:
        sets: of labelled images, one or several.
        out: folder of the run; in the end it is a bundle for :func:`rgbx.load`.
        validation: measured on after each epoch; without any, units of ``sets`` are held out.
        preset: what the settings start from: ``"small"`` fits two cores, ``"paper"`` has the paper's.
        start: a trained stream to go on from; it may know other classes.
        localiser: an earlier run on photographs, whose localiser finds the devices in these, too; by default that of
            ``start``, or one that is trained on the outlines that rendered photographs come with.
        settings: dotted keys, e.g. ``{"stream.backbone.name": "resnet18"}``, a YAML file, or a ``StreamTraining``,
            which takes the preset's place.
        changes: settings by name, e.g. ``epochs=3`` or ``seed=1``.

    Returns:
        ``out``.

    Raises:
        ConfigError: a setting cannot be used, or there is no set.
        InputError: a set cannot be used, or they differ in modality or classes; ``out`` holds something else.
        RgbxError: the weights cannot be had.
        MissingToolError: a package of ``rgbx[train]`` is not installed.

    Example:
        >>> run = rgbx.train_stream("sets/xray", out="runs/xray", settings={"stream.icam.iterations": 2}, epochs=3)
        >>> rgbx.load(run).predict(xray="phone.tiff").label
    """
    from rgbx import training
    from rgbx.api.settings import all_opened, chosen
    from rgbx.datasets.labelled import check_together

    train_sets = all_opened(sets)
    validation_sets = all_opened(validation) if validation else []
    modality = train_sets[0].header.modality
    check_together([*train_sets, *validation_sets], modality)
    config = chosen(training.stream_training(modality, preset), settings, changes)
    begun, finder = (None if given is None else Path(given) for given in (start, localiser))
    return training.train_stream(config, train_sets, validation_sets, Path(out), begun, finder)


@optional_packages("rgbx[train]")
def train_fusion(
    *,
    rgb: Path | str,
    xray: Path | str,
    rgb_sets: "Sets",
    xray_sets: "Sets",
    out: Path | str,
    settings: "Settings" = None,
    **changes: Any,
) -> Path:
    """Fuse two trained streams into one bundle; a training that was stopped goes on.

    Args:
        rgb: run of :func:`train_stream` on photographs.
        xray: run of :func:`train_stream` on radiographs.
        rgb_sets: of photographs, one or several.
        xray_sets: of radiographs, one or several.
        out: folder of the run; in the end it is a bundle for :func:`rgbx.load`.
        settings: a mapping, a YAML file or a ``FusionTraining``.
        changes: settings by name, e.g. ``mode="slow"``, ``epochs=10``.

    Returns:
        ``out``.

    Raises:
        ConfigError: a setting cannot be used, or there is no set.
        InputError: a run or a set cannot be used, or their classes differ; ``out`` holds something else.
        MissingToolError: a package of ``rgbx[train]`` is not installed.

    Example:
        >>> rgbx.train_fusion(
        ...     rgb="runs/rgb", xray="runs/xray", rgb_sets="sets/rgb", xray_sets="sets/xray", out="runs/fused"
        ... )
    """
    from rgbx import training
    from rgbx.api.settings import all_opened, chosen
    from rgbx.datasets.labelled import check_together

    sets = {"rgb": all_opened(rgb_sets), "xray": all_opened(xray_sets)}
    for modality in MODALITIES:
        check_together(sets[modality], modality)
    config = chosen(training.FusionTraining(), settings, changes)
    runs: dict[Modality, Path] = {"rgb": Path(rgb), "xray": Path(xray)}
    return training.train_fusion(config, runs, {modality: sets[modality] for modality in MODALITIES}, Path(out))


@optional_packages("rgbx[train]")
def calibrate(
    bundle: Path | str,
    *,
    rgb: "OneSet | None" = None,
    xray: "OneSet | None" = None,
    bins: Mapping[str, str] | Path | str | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    seed: int = 0,
    runtime: "RuntimeName | None" = None,
    precision: "Precision | None" = None,
    early_exit: float | None = None,
    settings: "Settings" = None,
    **changes: Any,
) -> "Calibrated":
    """Teach a bundle when not to trust itself, on labelled images of the line that it is to work at.

    Afterwards its probabilities mean what they say, and each prediction comes with a decision: a bin, or a reason to
    put the device aside.

    Args:
        bundle: its folder; the calibration is written into it.
        rgb: photographs that it was not trained on, if it takes any.
        xray: radiographs that it was not trained on, if it takes any.
        bins: the bin of each class, or a YAML file of ``bins`` and ``costs``; each class has its own when None.
        costs: class to bin to cost of sending it there; when not given 0 for its own bin and 1 for others.
        seed: of pairing photographs with radiographs.
        runtime: what computes, as of :func:`rgbx.load`.
        precision: of the arithmetic, which the bundle then keeps to.
        early_exit: as of :func:`rgbx.load`; the bundle then keeps to it.
        settings: a mapping, a YAML file or a ``TrustConfig``.
        changes: settings by name, e.g. ``false_sorts=0.01``.

    Returns:
        What was fitted; ``.channels`` has the figures of ``"rgb"``, ``"xray"`` and ``"rgbx"``.

    Raises:
        ConfigError: a setting, a bin or a cost cannot be used.
        InputError: a set does not fit the bundle, shows no image of one of its classes, or was trained on.
        RgbxError: a set is missing, or the runtime cannot compute so.
        MissingToolError: a package is not installed.

    Example:
        >>> calibrated = rgbx.calibrate("runs/fused", rgb="real/rgb", xray="real/xray", false_sorts=0.01)
        >>> rgbx.load("runs/fused").predict(xray="phone.tiff").decision
    """
    from rgbx.api.settings import chosen, opened
    from rgbx.evaluation import calibrate as calibration
    from rgbx.models.header import read_bundle_header
    from rgbx.trust.calibration import Computation
    from rgbx.trust.sorting import Sorting, TrustConfig

    folder = Path(bundle)
    classes = read_bundle_header(folder).classes
    if isinstance(bins, str | Path):
        sorting = calibration.read_sorting(Path(bins), classes)
    else:
        sorting = Sorting.of(classes, bins, costs)
    given: dict[Modality, OneSet] = given_modalities(rgb, xray)
    return calibration.calibrate(
        folder,
        {modality: opened(each) for modality, each in given.items()},
        sorting,
        chosen(TrustConfig(), settings, changes),
        seed,
        runtime,
        Computation(precision=precision or "f32", early_exit=early_exit),
    )


@optional_packages("rgbx[train]")
def evaluate(
    bundle: Path | str,
    *,
    rgb: "OneSet | None" = None,
    xray: "OneSet | None" = None,
    out: Path | str | None = None,
    pairings: int = 5,
    seed: int = 0,
) -> "Evaluation":
    """Test a bundle on labelled images: accuracy, precision and recall, with 95 % intervals.

    Args:
        bundle: its folder.
        rgb: test photographs.
        xray: test radiographs; given both, RGB-X is tested as well, and all are compared.
        out: folder for ``metrics.json``, ``table.md``, ``predictions.csv`` and figures; predictions in it are kept
            and used again. Nothing is written when None.
        pairings: how often each photograph is paired with a random radiograph of its class, 1 or more.
        seed: of the pairings and of the bootstrap.

    Returns:
        The figures: ``.rgb``, ``.xray`` and ``.rgbx``, None where there are none, each with ``.accuracy`` and its
        interval (``.low``, ``.high``), in 0..1.

    Raises:
        InputError: a set is empty, of the wrong modality, or shows classes that the bundle has not.
        RgbxError: no set was given, or the bundle has no stream for one that was.
        MissingToolError: a package of ``rgbx[train]`` is not installed.

    Example:
        >>> evaluation = rgbx.evaluate("runs/fused", rgb="test/rgb", xray="test/xray", out="runs/evaluation")
        >>> evaluation.rgbx.accuracy, evaluation.rgbx.low, evaluation.rgbx.high
    """
    from rgbx.api.settings import opened
    from rgbx.evaluation import evaluate as evaluation
    from rgbx.inference import Predictor

    photographs = None if rgb is None else opened(rgb)
    radiographs = None if xray is None else opened(xray)
    if out is None:
        return evaluation.evaluate(Predictor.load(Path(bundle)), photographs, radiographs, pairings, seed)
    return evaluation.evaluate_bundle(Path(bundle), photographs, radiographs, Path(out), pairings=pairings, seed=seed)


@optional_packages("rgbx[train]")
def export(
    bundle: Path | str,
    *,
    runtimes: 'Sequence[Literal["onnx", "openvino"]]' = ("onnx", "openvino"),
    rgb: "OneSet | None" = None,
    xray: "OneSet | None" = None,
    int8: bool = False,
    early_exit: bool = False,
) -> "Graphs":
    """Write graphs of a bundle that run without torch, crops included, into its folder ``graphs``.

    Args:
        bundle: its folder.
        runtimes: what shall run them.
        rgb: photographs to check the graphs with; made up when None.
        xray: radiographs to check the graphs with; made up when None.
        int8: also write int8 graphs for OpenVINO, calibrated and checked with the sets, which it needs.
        early_exit: also write each pass by itself, for ``rgbx.load(bundle, early_exit=0.99)``.

    Returns:
        What was written (``.files``), what the check against torch found (``.parity``), and which int8 graphs were
        refused and why (``.refused``).

    Raises:
        ConfigError: int8 is asked for without sets or without OpenVINO, or one set of two is missing.
        InputError: the folder is no bundle, or a set is none.
        RgbxError: a graph does not agree with torch; nothing is written then.
        MissingToolError: a package of ``rgbx[export]`` is not installed.

    Example:
        >>> rgbx.export("runs/fused", runtimes=["onnx"]).files
    """
    from rgbx.api.settings import opened
    from rgbx.evaluation.predictions import prepare_sets
    from rgbx.inference.export import export_bundle
    from rgbx.inference.int8 import Int8Gates

    given: dict[Modality, OneSet] = given_modalities(rgb, xray)
    images, labels = None, None
    if given:
        sets = {modality: opened(each) for modality, each in given.items()}
        images, labels = prepare_sets(Path(bundle), sets)
    return export_bundle(Path(bundle), tuple(runtimes), images, labels, Int8Gates() if int8 else None, early_exit)


def _transform_of(
    modality: Modality, stream: "ICam", settings: "Mapping[Modality, TransformConfig | Mapping[str, Any]]"
) -> "Transform":
    from rgbx.models.localiser import in_torch
    from rgbx.models.stream_config import StreamConfig
    from rgbx.view.transform import Transform

    given = settings.get(modality, {})
    if isinstance(given, Mapping) and stream.localiser is None:
        given = {"view": "none" if modality == "rgb" else "square", **given}
    config = StreamConfig.model_validate({"modality": modality, "icam": stream.config, "transform": given})
    localise = None if stream.localiser is None else in_torch(stream.localiser)  # type: ignore[arg-type]
    return Transform(modality, config.transform, localise)


def _in_numpy(head: "FusionHead") -> "Callable[[Mapping[Modality, NDArray[np.float32]]], NDArray[np.float32]]":
    import torch

    def fuse(features: "Mapping[Modality, NDArray[np.float32]]") -> "NDArray[np.float32]":
        with torch.inference_mode():
            return head({modality: torch.from_numpy(each)[None] for modality, each in features.items()})[0].numpy()

    return fuse
