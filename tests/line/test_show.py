"""What a line says of a part in a terminal."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rgbx_line.contract import LEFT_OUT, RESULT, PartResult, ReasonCode
from rgbx_line.log.line_log import LineLog
from rgbx_line.settings import LineFolder
from rgbx_line.show import described


@pytest.mark.parametrize("kind", [RESULT, LEFT_OUT])
def test_images_are_named_that_no_model_looked_at(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "A_rgb.png"
    image.touch()
    late = PartResult(
        seq=3,
        part_id="A",
        bin=None,
        bin_code=0,
        reason="late",
        reason_code=ReasonCode.LATE,
        model_number=1,
        images={"rgb": str(image)},
        last_image=datetime(2026, 11, 28, tzinfo=UTC),
    )
    folder = LineFolder(tmp_path / "line")
    with LineLog(folder.log) as log:
        (entry,) = log.append([(kind, late.model_dump(mode="json"))])
    assert described(folder, entry).splitlines()[-1].strip() == f"rgb: {image}"
