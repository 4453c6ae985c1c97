"""The seal of a bundle: ``SHA256SUMS``, a digest of each of its files, in the form that ``sha256sum --check`` reads.

What was changed, cut off or taken from another bundle is refused before it is used.
"""

from collections.abc import Iterable
from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import sha256, write_text

SUMS = "SHA256SUMS"


def seal(folder: Path, names: Iterable[str]) -> None:
    """Write down the digests of some files of a bundle; what is written of others stays, where they do.

    Args:
        folder: of the bundle.
        names: of the files, within it.
    """
    sums = {name: digest for name, digest in _read(folder).items() if (folder / name).is_file()}
    sums |= {name: sha256(folder / name) for name in names}
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def sealed(folder: Path, name: str, remedy: str) -> Path:
    """Return a file of a bundle that is as it was when the bundle was sealed.

    Raises:
        InputError: it is missing, or is not what was sealed.
    """
    path = folder / name
    if not path.is_file():
        raise InputError(path, "is missing", remedy)
    if not (folder / SUMS).is_file():
        raise InputError(folder, f"holds no {SUMS}, so nobody can tell whether it is whole", remedy)
    if _read(folder).get(name) != sha256(path):
        raise InputError(path, f"is damaged, was changed or is not of this bundle (see {SUMS} beside it)", remedy)
    return path


def sealed_names(folder: Path) -> list[str]:
    """Return the names of a bundle's files, all of which are as they were when it was sealed.

    Raises:
        InputError: one is missing, is not what was sealed, or lies elsewhere.
    """
    remedy = "get the bundle again"
    for name in _read(folder):
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise InputError(folder / SUMS, f"names the file '{name}', which is none of the bundle's", remedy)
    return [sealed(folder, name, remedy).relative_to(folder).as_posix() for name in _read(folder)]


def _read(folder: Path) -> dict[str, str]:
    """Return digests by name; none where there are none."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    lines = (line.split("  ", 1) for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {line[1]: line[0] for line in lines if len(line) == 2}
