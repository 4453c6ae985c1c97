"""The notebooks run, and keep what they showed in a size that a repository can bear."""

import pytest

from docs_pages import notebooks

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: run 'pip install rgbx[docs]'")

LARGEST = 300_000

every_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)


@every_notebook
def test_a_notebook_shows_what_it_does(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert path.stat().st_size < LARGEST
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run it from top to bottom"
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.get("name") == "stderr" or output.output_type == "error"]


@pytest.mark.slow
@every_notebook
def test_a_notebook_runs(path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: run 'pip install rgbx[docs]'")
    nbclient.NotebookClient(nbformat.read(path, 4), timeout=600, kernel_name="python3").execute()
