# mfsym: every target that makes a file has its real dependencies; `make help` lists what there is.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
MFSYM := $(BIN)/mfsym
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo$(if $(MFSYM_DEMO_SIZE),-$(MFSYM_DEMO_SIZE))

STUDIES := 1 3 6 7 8 9
CLOUDS := fig2 fig4 fig5 fig10 counterexample phase
LAPTOP := $(addsuffix -laptop.pdf,$(addprefix figures/out/fig,$(STUDIES)) figures/out/convergence)
PAPER := $(addsuffix .pdf,$(addprefix figures/out/fig,$(STUDIES)))
BOTH := $(addsuffix .pdf,$(addprefix figures/out/,$(CLOUDS)))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help demo test test-all coverage torture figures paper paper-all discovery bench lint clean distclean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: figures/out/$(DEMO).pdf ## the main job in under 3 minutes: table, results/demo.nc, figures/out/demo.{pdf,png}
	@$(MFSYM) table results/$(DEMO).nc
	@echo "wrote results/$(DEMO).nc figures/out/$(DEMO).pdf figures/out/$(DEMO).png"

test: $(VENV)/.test ## the tests, under 10 minutes
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-all: $(VENV)/.test ## also the tests marked slow
	$(BIN)/python -m pytest -q -m "not torture" $(PYTEST_ARGS)

coverage: $(VENV)/.test ## line coverage of the unit tests with the JIT off, at least 90 %: a quarter of an hour
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q --cov=mfsym --cov-report=term --cov-fail-under=90 $(PYTEST_ARGS) tests/unit

torture: $(VENV)/.torture ## kills, injected faults, bit flips, soaks: an hour
	$(BIN)/python -m pytest -q -m torture tests/integration $(PYTEST_ARGS)

lint: $(VENV)/.lint ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mfsym

figures: $(LAPTOP) $(BOTH) ## every figure at laptop size, under 15 minutes

paper: $(PAPER) ## figures 3 and 6 and what is drawn from their data at the paper's full size, about an hour on 2 cores

paper-all: $(PAPER) $(BOTH) figures/out/convergence.pdf ## also convergence to N = 20,000: two hours more

discovery: results/discover.nc ## how often each rule finds E^G, 20 seeds, an hour or two; resumes case by case
	@$(MFSYM) discover sims/discover.toml -o $< -j $(JOBS)

bench: $(VENV)/.bench ## the benchmarks of benchmarks/
	$(BIN)/python -m benchmarks

clean: ## remove results, figures and caches of the tools
	rm -rf results figures/out benchmarks/out build dist .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## also remove the environment
	rm -rf $(VENV) mfsym.egg-info

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

$(VENV)/.bench: $(VENV)/.base
	$(PIP) install -qq -c constraints.txt -e '.[bench]'
	@touch $@

# Data: a sweep resumes by itself, so an interrupted target loses only the cells that were running.
results/%.nc: sims/%.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) sweep $< -o $@ -j $(JOBS)

results/compare-%.nc: | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) compare --teacher $* --init si -n 1000 -j $(JOBS) -o $@

results/discovery.nc: | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) discover --teacher wi --rule paper -n 1000 --horizon 6 --trainings 32 --snapshots 10 -o $@

results/counterexample.nc: | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) counterexample --sizes 50,200,800 --horizon 40 -o $@

results/converge-laptop.nc: sims/converge-laptop.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) converge $< --times 1,2 -j $(JOBS) -o $@

results/converge.nc: sims/converge.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) converge $< --times 1,2,5 -j $(JOBS) -o $@

results/phase.nc: | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) phase --teacher wi --init si -n 256 --beta 0 -o $@

results/discover.nc: sims/discover.toml | $(VENV)/.base
	@mkdir -p results
	$(MFSYM) discover $< -j $(JOBS) -o $@

# Figures: a script reads results and writes PDF and PNG; a `-laptop` or `-small` result uses the same script.
SHARED := figures/style.py figures/boxes.py figures/scales.py mfsym/plotting.py
CLOUD := figures/style.py figures/clouds.py mfsym/plotting.py
DRAW = @mkdir -p figures/out && echo "figures/$(1).py $(filter %.nc,$^)" && $(BIN)/python figures/$(1).py $(filter %.nc,$^) $@

$(addprefix figures/out/fig,$(addsuffix -laptop.pdf,1 7 8 9)): results/fig3-laptop.nc results/fig6-laptop.nc
$(addprefix figures/out/fig,$(addsuffix .pdf,1 7 8 9)): results/fig3.nc results/fig6.nc
figures/out/fig3-laptop.pdf: results/fig3-laptop.nc
figures/out/fig6-laptop.pdf: results/fig6-laptop.nc
figures/out/fig3.pdf: results/fig3.nc
figures/out/fig6.pdf: results/fig6.nc
figures/out/demo.pdf: results/demo.nc figures/fig3.py
figures/out/demo-small.pdf: results/demo-small.nc figures/fig3.py
figures/out/fig4.pdf: results/compare-wi.nc $(CLOUD)
figures/out/fig5.pdf: results/compare-arbitrary.nc $(CLOUD)
figures/out/fig2.pdf: results/discovery.nc $(CLOUD)
figures/out/fig10.pdf: results/discovery.nc $(SHARED)
figures/out/counterexample.pdf: results/counterexample.nc
figures/out/convergence-laptop.pdf: results/converge-laptop.nc
figures/out/convergence.pdf: results/converge.nc $(SHARED)
figures/out/phase.pdf: results/phase.nc

figures/out/%-laptop.pdf: figures/%.py $(SHARED)
	$(call DRAW,$*)

figures/out/%-small.pdf: figures/%.py $(SHARED)
	$(call DRAW,$*)

figures/out/%.pdf: figures/%.py figures/style.py mfsym/plotting.py
	$(call DRAW,$*)
