# `make` prints what there is. Lines with two hashes are what it prints.

## The Python that makes the environment in .venv; 3.11 or newer
PYTHON ?= python3
## run: the port of the dashboard
PORT ?= 8501
## run, warm: the scenes of the talk
TALK ?= talks/swan.toml
## run, warm: a folder with models of your own, one in each sub-folder
MODELS ?=
## run, warm: 1 to run the functions that their descriptions name as architecture
FACTORIES ?=
OWN = $(if $(MODELS),--models "$(MODELS)") $(if $(FACTORIES),--factories)
## run: results of `batch` for the Folder page, several separated by spaces
RESULTS ?=
SHOWN = $(if $(RESULTS),--results $(RESULTS))
## fuzz: what to damage: pictures, maps, tables, bundles or models
WHAT ?= pictures
## fuzz: how long
SECONDS ?= 60
## fuzz: another seed, other damage
SEED ?= 1
BIN := .venv/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Ray can end the process that joined it, and what else that process was to test.
ALONE := tests/core/workers

.DEFAULT_GOAL := help
.PHONY: help run warm test check docs fuzz costly bench start load leaks clean

help: ## Print this list
	@awk 'BEGIN { print "Targets:" } \
		/^[a-z]+:.*## / { name = $$0; sub(/:.*/, "", name); sub(/.*## /, ""); \
			printf "  %-9s %s\n", name, $$0 }' $(MAKEFILE_LIST)
	@awk 'BEGIN { print "\nVariables, as in make run PORT=9000:" } \
		/^[A-Z]+ \?=/ && said { value = $$0; sub(/^[A-Z]+ \?= */, "", value); \
			printf "  %-9s %s%s\n", $$1, said, value == "" ? "" : " (" value ")" } \
		{ said = "" } \
		/^## / { said = substr($$0, 4) }' $(MAKEFILE_LIST)

run: .venv/run.stamp ## Set everything up and start the dashboard
	@test "$(PORT)" -ge 1 -a "$(PORT)" -le 65535 2>/dev/null || { \
		echo 'PORT is "$(PORT)": give a number from 1 to 65535, as in make run PORT=9000.' >&2; exit 2; }
	$(BIN)/python -m dashboard --server.port $(PORT) -- --talk "$(TALK)" $(OWN) $(SHOWN)

warm: .venv/run.stamp ## Compute all that a talk shows, before the talk
	$(BIN)/python -m core warm --talk "$(TALK)" $(OWN)

test: .venv/dev.stamp ## Set everything up and run all tests
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 0 --ignore $(ALONE)
	$(PYTEST) $(ALONE)

check: .venv/dev.stamp ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/docs.stamp ## Build the documentation into site/; a warning is an error
	$(BIN)/mkdocs build --strict

fuzz: .venv/fuzz.stamp ## Open damaged files for a minute, guided by coverage
	$(BIN)/python -m tests.fuzz $(WHAT) --seconds $(SECONDS) --seed $(SEED)

costly: .venv/run.stamp ## Measure time and memory of the most expensive pictures
	$(BIN)/python -m benchmarks.uploads

bench: .venv/dev.stamp ## Measure speed beside Captum
	$(BIN)/python -m benchmarks.occlusion
	$(BIN)/python -m benchmarks.preview
	$(BIN)/python -m benchmarks.gradients
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.batch --explain --pictures 8

# Minutes each; docs/performance.md and docs/deployment.md hold what they printed.
start: .venv/dev.stamp ## Measure how soon a fresh server shows something
	$(BIN)/python -m benchmarks.start

load: .venv/dev.stamp ## Measure the server under 10 and 30 visitors
	$(BIN)/python -m benchmarks.load --visitors 10 --seconds 120 --seed 0
	$(BIN)/python -m benchmarks.load --visitors 30 --seconds 180 --seed 0

leaks: .venv/dev.stamp ## Measure memory over 500 slider moves and 200 uploads
	$(BIN)/python -m benchmarks.leaks --moves 500 --uploads 200

clean: ## Remove the environment and the built documentation
	rm -rf .venv .venv-fiftyone site

# The stamps say that what the requirements list is installed, so that a second run starts at once.
.venv/run.stamp: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	@echo 'Installing what requirements.txt lists into .venv, once; torch alone takes some minutes.'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt requirements-login.txt requirements-models.txt requirements-quantus.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-quantus.txt
	touch $@

.venv/fuzz.stamp: .venv/dev.stamp requirements-fuzz.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	touch $@

# Of its own: FiftyOne pins much that the program has in other versions.
.venv-fiftyone/stamp: requirements-fiftyone.txt
	test -x .venv-fiftyone/bin/python || $(PYTHON) -m venv .venv-fiftyone
	.venv-fiftyone/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-fiftyone.txt
	touch $@

# Needs nothing of the program, so it does not wait for torch.
.venv/docs.stamp: requirements-docs.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	touch $@
