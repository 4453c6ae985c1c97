"""The documentation as a site: it builds without a warning, is complete, and asks the network for nothing."""

import os
import re
import subprocess
import sys

import pytest

import rgbx
from docs_pages import DOCS, ROOT

pytest.importorskip("mkdocs", reason="MkDocs is not installed: run 'pip install rgbx[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(built)]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return built


def test_every_page_is_there_and_in_the_menu(site):
    menu = (site / "index.html").read_text()
    for page in [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]:
        name = page.relative_to(DOCS).with_suffix(".html").as_posix().replace("README.html", "index.html")
        assert (site / name).is_file(), name
        assert f'href="{name}"' in menu, name


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="https?:[^"]*"', text), page
        assert not re.findall(r'<link[^>]+rel="(?:stylesheet|preconnect|preload)"[^>]+href="https?:[^"]*"', text), page
        assert not re.findall(r"import\([^)]*https?:", text), page


def test_the_whole_api_is_documented(site):
    page = (site / "reference" / "api.html").read_text()
    missing = [name for name in rgbx.__all__ if not name.startswith("_") and f'id="rgbx.{name}"' not in page]
    assert not missing


def test_what_is_written_once_is_shown_where_it_belongs(site):
    assert "RGB-X, mean of 5 random pairings" in (site / "results" / "demo.html").read_text()
    assert "What we ask of a change" in (site / "contribute" / "contributing.html").read_text()
    assert "0.1.0" in (site / "contribute" / "changelog.html").read_text()
