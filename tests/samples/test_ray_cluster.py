import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from dotted import DOTS, HEADER, KEYS, DotRenderer, contents

from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.samples import LostSample, RenderJob, SampleKey, SampleSet, choose_executor, render_samples

MANY = [SampleKey(label, number) for number in range(60) for label in ("A", "B")]


def test_without_ray_the_extra_is_named(tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('No module named ray', name='ray')")
    code = "from rgbx.samples import choose_executor; choose_executor(ray='local')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (
        "MissingToolError: Ray is not installed, and --ray renders with it: run 'pip install rgbx[ray]'." in ran.stderr
    )


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: run 'pip install rgbx[ray]'")
class TestWithRay:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        """Of Ray's workers, which import this file and its neighbours."""
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def test_a_cluster_renders_the_same_set_as_a_pool(self, ray_cluster, tmp_path):
        for name, executor in (("pool", choose_executor(1)), ("ray", choose_executor(ray=ray_cluster.address))):
            render_samples(SampleSet.create(tmp_path / name, HEADER), KEYS, DOTS, executor)
        assert contents(tmp_path / "ray") == contents(tmp_path / "pool")

    def test_a_node_that_dies_loses_no_image_and_none_is_written_twice(self, ray_cluster, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(
            "rgbx.samples.rendering.write_bytes", lambda path, image: (written.append(path), write(path, image))
        )
        from rgbx.files import write_bytes as write

        def kill_a_node_in_the_middle():
            while len(written) < 20:
                time.sleep(0.02)
            ray_cluster.kill_a_node()

        job = RenderJob(SlowRenderer, (str(tmp_path / "log"),))
        (tmp_path / "log").mkdir()
        killer = threading.Thread(target=kill_a_node_in_the_middle)
        killer.start()
        render_samples(SampleSet.create(tmp_path / "ray", HEADER), MANY, job, choose_executor(ray=ray_cluster.address))
        killer.join()
        assert len(written) == len(set(written)) == len(MANY)
        assert len(list((tmp_path / "log").iterdir())) > 1, "both nodes had rendered"
        render_samples(SampleSet.create(tmp_path / "here", HEADER), MANY, DOTS, choose_executor(0))
        assert contents(tmp_path / "ray") == contents(tmp_path / "here")

    def test_files_larger_than_the_object_store_reach_the_nodes_and_are_removed(self, ray_cluster, tmp_path):
        store_bytes = ray_cluster.store_bytes
        files = tmp_path / "files"
        (files / "A").mkdir(parents=True)
        for number in range(3):
            np.save(files / f"A/{number}.npy", np.full(store_bytes // 16, number + 1, np.uint64))
        job = RenderJob(FileReader, (), files)
        folders = set()
        for result in choose_executor(ray=ray_cluster.address).run(job, KEYS):
            assert result.record.draw["sums"] == [store_bytes // 16 * number for number in (1, 2, 3)]
            folders.add(Path(result.record.draw["folder"]))
        assert files not in folders
        assert len(folders) == 2, "a copy for each node"
        assert not any(folder.exists() for folder in folders)

    def test_losses_and_errors_reach_the_user(self, ray_cluster, tmp_path):
        samples = SampleSet.create(tmp_path / "x", HEADER)
        executor = choose_executor(ray=ray_cluster.address)
        with pytest.raises(RgbxError, match=r"2 of 120 samples could not be .*the first: [AB]/00000[13]: "):
            render_samples(samples, MANY, RenderJob(Faulty, (str(tmp_path / "tries"),)), executor)
        assert len(samples) == 118, "a sample that kills its worker does not take others with it"
        assert len((tmp_path / "tries").read_text()) == 8, "four times among others, four times alone"
        with pytest.raises(InputError, match=r"^mesh is torn: copy it again\.$"):
            render_samples(samples, KEYS, RenderJob(Broken), executor)

    def test_on_this_machine(self, tmp_path):
        render_samples(SampleSet.create(tmp_path / "ray", HEADER), KEYS, DOTS, choose_executor(1, ray="local"))
        render_samples(SampleSet.create(tmp_path / "here", HEADER), KEYS, DOTS, choose_executor(0))
        assert contents(tmp_path / "ray") == contents(tmp_path / "here")

    @pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
    def test_no_cluster_at_the_address(self, address):
        with pytest.raises(InputError, match=f"{address} is no running Ray cluster"):
            list(choose_executor(ray=address).run(DOTS, KEYS))

    def test_workers_are_not_for_clusters(self):
        with pytest.raises(ConfigError, match="--workers counts processes on this machine"):
            choose_executor(2, ray="127.0.0.1:1")


class SlowRenderer(DotRenderer):
    """Takes its time, and says which process it is."""

    def __init__(self, log):
        (Path(log) / str(os.getpid())).touch()

    def __call__(self, key):
        time.sleep(0.05)
        return super().__call__(key)


class FileReader(DotRenderer):
    """Reads its files, mapped into memory, and says where they were."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, key):
        sums = [int(np.load(path, mmap_mode="r").sum()) for path in sorted(self.folder.glob("A/*.npy"))]
        rendered = super().__call__(key)
        draw = {"folder": str(self.folder), "sums": sums}
        return rendered._replace(record=rendered.record.model_copy(update={"draw": draw}))


class Faulty(DotRenderer):
    """Loses one sample and is killed by another one."""

    def __init__(self, tries):
        self.tries = Path(tries)

    def __call__(self, key):
        if key == SampleKey("A", 1):
            raise LostSample("it slipped.")
        if key == SampleKey("B", 3):
            with self.tries.open("a") as tries:
                tries.write("x")
            os._exit(11)
        return super().__call__(key)


class Broken(DotRenderer):
    """Fails for good."""

    def __call__(self, _):
        raise InputError("mesh", "is torn", "copy it again")
