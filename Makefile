# A fresh machine needs Python >= 3.11 and make; everything else is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-quick lint format lock clean

demo: $(VENV)/installed
	$(BIN)/python -m sparse_rl.train --out runs/demo

# Compiling takes most of the time and one core; whole files stay together because they share programs,
# in the order of tests/conftest.py: by itself xdist puts those of few tests last, which are the longest.
test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 20

# What depends on the versions of Python and JAX most, in a few minutes.
test-quick: $(VENV)/installed
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile tests/population tests/envs/suites/test_brax.py \
	  tests/quantization tests/networks tests/runs tests/checkpoints tests/config

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock holds versions and markers only; used as constraints, so that extras stay optional.
$(VENV)/installed: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@

lock:
	uv pip compile --quiet --universal --no-header --no-annotate --all-extras --python-version 3.11 pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .venv-newer build runs
