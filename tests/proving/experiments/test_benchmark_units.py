import itertools

import pytest

from rgbx.errors import ConfigError, MissingPluginError
from rgbx.files import digest
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


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_a_benchmark_is_of_any_family(preset):
    benchmark = preset_benchmark(preset).updated({"family": "rc6"})
    assert benchmark.device_classes == ("RC1", "RC2", "RC3", "RC4", "RC5", "RC6")
    assert benchmark.updated({"family": "sp10"}) == preset_benchmark(preset)
    assert benchmark.digest() != preset_benchmark(preset).digest()
    assert benchmark.updated({"classes": ["RC5", "RC1"]}).device_classes == ("RC5", "RC1")


def test_a_record_names_the_classes_and_all_of_them_are_all_of_them():
    record = Benchmark(family="rc6").model_dump(mode="json")
    assert record["classes"] == ["RC1", "RC2", "RC3", "RC4", "RC5", "RC6"]
    assert Benchmark.model_validate(record) == Benchmark(family="rc6")
    assert Benchmark.model_validate({"classes": [f"SP{number}" for number in range(1, 11)]}) == Benchmark()


def test_the_digest_of_a_benchmark_on_sp10_is_what_it_was_before_there_were_other_families():
    before = Benchmark().model_dump(mode="json", exclude={"family"})
    assert Benchmark.model_validate(before) == Benchmark(), "records of then are read"
    assert Benchmark().digest() == digest(Benchmark().model_dump_json(exclude={"family"}))


@pytest.mark.parametrize(
    "settings", [{"classes": ["SP1", "RC1"]}, {"family": "rc6", "classes": ["SP1"]}, {"held_out": ["SP11"]}]
)
def test_a_class_that_the_family_has_not_is_refused(settings):
    with pytest.raises(ConfigError, match=r"has no class (RC1|SP1|SP11): choose from"):
        Benchmark().updated(settings)


def test_a_family_that_is_not_there_is_refused():
    with pytest.raises(MissingPluginError, match=r"choose from rc6, rev-0\.5, rev-1, rev-2, rev-4, rev-8, sp10"):
        Benchmark(family="tv4")
    with pytest.raises(ConfigError, match="'family'"):
        Benchmark(family=4)


def test_twins_are_those_of_the_family_and_the_modality():
    benchmark = Benchmark(family="rc6")
    assert benchmark.twins("rgb", benchmark.device_classes) == {"RC1", "RC2"}
    assert benchmark.twins("xray", benchmark.device_classes) == {"RC5", "RC6"}
    assert benchmark.twins("xray", ["RC1", "RC5"]) == set()
    assert Benchmark().twins("rgb", ["SP1", "SP2", "black-footed albatross"]) == {"SP1", "SP2"}
