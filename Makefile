# `make compare` and `make test` do all their own set-up, in a virtual environment in .venv.
PYTHON ?= python3
VENV ?= .venv
CUDA_VENV ?= .venv-cuda
BIN = $(VENV)/bin
PARALLEL = -n auto --dist worksteal
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

PIP_WHEEL = $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

.PHONY: compare test check grid test-models sanitize lint wheel wheel-pure wheel-check pictures gallery cards families accuracy catalog docs clean

compare: $(VENV)/.installed
	@mkdir -p results
	$(BIN)/poolzoo compare --image skimage:coffee --output results/coffee.json --report results/coffee.html

# As many processes as cores, so one thread in each.
test check grid test-models: export OMP_NUM_THREADS = 1

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

# While working: all tests but the slow ones.
check: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(PYTEST_ARGS)

# What `make test` does with an example of each kind only: every operator compiled, exported and built for every GPU,
# and the native engine built with sanitizers and for narrower vectors.
grid: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(PARALLEL) --grid -m grid $(PYTEST_ARGS)

# Whole networks, and the CUDA library without a GPU: what needs torchvision, timm and a CUDA build of torch (6 GB).
test-models: $(CUDA_VENV)/.installed
	$(CUDA_VENV)/bin/python -m pytest $(addprefix tests/,surgery/test_networks.py surgery/test_recipes.py surgery/test_guide.py \
		analysis/test_features.py analysis/test_layer_windows.py analysis/test_train_networks.py analysis/test_profile_model.py \
		analysis/test_piq_metrics.py test_cli_metrics.py test_guides.py checkered/test_zoo.py compat/test_regions.py \
		cuda/test_cuda_build.py) $(PARALLEL) $(PYTEST_ARGS)

# All of the native engine's tests under AddressSanitizer and UBSan, and with AVX2 and plain vectors: it takes long.
sanitize: $(VENV)/.installed-test
	POOLZOO_GRID="not compile and not opcheck" $(BIN)/python -m pytest --grid tests/cuda/test_other_builds.py

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The wheel for Linux on x86-64, with the CPU libraries in it: it needs g++ 12 or later, and takes minutes.
wheel: $(VENV)/.installed-wheel
	$(BIN)/python tools/prebuild.py build/prebuilt
	rm -f dist/poolzoo-*-manylinux*.whl
	POOLZOO_PREBUILT_FOLDER=build/prebuilt $(PIP_WHEEL)

# The wheel for all other systems, where libraries are built at first use.
wheel-pure: $(VENV)/.installed
	$(PIP_WHEEL)

# That wheel's tag and size, and the native engine's tests with it, without a compiler. TORCHES="FOLDER ..." names
# site-packages with other versions of torch: see tools/check_wheel.py.
wheel-check: wheel $(VENV)/.installed-test
	$(BIN)/python tools/check_wheel.py dist/poolzoo-*-manylinux*.whl $(TORCHES)

# The pictures in README.md; those of the page need Chromium.
pictures: $(VENV)/.installed-test
	$(BIN)/python docs/make_pictures.py

# The operators' pages in docs/operators.
cards: $(VENV)/.installed
	$(BIN)/python docs/make_cards.py

# docs/families.md: generalisations and invariances of the operators.
families: $(VENV)/.installed
	$(BIN)/python docs/make_families.py

# docs/gallery.md, and results/gallery.html with every picture: all operators on scikit-image's photographs.
gallery: $(VENV)/.installed
	$(BIN)/python docs/make_gallery.py

# docs/accuracy.md: networks trained with each operator; hours. FASHION=DIR and DIGITS=DIR are the data,
# ACCURACY="--only NAME" runs one experiment, ACCURACY=--redraw draws from the stored rows.
accuracy: $(VENV)/.installed
	$(BIN)/python docs/make_accuracy.py $(if $(FASHION),--fashion $(FASHION)) $(if $(DIGITS),--digits $(DIGITS)) $(ACCURACY)

# What `poolzoo list` reads, the type stubs, docs/metrics.md, docs/cli.md, and the public API in tests/api.txt.
catalog: $(VENV)/.installed
	$(BIN)/python -c 'from poolzoo import registry; registry.CATALOG.write_text(registry.catalog_text())'
	$(BIN)/python docs/make_stubs.py
	$(BIN)/python docs/make_metrics.py
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_api.py

# The documentation as a site in build/site: its links are checked, and the tutorial's notebook runs.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python docs/check_site.py build/site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing poolzoo and what it needs into $(VENV); with a fast connection this takes a minute or two."
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) -e '.[$*]'
	@touch $@

$(CUDA_VENV)/.installed: pyproject.toml constraints.txt constraints-cuda.txt
	@echo "Installing a CUDA build of torch, torchvision and timm into $(CUDA_VENV): 6 GB."
	$(PYTHON) -m venv $(CUDA_VENV)
	grep -v '^torch==' constraints.txt | cat - constraints-cuda.txt > $(CUDA_VENV)/constraints.txt
	$(CUDA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(CUDA_VENV)/constraints.txt -e '.[test,models,metrics]' timm
	@touch $@

clean:
	rm -rf $(VENV) $(CUDA_VENV) results build dist .pytest_cache .mypy_cache .ruff_cache
