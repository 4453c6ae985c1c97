import itertools

import pytest

from rgbx.errors import ConfigError
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import preset_benchmark


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_no_unit_is_trained_on_and_tested(preset):
    benchmark = preset_benchmark(preset)
    uses = {"scanned": range(1, benchmark.scanned_units + 1)}
    uses |= {use: units.numbers for use, units in benchmark.line_units.items()}
    for one, other in itertools.combinations(uses, 2):
        assert not set(uses[one]) & set(uses[other]), (one, other)


@pytest.mark.parametrize("too_many", [{"scanned_units": 101}, {"test_units": 901}, {"calibration_units": 1001}])
def test_more_units_than_numbers_are_refused(too_many):
    with pytest.raises(ConfigError, match=next(iter(too_many))):
        Benchmark().updated(too_many)
