"""Hot folders, watched in a thread of their own: a share that hangs keeps no deadline waiting."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue

from rgbx.errors import InputError
from rgbx.inference.arrivals import Arrival, HotFolders, Image, Pairing
from rgbx.modality import Modality

LOOK_EVERY_S = 0.05
OPEN_AGAIN_S = 1.0


class SteadyClock:
    """Seconds since 1970 as they were when the clock was made, and steady from then on, whatever the machine's does."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the time."""
        return self._offset + time.monotonic()


class FolderWatch:
    """Tells of the devices whose images arrive in folders, also in such as are not there yet.

    Args:
        folders: by modality.
        pairing: how images find each other.
        done: returns the images that have been answered before.
        found: told each look's devices, in the watching thread.
        left_out: told each image that no device will take, likewise; those of devices answered before, too.
        say: told of trouble, in a sentence.
        clock: what times are by.
    """

    def __init__(
        self,
        folders: Mapping[Modality, Path],
        pairing: Pairing,
        done: Callable[[], Mapping[Modality, Iterable[Path]]],
        found: Callable[[list[Arrival]], None],
        left_out: Callable[[Image], None],
        say: Callable[[str], None],
        clock: SteadyClock,
    ) -> None:
        self._folders = folders
        self._pairing = pairing
        self._done = done
        self._found = found
        self._left_out = left_out
        self._say = say
        self._clock = clock
        self._again: SimpleQueue[Arrival] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hot folders", daemon=True)
        self._hot: HotFolders | None = None
        self._looked = time.monotonic()

    def out_of_reach(self, hangs_s: float) -> frozenset[Path]:
        """Return the folders that cannot be listed now; all where a look has taken longer than ``hangs_s``."""
        if self._hot is None or time.monotonic() - self._looked > hangs_s:
            return frozenset(self._folders.values())
        return self._hot.unreachable

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look that hangs is not waited for."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    def put_back(self, device: Arrival) -> None:
        """Take a device for new, since its files were not whole when they were read."""
        self._again.put(device)

    def _watch(self) -> None:
        while not self._stop.is_set():
            if self._hot is None:
                self._open()
            elif not self._look(self._hot):
                self._stop.wait(LOOK_EVERY_S)

    def _open(self) -> None:
        try:
            done = self._done()
            self._hot = HotFolders(self._folders, self._pairing, done, self._say, self._left_out)
            self._looked = time.monotonic()
            for modality, paths in done.items():
                for path in paths:
                    self._left_out(Image(path, modality, self._pairing.device(path, modality)))
        except (InputError, OSError) as error:
            self._say(f"{error} Waiting until it is there.")
            self._stop.wait(OPEN_AGAIN_S)

    def _look(self, hot: HotFolders) -> bool:
        """Look once; return whether anything was found."""
        while not self._again.empty():
            hot.put_back(self._again.get())
        devices = hot.look(self._clock.now())
        self._looked = time.monotonic()
        if devices:
            self._found(devices)
        return bool(devices)
