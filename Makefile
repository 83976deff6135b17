# Targets: demo, docs, docs-serve, test, test-browser, tutorials, slow, lint, bench,
# bench-figures, bench-serving, dist, clean. All but clean set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
AS_ROOT = $(if $(filter-out 0,$(shell id -u)),sudo)
APT = $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes \
    --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300
export TF_CPP_MIN_LOG_LEVEL ?= 2

NOTEBOOKS = $(patsubst docs/%.py,build/%.ipynb,$(wildcard docs/tutorials/*.py))

.PHONY: demo docs docs-serve test test-browser slow lint bench bench-figures \
    bench-serving tutorials dist clean
.DELETE_ON_ERROR:

demo: .venv/installed
	$(BIN)/python -m keras_gen.quiet examples/mnist_dcgan.py

# The site in build/site. A link, a name or a picture that leads nowhere is an error. The
# tutorials run first; `make docs NOTEBOOKS=` leaves out what they print and draw.
docs: .venv/installed $(NOTEBOOKS)
	$(BIN)/python -m keras_gen.quiet tools/pages/build.py --to build

docs-serve: docs
	$(BIN)/python -m http.server --directory build/site --bind 127.0.0.1 8000

test: .venv/installed
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not slow and not browser"

# In headless Chromium: that of the system, or else that of Debian's package, which is
# installed together with a font.
test-browser: .venv/browser
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	    { $(APT) update && $(APT) install chromium fonts-dejavu-core; } || { echo \
	    "Expected Chromium, got none, and apt-get cannot install it:" \
	    "install the package chromium yourself." >&2; exit 1; }
	$(BIN)/python -m pytest -q -n 0 tests/browser

slow: .venv/installed
	$(BIN)/python -m pytest -q -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/installed
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/autoencoders.py

bench-figures: .venv/installed
	$(BIN)/python benchmarks/figures.py

bench-serving: .venv/installed
	$(BIN)/python benchmarks/serving.py

# Notebooks of docs/tutorials in build/tutorials/, run in full if they changed: minutes.
tutorials: $(NOTEBOOKS)

build/tutorials/%.ipynb: docs/tutorials/%.py | .venv/installed
	$(BIN)/python tools/run_tutorials.py $*

# Wheels and source archives of both distributions in dist/. They are checked, and
# installed into a new environment, which draws samples with weights that ship.
dist: .venv/installed
	rm -rf build dist zoo/build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist zoo
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv build/environment
	build/environment/bin/python -m pip install --quiet dist/*.whl
	cd build && environment/bin/keras-gen sample dcgan --weights mnist -o samples.png
	ls -l dist build/samples.png

# Made again whenever dependencies change, so that none is missing.
.venv/installed: pyproject.toml zoo/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ./zoo --editable ".[dev,zoo]"
	touch $@

.venv/browser: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[browser]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info zoo/build zoo/*.egg-info
