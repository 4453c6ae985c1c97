# make demo   the whole path on the embedded benchmark; ends in runs/demo/report.html
# make test   every check that CI runs
# make check  format, lint, types and layers only

PYTHON ?= python3.11
VENV := .venv
BLENDER := .venv-blender
BIN := $(VENV)/bin
TESTS ?= tests
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check env format clean

demo: env
	$(BIN)/rgbx demo --out runs/demo

test: env check
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

check: env
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

format: env
	$(BIN)/ruff format src tests benchmarks scripts
	$(BIN)/ruff check --fix src tests benchmarks scripts

env: $(VENV)/.ready $(BLENDER)/.ready

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
