# Everything that is typed often. Each target makes .venv and installs requirements.txt by itself where that is needed.
# Written for /bin/sh and GNU make 3.81, so that it runs on Linux and macOS as they come.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# Whatever the locale is: our texts are UTF-8.
export PYTHONUTF8 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo up reset test chaos sim mutants bench check format proto picture clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## three replicas disagree and agree again, in a few seconds
	@$(PYTHON) cluster.py demo

up: $(INSTALLED) ## run all replicas of config.yaml until Ctrl-C
	@$(PYTHON) cluster.py up

reset: $(INSTALLED) ## delete the data of all replicas of config.yaml, to start over
	@$(PYTHON) cluster.py reset

test: $(INSTALLED) ## run the tests
	@$(PYTHON) -m pytest

chaos: $(INSTALLED) ## kill replicas and drop packets at random, and check that nothing is lost; options SECONDS= KILLS= REPLICAS= SEED=
	@$(PYTHON) -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(SEED),--seed $(SEED))

check: $(INSTALLED) ## format, lint, layers, strict types and tests, changing nothing
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(VENV)/bin/lint-imports --no-logo --no-cache
	@$(PYTHON) -m mypy .
	@$(PYTHON) -m pytest

sim: $(INSTALLED) ## many replicas under faults: SEEDS=50 STEPS=1000 SECONDS= from a random seed or BASE=, or SEED=N
	@$(PYTHON) -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(STEPS),--steps $(STEPS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(BASE),--base $(BASE)) $(if $(SEED),--seed $(SEED))

mutants: $(INSTALLED) ## deliberate faults, and which seed and invariant finds each; MUTANT='forget undo' shows one
	@$(PYTHON) -m tests.mutants $(if $(MUTANT),"$(MUTANT)")

bench: $(INSTALLED) ## measure this beside its limits, a few minutes; options ROW=apply,store PEERS=1 JSON=1
	@$(PYTHON) -m bench $(if $(ROW),--row "$(ROW)") $(if $(PEERS),--peers) $(if $(JSON),--json)

format: $(INSTALLED) ## format the code, and mend what the linter can
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

proto: $(INSTALLED) ## generate replica/anti_entropy/a_e_pb2.py and .pyi from a_e.proto
	@$(PYTHON) -m grpc_tools.protoc -I. --python_out=replica/anti_entropy --pyi_out=replica/anti_entropy a_e.proto

picture: $(INSTALLED) ## draw docs/terminals.svg and docs/calendar.png from real runs
	@$(PYTHON) -m docs.make_picture
	@$(PYTHON) -m docs.make_calendar

clean: ## remove .venv and caches; data/ is kept
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python that has venv.
$(INSTALLED): requirements.txt
	@if ! $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		candidates="python3.13 python3.12 python3.11 python3"; \
		for candidate in $$candidates; do \
			if $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
				found=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "No Python 3.11 or later with its venv module was found (looked for $$candidates)." >&2; \
			echo "Install one, such as python3.12 (on Debian and Ubuntu also python3.12-venv), and run make again." >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$($$found --version) …"; \
		$$found -m venv --clear $(VENV); \
	fi
	@echo "Installing requirements.txt into $(VENV) …"
	@$(PYTHON) -m pip install --quiet -r requirements.txt
	@touch $@
