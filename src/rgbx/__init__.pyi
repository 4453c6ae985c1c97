from rgbx.api.line import load as load
from rgbx.api.line import open_set as open_set
from rgbx.api.render import open_library as open_library
from rgbx.api.render import radiograph as radiograph
from rgbx.api.render import random_radiograph as random_radiograph
from rgbx.api.render import render_draw as render_draw
from rgbx.api.render import render_photographs as render_photographs
from rgbx.api.render import render_radiographs as render_radiographs
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

__version__: str
