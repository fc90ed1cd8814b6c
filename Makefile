# make run: the dashboard.  make test: every test.  make check: format, lint, types.
# make warm: everything that the talk shows, computed before it.  Your own: make run TALK=mine.toml
# Your own models, one in each sub-folder: make run MODELS=mine
# make run RESULTS=OUT: with the Folder page of what `python -m core batch` wrote to OUT.
# make fuzz: damaged pictures for a minute; make fuzz WHAT=tables SECONDS=600 SEED=2 for longer, and others
# (WHAT is pictures, tables, bundles or models).
# make costly: time and memory of the dearest pictures.
# make start: how soon a fresh server shows something.
# make bench: speed beside Captum.  Another Python: make run PYTHON=python3.12

PYTHON ?= python3
PORT ?= 8501
TALK ?= talks/swan.toml
MODELS ?=
OWN = $(if $(MODELS),--models "$(MODELS)")
RESULTS ?=
SHOWN = $(if $(RESULTS),--results $(RESULTS))
SECONDS ?= 60
WHAT ?= pictures
SEED ?= 1
BIN := .venv/bin

.PHONY: run warm test check fuzz costly bench start load leaks clean

run: .venv/run.stamp
	@test "$(PORT)" -ge 1 -a "$(PORT)" -le 65535 2>/dev/null || { \
		echo 'PORT is "$(PORT)": give a number from 1 to 65535, as in make run PORT=9000.' >&2; exit 2; }
	$(BIN)/python -m dashboard --server.port $(PORT) -- --talk "$(TALK)" $(OWN) $(SHOWN)

warm: .venv/run.stamp
	$(BIN)/python -m core warm --talk "$(TALK)" $(OWN)

test: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fuzz: .venv/fuzz.stamp
	$(BIN)/python -m tests.fuzz $(WHAT) --seconds $(SECONDS) --seed $(SEED)

costly: .venv/run.stamp
	$(BIN)/python -m benchmarks.uploads

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks.occlusion
	$(BIN)/python -m benchmarks.preview
	$(BIN)/python -m benchmarks.gradients
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.batch --explain --pictures 8

# Minutes each; what they print is in the README.
start: .venv/dev.stamp
	$(BIN)/python -m benchmarks.start

load: .venv/dev.stamp
	$(BIN)/python -m benchmarks.load --visitors 10 --seconds 120 --seed 0
	$(BIN)/python -m benchmarks.load --visitors 30 --seconds 180 --seed 0

leaks: .venv/dev.stamp
	$(BIN)/python -m benchmarks.leaks --moves 500 --uploads 200

clean:
	rm -rf .venv

# The stamps say that what the requirements list is installed, so that a second run starts at once.
.venv/run.stamp: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt requirements-login.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/fuzz.stamp: .venv/dev.stamp requirements-fuzz.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	touch $@
