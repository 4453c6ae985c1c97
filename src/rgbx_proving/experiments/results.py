"""How an experiment leaves what it found: as data, as a page and as a picture."""

from pathlib import Path

from matplotlib.figure import Figure

from rgbx.config import Config
from rgbx.evaluation.figures import write_figure
from rgbx.files import write_json, write_text


def write_result(out: Path, name: str, result: Config, page: str, figure: Figure) -> None:
    """Write ``out/<name>.json``, ``.md`` and ``.png``.

    Args:
        out: folder of results.
        name: of the experiment.
        result: all that was found.
        page: the same in Markdown.
        figure: the same drawn.
    """
    write_json(out / f"{name}.json", result.model_dump(mode="json"))
    write_text(out / f"{name}.md", page)
    write_figure(out / f"{name}.png", figure)
