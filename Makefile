# `make demo` shows it, `make test` tests it; both set themselves up in $(VENV). `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
# Not ?=: some shells have a variable of this name.
HOST := redux
PYTEST ?=
BENCH ?=
CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c tests/constraints.txt
# The races are about servers: `make test-services` runs them. SQLite promises nothing to parallel writers.
RUN := $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist worksteal --ignore tests/races
RUN_TESTS := $(RUN) -m "not exhaustive and not long" $(PYTEST)
# Hosts, and a site with guests, with settings of their own, one process after another; PYTEST is about the main tests and leaves them out.
HOSTS := $(if $(PYTEST),,$(patsubst tests/%/settings.py,%,$(wildcard tests/hosts/*/settings.py tests/lazysignup/settings.py)))
# django-registration 5 and redux are never installed together: its tests have an environment of their own in tox.ini.
RUN_HOSTS = set -e; for host in $(HOSTS); do \
	if [ $$host = hosts/registration5 ] && ! $(BIN)/python -c "import django_registration" 2>/dev/null; then \
	echo "skipped: tests/hosts/registration5 needs django-registration 5: tox -e registration5"; continue; fi; \
	$(RUN) --ds=$$(echo tests/$$host/settings | tr / .) tests/$$host $(1); done
# Each run adds to the data; the report at the end counts.
COVER := --cov --cov-report= --cov-fail-under=0
AXE := tests/browser/node_modules/axe-core/axe.min.js
# What the browser tests need besides Chromium; npm removes what one command does not name, so it is one command.
NPM_INSTALL := npm install --prefix tests/browser --no-save --no-package-lock --no-audit --no-fund --silent \
	axe-core@4.14.1 bootstrap@5.3.9 @picocss/pico@2.1.1 @tailwindcss/browser@4.3.4
# Interpreters that pyenv installed; its shims of the same names run only one of them.
PYENV := $(wildcard $(HOME)/.pyenv/versions/*/bin)
SPACE := $(subst ,, )

export UV_PYTHON_DOWNLOADS := never
# Compiled tests are kept: else each process of each run compiles all of them again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lint exhaustive coverage test-services stress test-browser matrix bench messages docs package clean

help: ## list the targets
	@echo "make demo   see it at http://127.0.0.1:$(PORT)/ (PORT=8000)"
	@echo "make test   check it"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  %-15s %s\n' "$$name" "$$text"; done

# Environments. A stamp per extra: nothing is installed twice, and nobody installs a browser driver to run a unit test.

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.package: $(VENV)/.venv setup.py
	$(PIP) -e ".[qr]"
	@touch $@

$(VENV)/.allauth: $(VENV)/.package
	$(PIP) -e ".[qr,allauth]"
	@touch $@

$(VENV)/.test: $(VENV)/.venv setup.py tests/constraints.txt
	$(PIP) -e ".[test,lint]"
	@touch $@ $(VENV)/.package

$(VENV)/.dev: $(VENV)/.venv setup.py tests/constraints.txt
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.package $(VENV)/.test

$(VENV)/.browser: $(VENV)/.test
	$(PIP) -e ".[browser]"
	@touch $@

# What is shown and tested

demo: $(VENV)/.package $(if $(filter allauth,$(HOST)),$(VENV)/.allauth) ## start the example site: PORT=8000 HOST=allauth
	SEEDLIBRARY_HOST=$(HOST) $(BIN)/python example/manage.py demo --port $(PORT)

test: $(VENV)/.test ## the architecture, the style, the types and the quick tests, on SQLite: PYTEST="-k word"
	$(BIN)/lint-imports --no-logo
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(RUN_TESTS)
	@$(call RUN_HOSTS)

lint: $(VENV)/.test ## style, layout, types and layers, without the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

exhaustive: $(VENV)/.test ## what `make test` leaves out: all examples, many processes, the other kind of site
	INVITATION_TEST_EXAMPLES=all $(RUN) -m "exhaustive or long or hypothesis" $(PYTEST)

coverage: $(VENV)/.test ## the quick tests, which must reach every branch of the package
	$(RUN_TESTS) $(COVER)
	@$(call RUN_HOSTS,$(COVER) --cov-append)
	$(BIN)/coverage report

test-services: $(VENV)/.test ## the tests on PostgreSQL and MariaDB, a Galera cluster, and workers on RabbitMQ and Redis
	tests/services/run $(BIN)/python $(PYTEST)

stress: $(VENV)/.test ## races and faults at length: crowds, kills, ten thousand mails, four times as many rounds
	$(RUN) -m stress $(PYTEST)
	INVITATION_TEST_THREADS=24 INVITATION_TEST_ATTEMPTS=10000 \
		$(BIN)/python -m pytest tests/races/test_claiming.py -k many_attempts $(PYTEST)
	for service in postgresql mariadb; do INVITATION_TEST_ROUNDS=1000 tests/services/with-$$service \
		$(BIN)/python -m pytest --ds=tests.lazysignup.settings tests/lazysignup/races $(PYTEST) || exit; done
	INVITATION_TEST_ROUNDS=50 INVITATION_TEST_ATTEMPTS=10000 \
		tests/services/run $(BIN)/python tests/races $(PYTEST)
	for level in "repeatable read" serializable; do INVITATION_TEST_ISOLATION=$$level INVITATION_TEST_ROUNDS=4 \
		tests/services/with-postgresql $(BIN)/python -m pytest tests/races $(PYTEST) || exit; done
	INVITATION_TEST_ROUNDS=4 INVITATION_TEST_ATTEMPTS=10000 \
		tests/services/with-galera $(BIN)/python -m pytest tests/races $(PYTEST)

test-browser: $(VENV)/.browser ## the pages in Chromium: CHROMIUM=/usr/bin/chromium
	@if [ -n "$(CHROMIUM)" ] && { [ -f $(AXE) ] || command -v npm >/dev/null; }; then \
		$(MAKE) --no-print-directory test-browser-here; \
	else \
		echo "skipped: the browser tests need Chromium (CHROMIUM=path), and npm to install axe-core"; \
		[ "$${CI:-}" != true ]; \
	fi

.PHONY: test-browser-here
test-browser-here: $(VENV)/.browser $(AXE)
	@[ -d tests/browser/node_modules/bootstrap ] || ! command -v npm >/dev/null || $(NPM_INSTALL)
	CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest tests/browser $(PYTEST)

$(AXE):
	$(NPM_INSTALL)
	@touch $@

matrix: $(VENV)/.dev ## Python and Django, oldest and newest: the tests; between: the contracts
	PATH="$$($(PYTHON) -c 'import os, sys; print(os.path.dirname(sys.executable))'):$(subst $(SPACE),:,$(PYENV)):$$PATH" \
		tests/matrix $(abspath $(BIN))/tox $(if $(PYTEST),-- $(PYTEST))

bench: $(VENV)/.test ## what the app costs over the least that could do the job: BENCH="--only open --size 1000"
	$(BIN)/python -m tests.bench $(BENCH)

messages: $(VENV)/.test ## collect the texts to translate and compile the translations; needs gettext
	cd invitation && $(abspath $(BIN))/django-admin makemessages --all --add-location=file --no-obsolete --no-wrap --keep-pot
	cd invitation && $(abspath $(BIN))/django-admin compilemessages

docs: $(VENV)/.dev ## the documentation as HTML, a warning is an error; its words and reading grade
	$(BIN)/python docs/readability.py
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

package: $(VENV)/.dev ## sdist and wheel, checked, installed and started in a fresh environment
	rm -rf build dist
	$(BIN)/check-manifest
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/packaging/check_distributions.py dist

clean: ## remove what these targets made, except the demo's data
	rm -rf $(VENV) .tox build dist htmlcov docs/_build tests/browser/node_modules tests/browser/output *.egg-info
	rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find invitation tests example docs -name __pycache__ -type d -prune -exec rm -rf {} +
