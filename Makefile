# `make compare` and `make test` do all their own set-up, in a virtual environment in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: compare test lint pictures cards catalog clean

compare: $(VENV)/.installed
	@mkdir -p results
	$(BIN)/poolzoo compare --image skimage:coffee --output results/coffee.json --report results/coffee.html

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pictures in README.md.
pictures: $(VENV)/.installed
	$(BIN)/python docs/make_pictures.py

# The operators' pages in docs/operators.
cards: $(VENV)/.installed
	$(BIN)/python docs/make_cards.py

# What `poolzoo list` reads.
catalog: $(VENV)/.installed
	$(BIN)/python -c 'from poolzoo import registry; registry.CATALOG.write_text(registry.catalog_text())'

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing poolzoo and what it needs into $(VENV); with a fast connection this takes a minute or two."
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) results build dist .pytest_cache .mypy_cache .ruff_cache
