# Plain make and sh. Needs Python 3.11 or newer; what is installed goes into .venv and nowhere else.
# Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PINS = pyproject.toml constraints.txt

.PHONY: help demo test lint bench claims tiny readme clean

help:
	@echo 'make demo    compare five methods on the model that ships and write demo/report.html'
	@echo 'make test    lint, types, import rules, then every test'
	@echo 'make lint    the same without the tests'
	@echo 'make bench   run every script in bench/'
	@echo 'make claims  run the claims of all methods, and write CLAIMS.md; an hour'
	@echo 'make tiny    train the model that ships anew, about an hour'
	@echo 'make readme  write the figures of README.md anew'
	@echo 'make clean   remove .venv, the demo and caches'

demo: $(VENV)/.core
	@$(BIN)/python scripts/demo.py

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev
	@set -e; for script in bench/[!_]*.py; do \
		test -e "$$script" || { echo 'There is no script in bench/ yet.'; break; }; \
		echo "== $$script"; $(BIN)/python "$$script"; \
	done

claims: $(VENV)/.dev
	$(BIN)/calculemus claim --all --store $(VENV)/claims.db --out CLAIMS.md --out src/calculemus/claims/measured.json
	$(BIN)/python scripts/readme.py

readme: $(VENV)/.core
	$(BIN)/python scripts/readme.py

tiny: $(VENV)/.core
	$(BIN)/python scripts/tiny.py train

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Three stamps: the environment, what a user needs in it, what a developer needs in it.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) --version 2>&1) || found='not there'; \
		echo "Making $(VENV): '$(PYTHON)' is $$found; calculemus needs Python 3.11 or newer."; \
		echo "Install one, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@echo 'Making $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Making $(VENV): '$(PYTHON)' cannot make virtual environments."; \
		echo 'On Debian and Ubuntu: apt-get install python3-venv'; exit 1; } >&2
	@touch $@

$(VENV)/.core: $(VENV)/.made $(PINS)
	@echo 'Installing calculemus and what it needs into $(VENV); a few minutes with torch'
	@$(INSTALL) -e '.[torch,web]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(PINS)
	@echo 'Installing calculemus, its extras and the tools of its tests into $(VENV); a few minutes'
	@$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.core $@
