import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mesh_files import stl_bytes, write_in_mm
from rgbx.cli import app
from rgbx.errors import InputError, MissingToolError, RgbxError
from rgbx.samples import SampleSet, Shard, write_image
from rgbx.samples.sets import find_record
from rgbx_render.devices.library import Library
from rgbx_render.photography import blender as blender_module
from rgbx_render.photography.photographs import render_photographs, replay_photograph
from rgbx_render.photography.randomisation import RgbDraw, RgbRandomisation

TINY = RgbRandomisation(size=48, samples=4)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestWithBlender:
    pytestmark = pytest.mark.blender

    @pytest.fixture(scope="class")
    def reference(self, library: Library, tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
        return render_photographs(library, tmp_path_factory.mktemp("sets") / "rgb", TINY, images_per_class=4, workers=0)

    def test_images_and_records(self, reference: SampleSet) -> None:
        assert len(reference) == 8
        pictures = [cv2.imread(str(reference.path(record))) for record in reference]
        for record, picture in zip(reference, pictures, strict=True):
            assert picture.shape[:2] == RgbDraw.model_validate(record.draw).shape
            assert picture.shape[0] * picture.shape[1] == pytest.approx(48**2, rel=0.05)
            assert 5 < picture.mean() < 250
            assert picture.std() > 5
            assert record.unit.startswith(record.label)
        assert len({picture.tobytes() for picture in pictures}) == 8
        assert (reference.folder / "overview.png").exists()

    def test_same_bytes_with_other_workers(self, reference: SampleSet, library: Library, tmp_path: Path) -> None:
        render_photographs(library, tmp_path / "rgb", TINY, images_per_class=4, workers=2)
        assert files(tmp_path / "rgb") == files(reference.folder)

    @pytest.mark.slow
    @pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: run 'pip install rgbx[ray]'")
    def test_same_bytes_with_ray(self, reference: SampleSet, library: Library, tmp_path: Path) -> None:
        render_photographs(library, tmp_path / "rgb", TINY, images_per_class=4, workers=1, ray="local")
        assert files(tmp_path / "rgb") == files(reference.folder)

    def test_a_record_renders_the_same_pixels_again(
        self, reference: SampleSet, library: Library, tmp_path: Path
    ) -> None:
        image = reference.folder / "B/000002.png"
        again = tmp_path / "again.png"
        arguments = ["render", "rgb", str(library.path), "--replay", str(image), "--out", str(again)]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert again.read_bytes() == image.read_bytes()

    @pytest.mark.slow
    def test_goes_on_after_a_kill(self, reference: SampleSet, library: Library, tmp_path: Path) -> None:
        out = tmp_path / "rgb"
        command = [
            sys.executable, "-m", "rgbx", "render", "rgb", str(library.path), "--out", str(out), "--per-class", "4",
            "--workers", "0", "--size", "48", "--set", "samples=4",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not list(out.glob("*/*.png")) and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "metadata.jsonl").exists()
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert files(out) == files(reference.folder)


class TestWithoutBlender:
    @pytest.fixture(autouse=True)
    def broken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A Blender that starts, renders grey, and dies of the frames whose seed is odd."""
        worker = tmp_path / "worker.py"
        worker.write_text(
            "import json, os, sys\nimport numpy as np\n"
            "print(json.dumps({'ready': 'fake'}), flush=True)\n"
            "for line in sys.stdin:\n"
            "    job = json.loads(line)\n"
            "    if job['render_seed'] % 2 and not os.path.exists(sys.argv[0] + '.healed'): os._exit(11)\n"
            "    np.save(job['frame'], np.full((job['size'], job['size'], 3), 0.5, np.float32))\n"
            "    print(json.dumps({'done': 1}), flush=True)\n"
        )
        python = tmp_path / "python-fake"
        python.write_text(f"#!/bin/sh\nexec {sys.executable} {worker}\n")
        python.chmod(0o755)
        monkeypatch.setenv(blender_module.VARIABLE, str(python))
        self.healed = Path(f"{worker}.healed")

    def test_a_crash_loses_its_frame_only_and_the_next_run_tries_it_again(
        self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(RgbxError, match=r"of 12 samples could not be rendered .*ended with code 11"):
            render_photographs(library, tmp_path / "rgb", TINY, images_per_class=6, workers=0)
        there = len(list((tmp_path / "rgb").glob("*/*.png")))
        assert 0 < there < 12
        with pytest.raises(InputError, match="not finished"):
            SampleSet.open(tmp_path / "rgb")
        self.healed.touch()
        monkeypatch.delattr("rgbx_render.devices.library.Unit.read_mesh")  # meshes are not prepared again
        assert len(render_photographs(library, tmp_path / "rgb", TINY, images_per_class=6, workers=0)) == 12
        assert list((tmp_path / "rgb").glob(".*")) == []

    def test_only_the_chosen_units_are_shown(self, library: Library, tmp_path: Path) -> None:
        self.healed.touch()
        samples = render_photographs(library, tmp_path / "rgb", TINY, images_per_class=5, units="2", workers=0)
        assert {record.unit for record in samples} == {"A-002", "B-002"}

    def test_remarks_on_meshes_are_printed(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.healed.touch()
        path = write_in_mm(tmp_path / "library/A/1", "mesh.stl", stl_bytes(b"COLOR=\xff\0\0\xff"))
        render_photographs(Library.open(tmp_path / "library"), tmp_path / "rgb", TINY, images_per_class=1, workers=0)
        assert f"remark: {path} has colours that are no part of the format" in capfd.readouterr().err

    def test_joined_shards_are_the_same_set(self, library: Library, tmp_path: Path) -> None:
        self.healed.touch()
        for number in (1, 2):
            part = tmp_path / str(number)
            assert (
                render_photographs(library, part, TINY, images_per_class=3, workers=0, shard=Shard(number, 2)) is None
            )
        whole = render_photographs(library, tmp_path / "whole", TINY, images_per_class=3, workers=0)
        arguments = ["sets", "join", str(tmp_path / "1"), str(tmp_path / "2"), "--out", str(tmp_path / "joined")]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert files(tmp_path / "joined") == files(whole.folder)

    def test_a_record_of_another_library(self, library: Library, tmp_path: Path) -> None:
        self.healed.touch()
        render_photographs(library, tmp_path / "rgb", TINY, images_per_class=1, workers=0)
        record = find_record(tmp_path / "rgb/A/000000.png").model_copy(update={"unit": "A-009"})
        with pytest.raises(InputError, match="has no unit A/A-009"):
            replay_photograph(record, library)

    def test_a_class_without_a_mesh(self, tmp_path: Path) -> None:
        for name in ("A/one", "B/two"):
            write_image(tmp_path / "library" / name / "photos/1.png", np.zeros((8, 8), np.uint8))
        with pytest.raises(InputError, match=r"library/A has no mesh"):
            render_photographs(
                Library.open(tmp_path / "library"), tmp_path / "rgb", TINY, images_per_class=1, workers=0
            )
        assert not (tmp_path / "rgb").exists()

    def test_no_blender(self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(blender_module.VARIABLE, os.fspath(tmp_path / "nothing"))
        with pytest.raises(MissingToolError, match="RGBX_BLENDER"):
            render_photographs(library, tmp_path / "rgb", TINY, images_per_class=1, workers=0)
        assert not (tmp_path / "rgb").exists()
