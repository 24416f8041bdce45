# Everything a user or developer does is a target here. `make help` prints them.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST_ARGS ?=
BENCH_ARGS ?=
RUN_ARGS ?=
TRAIN_ARGS ?=
EVAL_ARGS ?=

# Install Debian packages, or say how: $(call apt-install,PACKAGES,WHAT; WHAT FOLLOWS WITHOUT THEM)
define apt-install
if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null \
    || echo "could not install $(2)"; \
else echo "not installed: $(2). To install: sudo apt-get install $(1)"; fi
endef

.DEFAULT_GOAL := help
.PHONY: help install browser voices network run test check check-web format bench eval-pocket doctor certs readme clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z%-]+:.*## / {printf "  \033[1mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) browser ## Create .venv and install everything (Python 3.11+ and pip are enough), Chromium too where apt can

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "cannot create .venv; on Debian or Ubuntu run: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pesq 2>/dev/null || echo "pesq was not built (it takes a C compiler); omnicall eval and its tests do without it"
	@touch $@

browser: ## Install Chromium for the browser tests, with apt where that is possible
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then exit 0; \
	else $(call apt-install,chromium fonts-liberation fonts-wqy-microhei,Chromium; the browser tests will be skipped without it); fi

voices: ## Install the speech synthesisers that training data and their tests use, likewise
	@if command -v flite >/dev/null && command -v espeak-ng >/dev/null && command -v festival >/dev/null; then exit 0; \
	else $(call apt-install,flite espeak-ng festival festvox-us-slt-hts festvox-kdlpc16k,flite espeak-ng and festival; their tests will be skipped without them); fi

network: ## Install coturn and iproute2, with which calls through relays and bad networks are tested
	@if command -v turnserver >/dev/null && command -v ip >/dev/null; then exit 0; \
	else $(call apt-install,coturn iproute2,coturn and iproute2; their tests will be skipped without them); fi

run: $(INSTALLED) ## Serve https://localhost:8443 with the default checkpoint
	$(BIN)/omnicall serve $(RUN_ARGS)

test: install voices network ## Run all tests with coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest --cov --cov-report= $(PYTEST_ARGS)
	$(BIN)/python -m coverage report --fail-under=90

check: $(INSTALLED) check-web ## Lint, formatting and types: the gate of every change
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-web: ## Types of the page's modules, where Node.js is installed
	@if ! command -v npm >/dev/null; then echo "not checked: the types of web_client/, as there is no Node.js here"; \
	elif ! $(MAKE) -s node_modules/.package-lock.json; then echo "not checked: the types of web_client/, as npm ci failed"; \
	else npm run --silent check; fi

node_modules/.package-lock.json: package-lock.json
	npm ci --silent --no-audit --no-fund
	@touch $@

format: $(INSTALLED) ## Format and fix what can be fixed by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure every stage of the model and one whole call (BENCH_ARGS="--shape bench-small --random-weights")
	$(BIN)/omnicall bench stages $(BENCH_ARGS)
	$(BIN)/omnicall bench call

eval-pocket: install voices ## Evaluate pocket: answers, speech, memory, latency (EVAL_ARGS="--json model/pocket/evaluation.json --card model/pocket/MODEL_CARD.md")
	$(BIN)/omnicall eval pocket $(EVAL_ARGS)

train-%: $(INSTALLED) ## One step of making a checkpoint: train-begin, -data, -codec, … -joint, -ship (TRAIN_ARGS="--help")
	$(BIN)/python -m model.training $* $(TRAIN_ARGS)

doctor: $(INSTALLED) ## Check this machine: Python, torch, device, checkpoint, ports, certificate, browser
	$(BIN)/omnicall doctor

certs: $(INSTALLED) ## Make the self-signed TLS certificate
	$(BIN)/omnicall certs

readme: $(INSTALLED) ## Regenerate the table of settings in README.md
	$(BIN)/omnicall settings --write README.md

clean: ## Remove everything that was built, the virtual environment included
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.* htmlcov test-output dist node_modules *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
