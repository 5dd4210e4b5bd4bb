# Everything is kept in this folder: the environment in .venv, what runs and is recorded in .vitrine.
SHELL := /bin/bash
PYTHON := .venv/bin/python
.PHONY: help setup setup-dev demo test check lint bench soak chaos fuzz clean

help:
	@echo "make demo    set up, start Kafka and Milvus, play the demo broadcast, print the matches and a score"
	@echo "make setup   only the environment (.venv); make demo does it too"
	@echo "make test    lint, types and every test that this machine can run (about 12 minutes on two cores)"
	@echo "make check   lint, types and the tests that need no service (about a minute)"
	@echo "make bench   how fast the pipeline is, as ratios; what becomes of one, two and three times the load"
	@echo "make soak    an hour at 80 % of what a worker can bear: does anything grow? MINUTES=60 REPORT=soak, a folder"
	@echo "make chaos   one fault a run on the real services; SEEDS=1-100 REPORT=chaos.json, an interrupted one goes on"
	@echo "make fuzz    random and hostile records and media; CASES=100000 SEED=1 REPORT=fuzz.json"
	@echo "make clean   remove .venv and the tools' caches; what was recorded (.vitrine) is kept"

setup:
	@bash infra/setup.sh

setup-dev:
	@bash infra/setup.sh dev

demo: setup
	@.venv/bin/vitrine demo

lint: setup-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

# Each file by one process with services of its own; a thread each, as the models have in production. Of the tests with
# services three run at a time, since they mostly wait.
TESTS := OMP_NUM_THREADS=1 $(PYTHON) -m pytest --dist loadfile --numprocesses

check: lint
	$(TESTS) 2 -m hermetic

test: lint
	$(TESTS) 3

bench: setup-dev
	$(PYTHON) -m tests.bench
	$(PYTHON) -m tests.bench.vision
	$(PYTHON) -m tests.bench.overload
	$(PYTHON) -m tests.bench.decoding

MINUTES ?= 60
soak: REPORT ?= soak
soak: setup-dev
	$(PYTHON) -m tests.bench.soak --minutes $(MINUTES) --report $(REPORT)

SEEDS ?= 1-100
chaos: REPORT ?= chaos.json
chaos: setup-dev
	$(PYTHON) -m tests.chaos --seeds $(SEEDS) --report $(REPORT)

CASES ?= 100000
SEED ?= 1
fuzz: REPORT ?= fuzz.json
fuzz: setup-dev
	$(PYTHON) -m tests.fuzz --cases $(CASES) --seed $(SEED) --report $(REPORT)

clean:
	@if [ -x .venv/bin/vitrine ]; then .venv/bin/vitrine down || true; fi
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
