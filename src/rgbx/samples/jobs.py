"""What renders samples, wherever it runs: a job, the renderers made from it, and what they give."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rgbx.errors import RgbxError
from rgbx.samples.record import SampleRecord
from rgbx.samples.seeds import SampleKey


class RenderedSample(NamedTuple):
    """A sample that is not on disk yet."""

    record: SampleRecord
    image: bytes
    """Content of the file that the record names."""


class Renderer(Protocol):
    """Renders samples; made once in each worker."""

    def __call__(self, key: SampleKey) -> RenderedSample: ...


class LostSample(RgbxError):
    """One sample could not be rendered; the others still can, and this one may be tried again."""


@dataclass(frozen=True)
class RenderJob:
    """What it takes to make a renderer, in whichever process."""

    make_renderer: Callable[..., Renderer]
    """Must be importable (picklable)."""
    arguments: tuple[Any, ...] = ()
    """What it needs; small."""
    files: Path | None = None
    """A folder that it reads, if any: its first argument. On nodes that share no disk, the path of a copy."""

    def renderer(self) -> Renderer:
        """Make one."""
        return self.make_renderer(*(() if self.files is None else (self.files,)), *self.arguments)


class Executor(Protocol):
    """Renders the samples of a job, in any order, each exactly once; closing the generator ends its workers."""

    def run(self, job: RenderJob, keys: Sequence[SampleKey]) -> Generator[RenderedSample | LostSample, None, None]: ...


def attempt(renderer: Renderer, key: SampleKey) -> RenderedSample | LostSample:
    """Render a sample; that it was lost is a result, any other error is raised."""
    try:
        return renderer(key)
    except LostSample as error:
        return LostSample(f"{key.stem}: {str(error).rstrip('.')}")
