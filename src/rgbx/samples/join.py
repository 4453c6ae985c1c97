"""Joining the shards of a set that were rendered to folders apart, and leaving a class out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import atomic_folder, link_or_copy, write_json
from rgbx.progress import track
from rgbx.samples.sets import METADATA, SET_FILE, SampleSet, check_same_header, read_set_header
from rgbx.samples.shards import Shard, absent_shards, finished_shards, listed


def join(parts: Sequence[Path], out: Path) -> SampleSet:
    """Join shards into one set, the same, byte for byte, as one that was rendered whole.

    Args:
        parts: folders that hold one or more complete shards each, which together are all there are.
        out: folder of the set; written whole or not at all. Where it can, it shares the files of the images with the
            parts (hard links) instead of copying them; the parts may be deleted.

    Raises:
        InputError: a part is no part of this set, or a shard or an image is missing or there twice.
    """
    header = read_set_header(parts[0])
    shards = _shards_by_part(parts)
    for part in parts[1:]:
        check_same_header(part, read_set_header(part), header)
    total = sum(len(SampleSet(part, header)) for part in parts)
    with atomic_folder(out) as folder:
        write_json(folder / SET_FILE, header.model_dump(mode="json"))
        for label in header.classes:
            (folder / label).mkdir()
        samples = SampleSet(folder, header)
        wanted = ((part, record) for part in parts for record in SampleSet(part, header))
        for part, record in track(wanted, "joining", total=total):
            if any(shard.has(_number(record.file_name)) for shard in shards[part]):
                _link(part / record.file_name, folder / record.file_name)
                samples.add(record)
        _check_complete(samples, out)
        samples.finish()
    return SampleSet.open(out)


def leave_out(samples: SampleSet, label: str, out: Path) -> SampleSet:
    """Make a set of all images but those of one class, which share their files with it where the disk can.

    Args:
        samples: where to take them from.
        label: the class.
        out: folder of the new set; written whole or not at all.

    Raises:
        InputError: the set has no such class, or an image is missing.
    """
    if label not in samples.header.classes:
        raise InputError(samples.folder, f"has no class '{label}'", "name one that it has")
    kept = tuple(name for name in samples.header.classes if name != label)
    with atomic_folder(out) as folder:
        fewer = SampleSet.create(folder, samples.header.updated({"classes": kept}))
        for name in kept:
            (folder / name).mkdir()
        for record in samples:
            if record.label != label:
                _link(samples.path(record), folder / record.file_name)
                fewer.add(record)
        fewer.finish()
    return SampleSet.open(out)


def _shards_by_part(parts: Sequence[Path]) -> dict[Path, list[Shard]]:
    holders: dict[Shard, Path] = {}
    shards: dict[Path, list[Shard]] = {}
    for part in parts:
        read_set_header(part)
        shards[part] = finished_shards(part)
        if not shards[part]:
            if (part / METADATA).exists():
                raise InputError(part, "is a whole set, not a part of one", "leave it out")
            raise InputError(part, "holds no complete shard", "render one with --shard, or let it go on to its end")
        for shard in shards[part]:
            if shard in holders:
                raise InputError(part, f"holds shard {shard}, as does {holders[shard]}", "leave one of them out")
            holders[shard] = part
    if len({shard.count for shard in holders}) > 1:
        raise InputError(
            parts[-1], f"belongs to another division ({listed(sorted(holders))})", "join shards i/N of one N"
        )
    if absent := absent_shards(holders):
        raise InputError(parts[-1], f"and the other parts lack the shards {listed(absent)}", "give their folders too")
    return shards


def _number(file_name: str) -> int:
    return int(Path(file_name).stem)


def _link(image: Path, target: Path) -> None:
    try:
        link_or_copy(image, target)
    except FileNotFoundError as error:
        raise InputError(image, "is missing", "render its shard again, only what is missing is rendered") from error


def _check_complete(samples: SampleSet, out: Path) -> None:
    counts = Counter(record.label for record in samples)
    wanted = samples.header.config["images_per_class"]
    for label in samples.header.classes:
        if counts[label] != wanted:
            raise InputError(
                out,
                f"would have {counts[label]} images of class {label}, not {wanted}",
                "render the shards again, only what is missing is rendered",
            )
