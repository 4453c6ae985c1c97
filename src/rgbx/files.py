"""Writing files so that nobody ever sees half of one: write to a temporary name, then rename."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rgbx.errors import InputError, RgbxError
from rgbx.names import printable, same_name

UNWRITABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG
)  # fmt: skip
"""What the system says of a place where nothing can be put (ENOENT: below ``/proc``, say)."""


def check_names_differ(named: Iterable[tuple[str, Path]], remedy: str) -> None:
    """Refuse files or folders whose names are one on some systems, see :func:`~rgbx.names.same_name`.

    Args:
        named: each name, as it is or will be, and the file or folder that has it.
        remedy: what to do.

    Raises:
        InputError: two names are one.
    """
    known: dict[str, Path] = {}
    for name, path in named:
        other = known.setdefault(same_name(name), path)
        if other != path:
            raise InputError(path, f"would be named as {other} is, but for case or accents", remedy)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` (same suffix); move it there when the block ends well.

    When the block raises, the temporary file is removed and what stood at ``path`` stays untouched.
    Parent folders are made as needed.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; move it there when the block ends well, else remove it.

    Raises:
        InputError: there is something at ``path`` already, other than an empty folder.
        RgbxError: the disk is full or the folder cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(path, "is there already", "choose another --out folder or delete this one")
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                path.rmdir()  # empty, and Windows puts nothing in the place of a folder
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def readable_os_errors(path: Path) -> Iterator[None]:
    """Turn 'disk full' and 'permission denied' while writing ``path`` into a sentence with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RgbxError(
                f"{path} could not be written because the disk is full: free some space. A line goes on by itself, "
                "a command where it stopped when it is run again."
            ) from error
        if error.errno in UNWRITABLE:
            raise InputError(path, f"cannot be written ({error.strerror})", "choose another folder") from error
        raise


def claim(path: Path, lock: Path, writer: str, remedy: str) -> FileLock:
    """Return a lock on what one process alone writes; it is held until it is collected or the process ends, somehow.

    Args:
        path: what is written.
        lock: file of the lock.
        writer: what else may be writing it, e.g. ``"run"``.
        remedy: what to do then.

    Raises:
        InputError: another process holds it.
    """
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        raise InputError(path, f"is being written by another {writer}", remedy) from None
    return held


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows a folder's files by name; on systems that let a folder be opened."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link of ``source`` or, on another disk or one that knows no links, a copy.

    Raises:
        FileNotFoundError: ``source`` or the folder of ``target`` is missing.
        RgbxError: the disk is full or the folder cannot be written.
    """
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        write_bytes(target, source.read_bytes())


def link_in_place(source: Path, target: Path) -> None:
    """Make ``target`` what :func:`link_or_copy` does, in place of a file that is there; folders are made as needed.

    Raises:
        FileNotFoundError: ``source`` is missing.
        RgbxError: the disk is full or the folder cannot be written.
    """
    with readable_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    link_or_copy(source, target)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path`` whole or not at all."""
    write_bytes(path, printable(content).encode())


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON to ``path`` whole or not at all; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not valid JSON ({error})", "restore the file or make it again") from error


def digest(*contents: bytes | str) -> str:
    """Return a short (16 hex digits) SHA-256 digest of ``contents``, the same on every machine."""
    sha = hashlib.sha256()
    for content in contents:
        data = printable(content).encode() if isinstance(content, str) else content
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()[:16]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(paths: Iterable[Path]) -> str:
    """Return the :func:`digest` of the contents of ``paths``, in the order given."""
    return digest(*(hashlib.sha256(path.read_bytes()).digest() for path in paths))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
