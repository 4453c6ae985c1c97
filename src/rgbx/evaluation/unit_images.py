"""Images of units that somebody has just scanned: rendered by another package, as the bundle's training images were."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from rgbx.errors import MissingToolError
from rgbx.modality import Modality
from rgbx.models.memory import ImageSource
from rgbx.registry import Registry

RENDERER = "domain-randomisation"
"""The name of what renders training images."""


class WantedImages(NamedTuple):
    """How many images to render, and how long that may take."""

    radiographs: int
    photographs: int
    """At most; as many as the time allows."""
    minutes: float
    """For all of them."""


class UnitRenderer(Protocol):
    """Renders units; registered in :data:`UNIT_RENDERERS`."""

    def __call__(
        self,
        units: Sequence[Path],
        name: str,
        sources: Mapping[Modality, Sequence[ImageSource]],
        out: Path,
        wanted: WantedImages,
        seed: int,
        workers: int | None,
    ) -> dict[Modality, list[Path]]:
        """Render a class; a run that was stopped goes on.

        Args:
            units: a folder for each, with a scan, a mesh or both.
            name: of the class.
            sources: how the bundle's images of each modality came about; these have to come about alike.
            out: folder for the sets.
            wanted: how many images.
            seed: of the sets.
            workers: processes; as many as there are cores when None.

        Returns:
            The folders of the sets by modality.
        """
        ...


UNIT_RENDERERS: Registry[UnitRenderer] = Registry("renderer of units", "rgbx.unit_renderers", {})
"""What renders images of units that a class is added by."""


def unit_renderer() -> UnitRenderer:
    """Return what renders units.

    Raises:
        MissingToolError: nothing that does is installed.
    """
    if RENDERER not in UNIT_RENDERERS.names():
        raise MissingToolError(
            "Nothing that renders scans and meshes is installed: run 'pip install rgbx[render]', or give sets of "
            "images with --rgb and --xray."
        )
    return UNIT_RENDERERS[RENDERER]
