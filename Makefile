# The project's whole outer face. `make` alone lists it.
PYTHON ?= python3
SITE ?= desert-offgrid
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# the comparison with PyPSA and oemof.solph has an environment of its own
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed
BENCH := $(if $(filter-out commitment,$(ONLY)),$(VENV),$(BENCH_VENV))
# two of them wait for running sites most of the time (the xdist groups running-site and running-site-2)
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench faults fuzz soak uncertainty docs lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## create .venv with the ems command (extras demo and dev)

# pip's own configuration and certificate variables of the caller reach pip unchanged.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed: install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## run a site under the real daemon (SITE=..., ARGS="--speed 300 --for 24h")
	$(BIN)/ems demo $(SITE) $(ARGS)

test: install ## all tests, with small versions of every campaign
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

check: install ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(BENCH)/.installed ## measure (ONLY=dispatch|commitment|drivers|control|gateway|mqtt|history|ledger|studies, QUICK=1)
	QUICK=$(QUICK) $(BENCH)/bin/python -m tests.campaigns.bench $(if $(ONLY),--only $(ONLY))

$(BENCH_STAMP): requirements-bench.lock pyproject.toml
	@$(PYTHON) -m venv $(BENCH_VENV) \
	  || { echo "python3 -m venv failed: install python3-venv" >&2; exit 1; }
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

faults: install ## one scripted scenario per row of the failure table (ONLY=F01,F22)
	$(BIN)/python -m tests.campaigns.faults $(if $(ONLY),--only $(ONLY))

fuzz: install ## full case counts of the property tests
	$(BIN)/python -m tests.campaigns.fuzz

soak: install ## the long runs: a day, an hour in real time, 200 kills (ONLY=kills)
	$(BIN)/python -m tests.campaigns.soak $(if $(ONLY),--only $(ONLY))

uncertainty: install ## ways of planning under forecast error, in closed loop; hours (ARGS="--budget-min 60")
	$(BIN)/python -m tests.campaigns.uncertainty $(ARGS)

docs: install ## regenerate the generated pages, schemas and figures
	$(BIN)/python -m docs.build

lock: install ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate --extra demo --extra dev -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate -c requirements.lock -o requirements-runtime.lock pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate -c requirements.lock --extra demo --extra dev --extra bench \
	  -o requirements-bench.lock pyproject.toml

clean: ## remove everything that make created
	rm -rf $(VENV) $(BENCH_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
