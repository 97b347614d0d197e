# make book   sets up, builds the exercise notebooks and the book, and says where it is
# make test   sets up, and runs every test
# make lab    opens the exercises in JupyterLab
# Also: notebooks, check, audit, lock, clean. Each does only what is not done yet.

SHELL := /bin/bash
PYTHON ?= python3
LAB_PORT ?= 8888
# Jupyter wants to be told that being root is meant (in a container it is).
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
BIN := .venv/bin
BOOK := _build/.book

# What the book is made of: its pages, and the package that its cells and widgets run.
SOURCES := $(shell find book src/plenary -type f -not -path '*/__pycache__/*') _config.yml _toc.yml
TEXTS := $(wildcard solutions/*.py)
NOTEBOOKS := _build/.notebooks

# Every step runs through .ci/step, which says in plain words which one failed and what to do about it.
STEP := @bash .ci/step

.PHONY: book test audit lab notebooks check format lock clean setup system

book: $(BOOK)
	@echo
	@echo "The book is at file://$(CURDIR)/_build/html/index.html"

setup: .venv/.installed

system:
	@bash .ci/system-packages

.venv/.installed: requirements.lock pyproject.toml | system
	$(STEP) "create the environment .venv" "Plenary needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv). Another Python can be named: make PYTHON=python3.12 book" -- \
		bash -c '$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" && $(PYTHON) -m venv .venv'
	$(STEP) "install the packages of requirements.lock (about 5 GB; some minutes)" "Look at the last lines above: is the package index reachable, is there space on the disk? Then run the same command again: it goes on where it stopped." -- \
		bash -c '$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .'
	@touch $@

notebooks: $(NOTEBOOKS)

$(NOTEBOOKS): .venv/.installed $(TEXTS) nbgrader_config.py $(wildcard src/plenary/authoring/*.py)
	$(STEP) "build the exercise notebooks" "The message above names the file and the cell in solutions/." -- $(BIN)/plenary notebooks
	@mkdir -p $(@D) && touch $@

$(BOOK): .venv/.installed $(NOTEBOOKS) $(SOURCES)
	$(STEP) "build the book" "Warnings are errors here. The first one above names the page and the line; if a cell failed, its traceback is in _build/html/reports/." -- \
		$(BIN)/jupyter-book build . --warningiserror --nitpick --keep-going --quiet
	@touch $@

test: $(BOOK)
	$(STEP) "run the tests" "The summary above names each failing test; run one alone with: $(BIN)/pytest path::name" -- $(BIN)/pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

# Half an hour and more on two cores. The log is committed.
audit: $(BOOK)
	$(STEP) "check the kill matrix at 200 seeds" "A row that says MISS is a mistake that was not named; see CONTRIBUTING.md." -- \
		bash -c 'set -o pipefail; $(BIN)/plenary kill-matrix --seeds 200 > tests/audit.log; code=$$?; tail -n 1 tests/audit.log; exit $$code'
	$(STEP) "judge every mutant of the solutions" "A row that says MISS is a change that no check notices." -- \
		bash -c 'set -o pipefail; $(BIN)/plenary mutants >> tests/audit.log; code=$$?; tail -n 1 tests/audit.log; exit $$code'
	$(STEP) "validate every notebook with nbgrader" "The summary above names each notebook that fails." -- \
		bash -c 'set -o pipefail; $(BIN)/pytest -m audit --verbose --no-header | tee -a tests/audit.log'

# Learners work on copies: an update of the course may write exercises/ anew, and never touches work/.
lab: $(BOOK)
	@mkdir -p work && cp -rn exercises/. work/
	$(STEP) "open JupyterLab on work/, your copies of the exercises" "If port $(LAB_PORT) is taken, name another: make lab LAB_PORT=8899" -- \
		env PLENARY_BOOK_URL=http://localhost:$(LAB_PORT)/static PATH="$(CURDIR)/$(BIN):$$PATH" \
		$(BIN)/jupyter lab $(AS_ROOT) --port $(LAB_PORT) --ServerApp.port_retries=0 --ServerApp.root_dir="$(CURDIR)/work" \
		--ServerApp.extra_static_paths="['$(CURDIR)/_build/html']" $(LAB_ARGS)

check: .venv/.installed
	$(STEP) "check the format" "Let it be done for you: make format" -- $(BIN)/ruff format --check .
	$(STEP) "lint" "Many of these are mended by: make format" -- $(BIN)/ruff check .
	$(STEP) "check the types" "Each line above names a file, a place, and what does not fit." -- $(BIN)/pyright
	$(STEP) "check that imports only go down" "The contract is in pyproject.toml, [tool.importlinter]." -- $(BIN)/lint-imports

format: .venv/.installed
	$(STEP) "format" "" -- bash -c '$(BIN)/ruff format . && $(BIN)/ruff check --fix .'

# For maintainers: resolve the dependencies of pyproject.toml anew, for every platform at once.
lock: .venv/.installed
	$(STEP) "write requirements.lock" "Is the package index reachable?" -- \
		bash -c '$(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --upgrade --quiet --output-file requirements.lock pyproject.toml'

# Keeps .venv, which takes minutes to make; remove that folder by hand to start from nothing.
clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
