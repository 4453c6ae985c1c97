"""Rendering on a Ray cluster: nodes that come and go, and need nothing in common but the network and rgbx.

A few samples are a Ray task; Ray finds it a free core, and another one when its node dies. A worker process makes its
renderer with its first task and keeps it. Files that renderers read (prepared scans, meshes) travel in pieces through
Ray's object store to a folder on each node, from where its workers share them, mapped into memory; so the store
never needs to hold them all, and may be small.
"""

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from rgbx import __version__
from rgbx.errors import InputError, MissingToolError, RgbxError
from rgbx.files import atomic_folder
from rgbx.samples.jobs import LostSample, RenderedSample, Renderer, RenderJob, attempt
from rgbx.samples.seeds import SampleKey

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError as missing:
    raise MissingToolError("Ray is not installed, and --ray renders with it: run 'pip install rgbx[ray]'.") from missing

TASK_SAMPLES = 32
"""Samples of a task, at most: each costs Ray about as much as two images; a killed command loses those under way."""
TASKS_PER_CORE = 3
"""Tasks that are handed out for each core, so that none waits for this process; also bounds results in memory."""
RETRIES = 3
"""How often a task is tried again when its node or worker dies."""
LOCAL_STORE_BYTES = 200 * 2**20
"""Ray's object store when it runs on this machine only."""
PIECE_BYTES = 8 * 2**20
CONNECT_SECONDS = 10.0
CLEAN_SECONDS = 20.0


class RayCluster:
    """Renders on a Ray cluster.

    Args:
        address: of a running cluster that this machine is a node of (``HOST:PORT``, or ``auto`` to find it);
            ``local`` starts one on this machine, for the time of the run.
        workers: how many processes a local one has.

    Raises:
        InputError: nothing answers at the address.
    """

    def __init__(self, address: str, workers: int) -> None:
        self.address = address
        self.workers = workers
        if address not in ("local", "auto"):
            try:
                _knock(address)  # Ray itself would try for minutes
            except (OSError, ValueError) as error:
                raise _no_cluster(address) from error

    def run(self, job: RenderJob, keys: Sequence[SampleKey]) -> Generator[RenderedSample | LostSample, None, None]:
        """See :class:`~rgbx.samples.jobs.Executor`.

        Raises:
            InputError: no cluster answers at the address.
            RgbxError: a node has another version of rgbx.
        """
        with self._connected():
            run = secrets.token_hex(4)
            shipment = ray.put(_Shipment(run, __version__, replace(job, files=None), _put_files(job.files)))
            render = ray.remote(num_cpus=1, max_retries=RETRIES)(_render)
            queue, single = deque(keys), deque[SampleKey]()
            running: dict[ray.ObjectRef, list[SampleKey]] = {}
            try:
                while queue or single or running:
                    places = TASKS_PER_CORE * _cores()
                    while (queue or single) and len(running) < places:
                        if single:
                            batch = [single.popleft()]
                        else:  # smaller ones towards the end, so that nodes end together
                            batch = [queue.popleft() for _ in range(max(1, min(TASK_SAMPLES, len(queue) // places)))]
                        running[render.remote([shipment], batch)] = batch
                    for done in ray.wait(list(running), num_returns=1)[0]:
                        batch = running.pop(done)
                        try:
                            results = ray.get(done)
                        except RayTaskError as error:
                            raise (error.cause if isinstance(error.cause, RgbxError) else error) from None
                        except RayError as error:  # a node or a worker died under it, time and again
                            if len(batch) > 1:
                                single.extend(batch)  # one of them may be what kills it
                            else:
                                yield LostSample(f"{batch[0].stem}: {_reason(error)}")
                        else:
                            yield from results
            finally:
                for task in running:
                    ray.cancel(task, force=True)
                _clean_nodes(run)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        if self.address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            options: dict[str, Any] = {
                "address": "local",
                "num_cpus": self.workers,
                "object_store_memory": LOCAL_STORE_BYTES,
                "include_dashboard": False,
            }
        else:
            options = {"address": self.address}
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise _no_cluster(self.address) from error
        try:
            yield
        finally:
            ray.shutdown()


def _no_cluster(address: str) -> InputError:
    return InputError(
        address,
        "is no running Ray cluster that this machine is a node of",
        "start one with 'ray start --head' here and 'ray start --address=HOST:PORT' on the others, or give --ray local",
    )


def _knock(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


@dataclass(frozen=True)
class _Shipment:
    """What a worker gets: the job, and the pieces of each of its files in the object store."""

    run: str
    """Names this run on every node."""
    version: str
    job: RenderJob
    """Without files."""
    files: dict[str, list[Any]] | None
    """For each path within the job's folder, references to its pieces."""


def _put_files(folder: Path | None) -> dict[str, list[Any]] | None:
    if folder is None:
        return None
    return {
        path.relative_to(folder).as_posix(): [ray.put(piece) for piece in _pieces(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _pieces(path: Path) -> Iterator[np.ndarray]:
    with path.open("rb") as file:
        while len(piece := np.fromfile(file, np.uint8, PIECE_BYTES)):
            yield piece


def _cores() -> int:
    """Return how many cores the cluster has now; nodes may join and leave while it renders."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _reason(error: RayError) -> str:
    return f"{type(error).__name__}, {RETRIES + 1} times: {str(error).strip().splitlines()[0].rstrip('.')}"


_renderers: dict[str, Renderer] = {}
"""Of this worker process, by run: there is one at most."""


def _render(shipment: list[Any], keys: list[SampleKey]) -> list[RenderedSample | LostSample]:
    run = shipment[0].hex()
    if run not in _renderers:
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
        _renderers[run] = _make_renderer(ray.get(shipment[0]))
    return [attempt(_renderers[run], key) for key in keys]


def _make_renderer(shipment: _Shipment) -> Renderer:
    if shipment.version != __version__:
        raise RgbxError(
            f"Node {ray.util.get_node_ip_address()} has rgbx {__version__}, this machine has {shipment.version}: "
            "install the same version on all."
        )
    if shipment.files is None:
        return shipment.job.renderer()
    folder = _node_folder(shipment.run)
    with FileLock(folder.with_suffix(".lock")):  # one worker of the node unpacks, the others wait
        if not folder.exists():
            _unpack(shipment.files, folder)
    return replace(shipment.job, files=folder).renderer()


def _unpack(files: dict[str, list[Any]], folder: Path) -> None:
    with atomic_folder(folder) as unfinished:
        for name, pieces in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(ray.get(piece).data)  # mapped from the object store, not copied


def _node_folder(run: str) -> Path:
    node = ray.get_runtime_context().get_node_id()
    return Path(tempfile.gettempdir()) / f"rgbx-ray-{run}-{node[:12]}"


def _clean_nodes(run: str) -> None:
    """Remove what the nodes that are still there have unpacked."""
    clean = ray.remote(num_cpus=0, max_retries=0)(_clean_node)
    with suppress(RayError):
        there = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in ray.nodes() if node["Alive"]]
        tasks = [clean.options(scheduling_strategy=node).remote(run) for node in there]
        ray.wait(tasks, num_returns=len(tasks), timeout=CLEAN_SECONDS)


def _clean_node(run: str) -> None:
    folder = _node_folder(run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
