import cv2
import numpy as np
from dotted import DOTS, HEADER, KEYS

from rgbx.pictures import contact_sheet
from rgbx.samples import SampleSet, choose_executor, render_samples
from rgbx.samples.overview import write_overview


def test_images_of_any_kind_keep_their_proportions_and_order():
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 255
    grey = np.full((40, 40), 0x80FF, np.uint16)
    sheet = contact_sheet([[red, grey], [grey]], tile=40)
    assert sheet.shape == (2 * 44 + 4, 2 * 44 + 4, 3)
    assert sheet[4:24, 4:44].reshape(-1, 3).tolist() == [[255, 0, 0]] * 800, "twice as wide as high"
    assert np.all(sheet[4:44, 48:88] == 0x80)
    assert np.all(sheet[48:88, 4:44] == 0x80)
    assert np.all(sheet[48:88, 48:88] == 255), "nothing there"


def test_captions_stay_on_paper():
    image = np.zeros((30, 30), np.uint8)
    sheet = contact_sheet([[image]], [["a rather long caption for so small an image"]], tile=30)
    assert sheet.shape == (54, 38, 3)
    assert sheet[:20].min() < 255, "something is written"
    assert np.all(sheet[:, 36:] == 255)


def test_a_set_is_shown_a_row_for_each_class(tmp_path):
    samples = SampleSet.create(tmp_path, HEADER)
    render_samples(samples, KEYS, DOTS, choose_executor(0))
    sheet = cv2.imread(str(write_overview(samples, per_class=3, tile=8)))
    assert sheet.shape == (2 * 28 + 4, 3 * 12 + 4, 3)
