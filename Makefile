# make demo      the whole path on the embedded benchmark; ends in runs/demo/report.html
# make test      what every change has to pass: lint, types, layers and the quick tests; minutes
# make test-all  the same with every test there is; an hour
# make check     format, lint, types and layers only
# make docs      the documentation as a site, in build/site
# make sbom      every package of the environment with its licence (CycloneDX), in build/sbom.json

PYTHON ?= python3.11
VENV := .venv
BLENDER := .venv-blender
BIN := $(VENV)/bin
TESTS ?= tests
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 25
# Blender wants Python 3.11. Elsewhere: make test PYTHON=python3.13 WITHOUT_BLENDER=1; what needs it is then skipped.
WITHOUT_BLENDER ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all check docs sbom env format clean browser

demo: env
	$(BIN)/rgbx demo --out runs/demo

# Each test process keeps to one core: with two threads in each of two they would wait for each other.
test test-all: export OMP_NUM_THREADS := 1
test test-all: export MKL_NUM_THREADS := 1
test test-all: export OPENBLAS_NUM_THREADS := 1
test test-all: export NUMBA_NUM_THREADS := 1

test: env check browser
	$(PYTEST) -m "not slow" $(TESTS)

test-all: env check browser
	$(PYTEST) $(TESTS)

browser:
	sh scripts/test-browser.sh

check: env
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: env
	$(BIN)/mkdocs build --strict

sbom: env
	mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --output-file build/sbom.json

format: env
	$(BIN)/ruff format src tests benchmarks scripts
	$(BIN)/ruff check --fix src tests benchmarks scripts

env: $(VENV)/.ready $(if $(WITHOUT_BLENDER),,$(BLENDER)/.ready)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# Blender lives in an environment of its own: bpy is GPL, wants Python 3.11 and NumPy 1, and runs as its own process.
$(BLENDER)/.ready: scripts/system-libraries.sh requirements-blender.txt
	sh scripts/system-libraries.sh
	$(PYTHON) -m venv $(BLENDER)
	$(BLENDER)/bin/python -m pip install --quiet --requirement requirements-blender.txt
	$(BLENDER)/bin/python -c 'import bpy' > /dev/null
	touch $@

clean:
	rm -rf $(VENV) $(BLENDER) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
