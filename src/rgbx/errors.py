"""Errors a user can act on: one sentence that names the file or option at fault and the remedy.

Every error raised on purpose derives from :class:`RgbxError`; the command line prints its text and exits
with code 2, without a traceback.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rgbx.names import printable

DAMAGED, COPY_AGAIN = "is damaged or cut off", "copy or export it again"
"""Problem and remedy of files that break off."""


class RgbxError(Exception):
    """Something the user can put right; the message is one sentence and says how.

    It can be printed and logged anywhere, also where it names a file whose name is no UTF-8.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InputError(RgbxError):
    """A file or folder cannot be used as it is.

    Args:
        path: the file or folder at fault.
        problem: what is wrong with it, as the end of the sentence "PATH ...", e.g. ``"has no voxel size"``.
        remedy: what to do, as an imperative, e.g. ``"add 'voxel_size_mm' to unit.yaml"``.
    """

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{path} {problem}: {remedy}.")

    def __reduce__(self) -> tuple[type["InputError"], tuple[Path, str, str]]:
        # Errors cross from worker processes as their arguments, not their text.
        return type(self), (self.path, self.problem, self.remedy)


class ConfigError(RgbxError, ValueError):
    """A setting is unknown or out of range."""


class MissingToolError(RgbxError):
    """A program or package that a step needs is not installed; the message says how to get it."""


class MissingPluginError(RgbxError):
    """A part that a setting or a file names is not installed.

    Args:
        kind: what it is, e.g. ``"aggregator"``.
        name: as it was asked for.
        group: of entry points that such parts come from.
        known: names of those that there are.
    """

    def __init__(self, kind: str, name: str, group: str, known: Sequence[str]) -> None:
        self.kind = kind
        self.name = name
        self.group = group
        self.known = known
        super().__init__(
            f"There is no {kind} {name!r}: install the package that adds it (entry point of the group '{group}'), or "
            f"choose from {', '.join(known)}."
        )

    def __reduce__(self) -> tuple[type["MissingPluginError"], tuple[str, str, str, Sequence[str]]]:
        return type(self), (self.kind, self.name, self.group, self.known)


def needs_plugin(path: Path, error: MissingPluginError) -> InputError:
    """Return the error of a file that was made with a part which is not installed here."""
    return InputError(
        path,
        f"needs the {error.kind} {error.name!r}, which is not installed here",
        f"install the package that adds it (entry point of the group '{error.group}')",
    )


@contextmanager
def damage_refused(path: Path) -> Iterator[None]:
    """Make whatever a decoder raises an :class:`InputError`; of damaged files they raise nearly anything."""
    try:
        yield
    except (InputError, PermissionError):
        raise
    except Exception as error:
        raise InputError(path, DAMAGED, COPY_AGAIN) from error
