# Lineproof. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto

.PHONY: help demo ui test check bench docs contract lock clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Installing the locked packages into $(VENV) …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(STAMP) ## The main job on real data, then serve it (DEMO_SERVE=0 to end instead)
	@$(BIN)/python ui/build.py
	@$(BIN)/lineproof demo

ui: $(STAMP) ## Build the pages into metadata_service/_ui and _verifier (Node from PATH, else from PyPI into .cache)
	@$(BIN)/python ui/build.py build --node any

test: $(STAMP) ## Every test, in as many processes as cores (JOBS=0: in one); installs or starts PostgreSQL and Neo4j, or says what it skipped
	@$(BIN)/python -m tests.services.install
	@$(BIN)/python ui/build.py
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4

check: $(STAMP) ## ruff, mypy strict, import-linter, drift of generated files; the page's types and tests
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m docs.generate --check
	@$(BIN)/python ui/build.py check

contract: $(STAMP) ## Write JSON Schemas, SDL, OpenAPI and the generated docs again
	@$(BIN)/python -m docs.generate

bench: $(STAMP) ## Measure; writes benchmarks/results/latest.json and docs/benchmarks.md (BENCH=full for the large sizes)
	@$(BIN)/python -m tests.services.install
	@$(BIN)/python -m benchmarks

docs: contract ## The same as contract: the reference pages are generated

lock: $(STAMP) ## Resolve requirements.lock again
	@$(BIN)/uv pip compile --quiet --generate-hashes --universal --no-header --all-extras --group dev --group demo pyproject.toml -o requirements.lock

clean: ## Remove what the targets made (not the service caches)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist demo-run metadata_service/_ui metadata_service/_verifier ui/node_modules
