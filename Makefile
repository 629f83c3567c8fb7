# The two commands that anyone needs are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/voicebot
# Each test of calls has an Asterisk, a bot and ports of its own; beyond two at once a small machine is late for them.
WORKERS ?= 2
PY := $(VENV)/bin/python
PIP := $(VENV)/bin/pip install --disable-pip-version-check
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
export VOICEBOT_CACHE := $(CACHE)
# Plain `su` leaves root with a PATH where some of its programs are not.
export PATH := $(PATH):/usr/sbin:/sbin
# Installs what tests run, and prints where the tests' Asterisk is.
SYSTEM := sh deploy/system.sh --own $(CACHE)

.PHONY: help demo test run lint lock test-py313 bench bench-asterisk bench-ci voice-lab clean
.PHONY: compose-test install-test readme-test old-asterisk-test

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/ready ## Set everything up and hold a real spoken call, no key needed
	@$(PY) -m demo

test: $(VENV)/ready ## All tests, those on a real Asterisk among them
	@root=$$($(SYSTEM)) && VOICEBOT_ASTERISK_ROOT=$$root \
	  $(PY) -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

test-py313: ## The tests on Python 3.13 or newer, in Asterisk's root file system
	@mkdir -p $(CACHE)
	@sh deploy/test-newest-python.sh $(CACHE)

run: $(VENV)/ready ## Keep Asterisk and the bot up; prints how a softphone registers
	@$(PY) -m demo --keep

lint: $(VENV)/ready ## Style, types and import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/ready ## How many calls a core carries (11 minutes; docs/performance.md)
	$(PY) -m bench

bench-asterisk: $(VENV)/ready ## The same through a real Asterisk
	@$(SYSTEM) >/dev/null
	$(PY) -m bench.asterisk

bench-ci: $(VENV)/ready ## Red when a call costs 20 % more than bench/baseline.json says, twice
	$(PY) -m bench ci

voice-lab: $(VENV)/ready ## What caller and model hear, measured (over an hour; docs/voice-quality.md)
	@root=$$($(SYSTEM)) && VOICEBOT_ASTERISK_ROOT=$$root $(PY) -m bench.voice $(ROWS)

compose-test: $(VENV)/ready ## docker-compose.yml: built, run and called for real (5 minutes)
	@$(SYSTEM) >/dev/null
	@$(PY) -m tests.deploy.compose

install-test: $(VENV)/ready ## install.sh on bare Debian bookworm and trixie, with a call (7 minutes)
	@$(SYSTEM) >/dev/null
	@$(PY) -m tests.deploy.install

readme-test: $(VENV)/ready ## README's first commands, typed on a bare Debian trixie (3 minutes)
	@$(SYSTEM) >/dev/null
	@$(PY) -m tests.deploy.readme

old-asterisk-test: $(VENV)/ready ## The lines for an existing PBX on a stock Asterisk 16.28
	@$(SYSTEM) >/dev/null
	@$(PY) -m tests.deploy.existing bullseye

# ---------------------------------------------------------------------------

$(VENV)/ready: deploy/requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is none: name another, make PYTHON=python3.12 …" >&2; exit 5; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv: as root, apt-get install python3-venv" >&2; exit 5; }
	@$(PYTHON) -m venv $(VENV)
	@echo "$(VENV): downloading and installing the locked packages (half a minute to three)"
	@$(PIP) --require-hashes -r deploy/requirements/dev.txt | \
	  awk '/^(Collecting|Downloading|Using cached)/ { printf "\r  step %d", ++n; fflush() } END { print "" }'
	@$(PIP) --quiet --no-deps --editable .
	@touch $@

lock: $(VENV)/ready ## Write the lock files anew (needs uv)
	@for set in "runtime --extra mcp" "offline --extra offline --extra mcp" \
	    "full --extra offline --extra mcp --extra pictures --extra silero" \
	    "dev --extra offline --extra pictures --extra silero --extra dev"; do \
	  set -- $$set; name=$$1; shift; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --no-annotate "$$@" pyproject.toml \
	    -o deploy/requirements/$$name.txt; done

clean: ## Remove what make has made here; the cache folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
