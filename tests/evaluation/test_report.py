import re
from html.parser import HTMLParser

import pytest

from rgbx.errors import InputError
from rgbx.evaluation.evaluate import evaluate
from rgbx.evaluation.explain import Case, explain_cases
from rgbx.evaluation.report import STAND_IN_NOTICE, ReportContents, write_report

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects links, headings and text, and checks that every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.links, self.text, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in {"src", "href", "srcset", "data", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture
def sets_on_disk(make_set):
    """A training and a test set of radiographs."""
    images = [(name, f"{name}-{number}", name, 90) for name in "ABC" for number in (1, 2)]
    return {name: make_set(name, "xray", images).folder for name in ("training", "test")}


@pytest.fixture
def contents(predictor, photographs, radiographs, sets_on_disk, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.csv").write_text("epoch,train_loss,validation_accuracy\n1,2.0,\n2,1.0,0.8\n")
    case = Case("A-1", xray=radiographs.path(radiographs.records[0]), truth="A")
    return ReportContents(
        title="Phones <tested>",
        evaluation=evaluate(predictor, photographs, radiographs),
        training_sets={"xray": sets_on_disk["training"]},
        test_sets={"xray": sets_on_disk["test"]},
        heat_maps=tuple(explain_cases(predictor, [case], tmp_path / "figures")),
        training_runs={"X-ray stream": run},
        seconds={"render": 61.0, "train": 7261.0},
        settings={"X-ray": {"noise": [1, 2]}},
        versions={"rgbx": "0.1.0"},
        seeds={"demo": 7},
        reproduce=("make demo",),
        classify="rgbx predict runs/demo --rgb a.png --xray b.tiff",
    )


def test_report_is_one_file_that_asks_nothing_of_the_network(contents, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, contents)
    html = path.read_text()
    page = Page(html)
    # 1 heat map, 3 confusion matrices, 1 curve, 3 classes × 2 images × 2 sets
    assert len(page.links) == 1 + 3 + 1 + 12
    assert all(link.startswith("data:image/") for link in page.links)
    assert not re.search(r"@import|url\(", html)
    assert "<script" not in html
    assert path.stat().st_size < 8e6


def test_report_says_what_must_be_said(contents, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, contents)
    text = " ".join(" ".join(Page(path.read_text()).text).split())
    assert STAND_IN_NOTICE in text
    assert "Test images: simulated stand-in rgb; simulated stand-in xray." in text
    assert "Phones <tested>" in text
    assert "0.750 [0.409, 0.929]" in text
    assert "8 images of 6 units" in text
    assert "p (McNemar, exact)" in text
    assert "rgbx predict runs/demo" in text
    assert "2 h 01 min" in text
    assert "seed: demo" in text


def test_what_is_missing_is_left_out(predictor, radiographs, tmp_path):
    path = tmp_path / "report.html"
    evaluation = evaluate(predictor, None, radiographs)
    write_report(path, ReportContents(title="Radiographs", evaluation=evaluation, notice=""))
    html = path.read_text()
    text = " ".join(Page(html).text)
    for heading in ("RGB images", "Where it looks", "Training", "What took how long", "How to make it again", "better"):
        assert heading not in text
    assert STAND_IN_NOTICE not in text
    assert "RGB-X" not in text


def test_the_same_contents_give_the_same_bytes(contents, tmp_path):
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, contents)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_a_missing_figure_or_run_is_named(contents, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.png is no figure"):
        write_report(tmp_path / "r.html", contents.model_copy(update={"heat_maps": (tmp_path / "nothing.png",)}))
    with pytest.raises(InputError, match=r"metrics\.csv does not exist"):
        write_report(tmp_path / "r.html", contents.model_copy(update={"training_runs": {"x": tmp_path}}))
    assert not (tmp_path / "r.html").exists()
