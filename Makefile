# mfsym: every target that makes a file has its real dependencies; `make help` lists what there is.
PYTHON ?= python3
JOBS ?= 2
PYTHONS ?= 3.11 3.12 3.13 3.14
VENV := .venv
BIN := $(VENV)/bin
MFSYM := $(BIN)/mfsym
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo$(if $(MFSYM_DEMO_SIZE),-$(MFSYM_DEMO_SIZE))

# Rules of results and figures, made from the table of figures/README.md.
RULES := build/figures.mk
DRAWING = $(filter-out $(MODULES),$(wildcard mfsym/figures/*.py)) mfsym/plotting.py
all_of = $(foreach size,$(1),$(DRAWN_$(size)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help wheel test-wheel test-pythons demo test test-all coverage torture figures paper paper-all discovery quotients symmetrisers latents demos bench docs lint clean distclean

$(RULES): figures/README.md figures/rules.awk
	@mkdir -p $(@D)
	@awk -f figures/rules.awk $< > $@

ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
include $(RULES)
endif

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: figures/out/$(DEMO).pdf ## the main job in under 3 minutes: table, results/demo.nc, figures/out/demo.{pdf,png}
	@$(MFSYM) table results/$(DEMO).nc
	@echo "wrote results/$(DEMO).nc figures/out/$(DEMO).pdf figures/out/$(DEMO).png"

test: $(VENV)/.test ## the tests, under 10 minutes
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-all: $(VENV)/.test ## also the tests marked slow
	$(BIN)/python -m pytest -q -m "not torture" $(PYTEST_ARGS)

test-wheel: wheel ## the commands of README with the wheel alone, in a fresh environment outside the checkout
	@unset PYTHONPATH; folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" \
	  && "$$folder/bin/python" -m pip --disable-pip-version-check install -qq -c constraints.txt dist/*.whl \
	  && MFSYM_CACHE_DIR="$$folder/cache" "$$folder/bin/python" .ci/readme_commands.py README.md

test-pythons: ## the quick tests under each Python 3.11 to 3.14 that is present, each in an environment of its own
	@for version in $(PYTHONS); do \
	  "python$$version" -c "" 2> /dev/null || { echo "python$$version is not present: left out"; continue; }; \
	  $(MAKE) --no-print-directory PYTHON="python$$version" VENV=".venv-$$version" test || exit 1; \
	done

coverage: $(VENV)/.test ## line coverage of the unit tests with the JIT off, at least 90 %: a quarter of an hour
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q --cov=mfsym --cov-report=term --cov-fail-under=90 $(PYTEST_ARGS) tests/unit

torture: $(VENV)/.torture ## kills, injected faults, bit flips, soaks: an hour
	$(BIN)/python -m pytest -q -m torture tests/integration $(PYTEST_ARGS)

lint: $(VENV)/.lint ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mfsym

figures: $(call all_of,laptop any) ## every figure at laptop size, under 15 minutes

paper: $(call all_of,paper) ## figures 3 and 6 and what is drawn from their data at the paper's full size, about an hour on 2 cores

paper-all: $(call all_of,paper any long) ## also convergence to N = 20,000: two hours more

discovery: results/discover.nc ## how often each rule finds E^G, 20 seeds, an hour or two; resumes case by case
	@$(MFSYM) discover sims/discover.toml -o $< -j $(JOBS)

wheel: $(VENV)/.build ## dist/mfsym-*.whl and the source distribution
	rm -rf dist
	$(BIN)/python -m build -o dist . > /dev/null
	@ls dist/*
quotients: $(VENV)/.shapes ## diffusion on shapes: every sampler over five seeds, checked against its range, 10 minutes
	@for sim in plane pentane learned; do echo "sims/shapes-$$sim.toml"; $(MFSYM) samplers sims/shapes-$$sim.toml -q --check || exit; done

symmetrisers: $(VENV)/.test ## read-outs of turned digits and half a domain, five seeds, checked against their ranges, 3 minutes
	$(MFSYM) symmetrise sims/symmetrisers.toml --check -j $(JOBS)

demos: $(VENV)/.demos ## printed words read by a pretrained recogniser behind every read-out, five seeds, 4 minutes
	$(MFSYM) symmetrise sims/words.toml --check -j $(JOBS)

latents: $(VENV)/.test ## groups on latents, five seeds, checked against their ranges, 15 minutes; resumes by training
	@mkdir -p results
	$(MFSYM) latents sims/latents-study.toml --check -j $(JOBS) -o results/latents-study.nc

bench: $(VENV)/.bench ## the benchmarks of benchmarks/
	$(BIN)/python -m benchmarks

docs: $(VENV)/.docs ## the documentation, build/docs/html/index.html: every code cell runs, every link is checked, 5 minutes
	$(BIN)/python -m sphinx -b html -E -W --keep-going -q -j $(JOBS) docs build/docs/html
	$(BIN)/python docs/building/checking.py build/docs/html

clean: ## remove results, figures and caches of the tools
	rm -rf results figures/out benchmarks/out build dist .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## also remove the environment
	rm -rf $(VENV) $(addprefix .venv-,$(PYTHONS)) mfsym.egg-info

# Environments: one stamp per set of packages, made again when the pins change.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python >= 3.11 is needed: set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -qq -c constraints.txt -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[test,digits,safetensors,jax]'
	@touch $@

$(VENV)/.torture: $(VENV)/.test
	$(PIP) install -qq -c constraints.txt -e '.[test,digits,jax,dask]'
	@touch $@

$(VENV)/.lint: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[lint]'
	@touch $@

$(VENV)/.build: | $(VENV)/bin/python
	$(PIP) install -qq 'build>=1.2'
	@touch $@

$(VENV)/.bench: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[docs,digits,safetensors,jax]'
	@touch $@

$(VENV)/.molecules: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[molecules]'
	@touch $@

$(VENV)/.demos: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[demos]'
	@touch $@

$(VENV)/.shapes: $(VENV)/.molecules
	$(PIP) install -qq -c constraints.txt -e '.[jax,molecules]'
	@touch $@

# Data: a sweep resumes by itself, so an interrupted target loses only the cells that were running.
results/%.nc: sims/%.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) sweep $< -o $@ -j $(JOBS)

results/discover.nc: sims/discover.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) discover $< -j $(JOBS) -o $@

results/shapes-pentane.nc: | $(VENV)/.molecules
results/latents-study.nc results/latents-laptop.nc: | $(VENV)/.test
