# One command each. `make help` lists them. Needs Python 3.11-3.13 with pip, and make; everything else comes with `make env`.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# settings, e.g. `make figures SCALE=paper CORES=8`, `make env PYTHON=/opt/python3.12/bin/python3`
SCALE ?= quick
# not `nproc`, which answers with OMP_NUM_THREADS where that is set
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
ARGS ?=

SUPPORTED := import sys, venv, ensurepip; assert (3, 11) <= sys.version_info[:2] <= (3, 13)
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	"$$python" -c '$(SUPPORTED)' 2>/dev/null && echo "$$python" && break; done)

BIN := .venv/bin
# stamps are named by content: what a file asks for is installed again when the file changes, and only then
sum = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
PACKAGES := .venv/.packages-$(call sum,requirements.lock requirements-torch.txt)
PROJECT := .venv/.project-$(call sum,pyproject.toml)

.PHONY: help env data browser figures test slow lint format ci mutants lock clean

help:  ## show this list
	@echo "usage: make TARGET [SCALE=quick|paper|ci] [CORES=$(CORES)] [PYTHON=python3.11] [ARGS=...]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

env: $(PROJECT)  ## make the environment in .venv from requirements.lock (all targets below do it first)

data: env  ## fetch and verify MNIST and Fashion-MNIST into data/
	@$(BIN)/deepcredit fetch mnist
	@$(BIN)/deepcredit fetch fashion_mnist

browser:  ## install Chromium for the tests of the page, where it is missing and Debian's apt-get can
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -y -qq --no-install-recommends chromium >/dev/null; then exit 0; fi; \
	echo "no Chromium could be installed: the tests that need a browser are skipped"

figures: env  ## build every figure whose data, code or settings changed, into results/SCALE/figures
	$(BIN)/snakemake --cores $(CORES) $(ARGS) --config scale=$(SCALE)

test: env data browser  ## run all tests; a part of them with ARGS="tests/saxe -k modes"
	$(BIN)/pytest -n $(CORES) $(ARGS)

slow: env data  ## run the tests that take many minutes: every kill that the requirements name
	$(BIN)/pytest -m slow $(ARGS)

lint: env  ## check style, formatting, types and the Snakefile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: env  ## put the code into the one format and repair what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

ci:  ## everything a change must pass: tests, linters, every figure at scale=ci
	bash .ci/run

mutants: env  ## plant wrong equations one by one and check that a test notices each (some minutes)
	$(BIN)/python tests/mutants/plant.py $(ARGS)

lock: env  ## compile requirements.lock and environment.yml anew from pyproject.toml
	$(BIN)/pip install --quiet uv==0.13.9
	PATH="$(BIN):$$PATH" $(BIN)/python tools/lock.py

clean:  ## remove results, caches and logs; keeps data/ and .venv
	rm -rf results .snakemake outputs multirun .pytest_cache .mypy_cache .ruff_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(PACKAGES):
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { echo "error: PYTHON='$(PYTHON)' is not a Python 3.11-3.13 with venv and pip; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.txt
	@rm -f .venv/.packages-* .venv/.project-*
	@touch $@

$(PROJECT): $(PACKAGES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	@rm -f .venv/.project-*
	@touch $@
