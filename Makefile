# Targets: demo, test, slow, lint, bench, bench-figures, bench-serving, clean. All but
# clean set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test slow lint bench bench-figures bench-serving clean

demo: .venv/installed
	$(BIN)/python -m keras_gen.quiet examples/mnist_dcgan.py

test: .venv/installed
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not slow"

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

# Made again whenever pyproject.toml changes, so that no dependency is missing.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
