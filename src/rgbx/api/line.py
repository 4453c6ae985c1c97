"""What the base install does: predict with a trained bundle, read sets of images."""

from pathlib import Path
from typing import TYPE_CHECKING

from rgbx.extras import optional_packages

if TYPE_CHECKING:
    from rgbx.datasets.flat_field import FlatField
    from rgbx.inference import Predictor
    from rgbx.inference.runtimes import Mode, RuntimeName
    from rgbx.models.stream_config import Precision
    from rgbx.samples import SampleSet


@optional_packages()
def load(
    bundle: Path | str,
    *,
    runtime: "RuntimeName | None" = None,
    precision: "Precision | None" = None,
    mode: "Mode" = "latency",
    early_exit: float | None = None,
    flat_field: "FlatField | Path | str | None" = None,
    decides: bool = True,
) -> "Predictor":
    """Load a trained bundle, to classify devices with.

    Args:
        bundle: its folder, the ``out`` of :func:`train_stream`, :func:`train_fusion` or ``rgbx train``.
        runtime: what computes, ``"openvino"``, ``"onnx"`` or ``"torch"``. When None, the first of these that the
            bundle was exported for and that is installed. Only torch needs ``rgbx[train]``.
        precision: of OpenVINO's arithmetic, ``"f32"``, ``"bf16"`` or ``"int8"``. When None, what the bundle was
            calibrated with, else float32.
        mode: what to be fast with: one image (``"latency"``), many (``"throughput"``) or both of a device
            (``"pairs"``).
        early_exit: look no closer at an image once a class has at least this probability, in 0..1. When None, what
            the bundle was calibrated with, else never.
        flat_field: what every radiograph is corrected with first, or the folder that ``rgbx flatfield`` wrote.
        decides: whether to use the bundle's calibration, if it has one.

    Returns:
        The predictor. :meth:`~rgbx.inference.Predictor.predict` takes files or arrays: a photograph (H, W, 3) uint8
        in RGB order, a radiograph (H, W) uint8, uint16 or float in 0..1, linear in intensity and bright where the
        beam is open.

    Raises:
        InputError: it is no bundle, it is damaged, or it was not exported for the runtime.
        MissingToolError: the runtime is not installed.
        RgbxError: the runtime or the processor lacks the precision, or the bundle was calibrated on answers that were
            computed otherwise.

    Example:
        >>> predictor = rgbx.load("runs/fused")
        >>> prediction = predictor.predict(rgb="phone.jpg", xray="phone.tiff")
        >>> prediction.label, prediction.probabilities, prediction.decision
    """
    from rgbx.datasets.flat_field import FlatField
    from rgbx.inference import Predictor

    field = FlatField.read(Path(flat_field)) if isinstance(flat_field, str | Path) else flat_field
    return Predictor.load(Path(bundle), runtime, precision, mode, early_exit, field, decides)


@optional_packages()
def open_set(folder: Path | str) -> "SampleSet":
    """Open a finished set of labelled images.

    Args:
        folder: what ``rgbx render``, :func:`render_radiographs`, :func:`render_photographs` or ``rgbx sets import``
            wrote.

    Returns:
        The set. Iterating yields a record for each image: ``label``, ``unit`` and all that was drawn for it
        (``draw``); ``set.path(record)`` is the image's file.

    Raises:
        InputError: the folder is missing, is no set, or its rendering has not finished.

    Example:
        >>> samples = rgbx.open_set("sets/xray")
        >>> len(samples), samples.header.classes
        >>> [(samples.path(record), record.label) for record in samples]
    """
    from rgbx.api.settings import opened

    return opened(folder)
