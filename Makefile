# `make help` lists what there is; the first call of any of them makes the environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ID ?= harborlab__tidetable-23
READY := $(VENV)/.ready
PAGES := README.md ARCHITECTURE.md $(wildcard docs/*.md docs/lab/*.md)
COG := $(BIN)/cog --verbosity=1 -I . -p 'from docs.tables import *'

WEB := services/arena/web
PAGE := $(WEB)/dist/index.html

.PHONY: help solve serve arena test check docs coverage clients clean

help:           ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{printf "make %-9s %s\n", $$1, $$2}'

solve: $(READY) ## solve a bundled task end to end with the embedded model (ID=… another one)
	$(BIN)/orchestrate solve $(ID) --run-tests --grade

arena: $(PAGE)  ## build the page that `orchestrate serve` shows (it needs Node 20.19 or newer)

serve: $(READY) $(PAGE) ## build the page where it has changed, and serve it with the API
	$(BIN)/orchestrate serve

test: $(READY)  ## run the whole test suite
	$(BIN)/pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(READY) ## lint, types, import contracts, and whether the documentation is what the program says
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(COG) --check --diff --check-fail-msg 'these pages are stale: make docs' $(PAGES)

docs: $(READY)  ## write help texts, routes, settings and results into the documentation
	$(COG) -r $(PAGES)

coverage: $(READY)      ## run the test suite and tell which branches of the five packages it takes
	$(BIN)/pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

clients: $(READY) ## have real clients of OpenAI's API talk to a server, each in an environment of its own
	$(BIN)/python -m tests.clients --out docs/results/clients.json

clean:          ## remove the environment, runs and caches
	rm -rf $(VENV) $(WEB)/dist $(WEB)/node_modules .clients runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$(PYTHON) is not Python 3.11-3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --silent

# The types of the page are made of the API's description, so it depends on the routes too.
$(PAGE): $(READY) $(WEB)/node_modules/.package-lock.json $(wildcard services/*.py services/*/*.py) \
		$(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name schema.d.ts)
	cd $(WEB) && PYTHON=$(abspath $(BIN))/python npm run --silent build
