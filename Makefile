# Every target installs what it needs first, into .venv, with no other tool than Python.
# A second call installs nothing, until pyproject.toml or constraints.txt changes.

VENV := .venv
BIN := $(VENV)/bin
CONFIG := configs/digits.yaml
ARGS :=

# A pyenv shim may be on the PATH and still not run, so each is tried.
PYTHONS = $(PYTHON) python3 python3.11 python3.12 python3.13
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-compile \
	--constraint constraints.txt --editable
# pip would compile one file after another. Some of what is installed is for other Pythons.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

# Tests run in several processes: a thread that waits in the one must not hold the other's core.
QUIETLY := OMP_WAIT_POLICY=PASSIVE OPENBLAS_THREAD_TIMEOUT=4

LINTERS := $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy \
	&& $(BIN)/lint-imports --no-logo

# An environment whose Python is gone, or that was made for another folder, is made anew.
ifneq ($(shell $(BIN)/python -c "" 2>/dev/null && cat $(VENV)/.made 2>/dev/null),$(CURDIR))
$(shell rm -f $(VENV)/.made $(VENV)/.installed $(VENV)/.installed-app $(VENV)/.installed-dev)
endif

.PHONY: help run test soak lint bench app up down clean
.NOTPARALLEL:

help: ## Show what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

run: $(VENV)/.installed ## Train on the built-in handwriting (CONFIG=configs/mnist.yaml: on MNIST)
	$(BIN)/digitflow train --config $(CONFIG)

# The linters run beside the tests, of which many wait for a server; they speak at the end.
test: $(VENV)/.installed-dev ## Run the linters and the tests (ARGS="-k name": some of them)
	@said=$$(mktemp); ($(LINTERS)) > "$$said" 2>&1 & linters=$$!; \
	$(QUIETLY) $(BIN)/python -m pytest $(ARGS); ended=$$?; \
	wait $$linters || ended=1; cat "$$said"; rm "$$said"; exit $$ended

soak: $(VENV)/.installed-dev ## Run what takes long: more kills, more draws (not part of test)
	$(QUIETLY) $(BIN)/python -m pytest -m soak $(ARGS)

lint: $(VENV)/.installed-dev ## Check style, types and which module may import which
	@$(LINTERS)

bench: $(VENV)/.installed ## Run the benchmarks
	@for bench in benchmarks/bench_*.py; do \
		echo "== $$bench"; $(BIN)/python "$$bench" || exit 1; done

app: $(VENV)/.installed-app ## Open the app: draw a digit, see what the champion thinks, teach it
	@$(BIN)/digitflow app $(ARGS)

up: $(VENV)/.installed ## Start Prefect's server and a worker, and deploy prefect.yaml
	@$(BIN)/digitflow up

down: $(VENV)/.installed ## End what `make up` started
	@$(BIN)/digitflow down

clean: ## Remove .venv and caches; artifacts/ stays
	@if [ -x $(BIN)/digitflow ]; then $(BIN)/digitflow down || true; fi
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/.made:
	@if $(BIN)/python -c "$(SUITS)" 2>/dev/null && \
		$(BIN)/pip --version 2>/dev/null | grep -qF "from $(CURDIR)/$(VENV)/"; then exit; fi; \
	for python in $(PYTHONS); do \
		if "$$python" -c "$(SUITS)" 2>/dev/null; then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "digitflow needs Python 3.11, 3.12 or 3.13 (on Debian with python3-venv)." >&2; \
		echo "None of these is one: $(PYTHONS)" >&2; \
		echo "Install one, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
	@echo "$(CURDIR)" > $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing into $(VENV), once: 1.3 GB, some minutes"
	@$(INSTALL) .
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-app: $(VENV)/.made pyproject.toml constraints.txt
	@if [ -e $(VENV)/.installed-dev ] && ! [ pyproject.toml -nt $(VENV)/.installed-dev ]; then \
		touch $@; exit; fi; \
	echo "Installing with the app into $(VENV), once: 1.5 GB, some minutes"; \
	$(INSTALL) ".[app]" && touch $(VENV)/.installed $@
	@$(COMPILE)

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing with the tools for tests into $(VENV), once: 1.7 GB, some minutes"
	@$(INSTALL) ".[dev]"
	@$(COMPILE)
	@touch $(VENV)/.installed $@
