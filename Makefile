# One virtual environment serves every target; it is rebuilt only when the pins or the package's needs change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
FRAMEWORKS := .venv-frameworks
MUTANTS := .venv-mutants
LOWEST := .venv-lowest
DOCS := .venv-docs
FIELD := .venv-field
# A worker for each core, at most eight; `make test WORKERS=0` runs in one process.
WORKERS ?= auto
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal

.PHONY: help demo test test-quick test-slow test-field test-processors test-frameworks test-lowest mutants sanity figures bench docs notebooks lint clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"the pinned tools need Python 3.11 or newer, of which the package needs 3.10; {sys.executable} is {v.major}.{v.minor}. Try: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@echo "qdiverge: creating .venv and installing the pinned dependencies (a few minutes, once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## train on Pong for a few minutes with the diagnostics attached; ends with a report
	@$(BIN)/qdiverge demo

test: lint ## every check and test
	@$(PYTEST)

test-quick: $(READY) ## the tests that fit in 45 s: those that failed last, new ones, then the shortest
	@$(PYTEST) --within 45 --ff

test-slow: $(READY) ## the tests that take minutes
	@$(BIN)/python -m pytest -m slow

test-processors: $(READY) ## the numerical tests under every instruction set and thread count here
	@$(BIN)/python -m tests.processors

define BELOW
@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
endef

define ON_TOP
	@echo "qdiverge: creating $(@D) on top of .venv (some minutes, once)"
	@$(BIN)/python -m venv $(@D)
	$(BELOW)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $(word 2,$^)
	$(if $(word 3,$^),@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(word 3,$^))
	@touch $@
endef

$(FRAMEWORKS)/.ready: $(READY) tests/integrations/requirements.txt tests/integrations/requirements-alone.txt
	$(ON_TOP)

$(FIELD)/.ready: $(READY) experiments/field/requirements.txt
	$(ON_TOP)

$(MUTANTS)/.ready: $(READY) tests/mutants-requirements.txt
	$(ON_TOP)

test-frameworks: $(FRAMEWORKS)/.ready ## the adapters, sinks and engines whose frameworks are not light
	@$(FRAMEWORKS)/bin/python -m pytest -m frameworks

test-field: $(FIELD)/.ready ## whole runs under the monitor at its defaults, resumable (more than an hour of a core)
	@$(FIELD)/bin/python -m experiments sweep field --workers 1 --resume
	@$(FIELD)/bin/python -m experiments field --check --table runs/sweeps/field/table.jsonl

mutants: $(MUTANTS)/.ready ## do the tests bite? see tests/MUTANTS.md (an hour)
	@$(MUTANTS)/bin/python tests/mutants.py build/mutants.jsonl

# EXTRA=dev TESTS= runs every test, with the laboratory's floors, and so with PyTorch 2.8.
EXTRA ?= test
TESTS ?= $(addprefix tests/,diagnostics kernel monitor rehearsal report runs theory update test_calling.py test_least_versions.py test_transitions.py)
$(LOWEST)/.ready: pyproject.toml tests/lowest.py
	@echo "qdiverge: creating $(LOWEST) with the least versions of the dependencies (some minutes, once)"
	@$(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check 'tomli; python_version < "3.11"'
	@$(LOWEST)/bin/python -m tests.lowest $(EXTRA) > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e '.[$(EXTRA)]'
	@touch $@

test-lowest: $(LOWEST)/.ready ## the tests of watching with the least versions of the dependencies; PYTHON=python3.10 for Python's
	@$(LOWEST)/bin/python -m pytest -W default $(TESTS)

sanity: $(READY) ## every ground truth of the theory: expected, measured, passed or failed
	@$(BIN)/python -m experiments sanity

figures: $(READY) ## draw every figure from its committed table: PDF, PNG and CSV in figures/
	@$(BIN)/python -m paper_figures --all

$(DOCS)/.ready: $(READY) constraints.txt
	@echo "qdiverge: creating $(DOCS) on top of .venv (a minute, once)"
	@$(BIN)/python -m venv $(DOCS)
	$(BELOW)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

docs: $(DOCS)/.ready ## build the documentation site in build/site, strictly, and check its links
	@$(DOCS)/bin/python -m docs.tools.stage
	@$(DOCS)/bin/zensical build --clean --strict
	@$(DOCS)/bin/python -m docs.tools.check_site

notebooks: $(READY) ## run the notebooks anew, and keep what they print and draw
	@$(BIN)/python -m docs.tools.run_notebooks

bench: $(READY) ## time the kernel; `pip install -r experiments/speed/requirements.txt` adds the peers
	@$(BIN)/python -m experiments speed kernel

lint: $(READY) ## style, types, docstrings and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

clean: ## forget the virtual environment and caches
	rm -rf .venv $(FRAMEWORKS) $(MUTANTS) $(LOWEST) $(DOCS) build .cache $(FIELD) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
