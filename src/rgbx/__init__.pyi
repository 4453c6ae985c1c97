from rgbx.api.line import load as load
from rgbx.api.line import open_set as open_set
from rgbx.api.train import calibrate as calibrate
from rgbx.api.train import create_stream as create_stream
from rgbx.api.train import evaluate as evaluate
from rgbx.api.train import export as export
from rgbx.api.train import predictor_of as predictor_of
from rgbx.api.train import train_fusion as train_fusion
from rgbx.api.train import train_stream as train_stream
from rgbx.errors import ConfigError as ConfigError
from rgbx.errors import InputError as InputError
from rgbx.errors import MissingToolError as MissingToolError
from rgbx.errors import RgbxError as RgbxError
from rgbx.inference import Prediction as Prediction
from rgbx.inference import Predictor as Predictor
from rgbx.samples import SampleSet as SampleSet
from rgbx_render.api import open_library as open_library
from rgbx_render.api import radiograph as radiograph
from rgbx_render.api import random_radiograph as random_radiograph
from rgbx_render.api import render_draw as render_draw
from rgbx_render.api import render_photographs as render_photographs
from rgbx_render.api import render_radiographs as render_radiographs

__version__: str
