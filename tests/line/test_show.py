"""What a line says of a part in a terminal."""

from pathlib import Path

import pytest

from fake_inference import part_result
from rgbx_line.contract import LEFT_OUT, RESULT
from rgbx_line.log.line_log import LineLog
from rgbx_line.settings import LineFolder
from rgbx_line.show import described


@pytest.mark.parametrize("kind", [RESULT, LEFT_OUT])
def test_images_are_named_that_no_model_looked_at(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "A_rgb.png"
    image.touch()
    late = part_result(3).model_copy(update={"reason": "late", "images": {"rgb": str(image)}, "result": None})
    folder = LineFolder(tmp_path / "line")
    with LineLog(folder.log) as log:
        (entry,) = log.append([(kind, late.model_dump(mode="json"))])
    assert described(folder, entry).splitlines()[-1].strip() == f"rgb: {image}"
