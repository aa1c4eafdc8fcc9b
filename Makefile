# `make run` and `make test` need Debian's Python 3.11 (with pip and venv), and nothing else.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: run test chaos load check lock clean

run: $(INSTALLED)
	$(VENV)/bin/front-door demo

test: $(INSTALLED_DEV)
	.ci/browser
	.ci/promtool
	$(PYTHON) -m pytest --numprocesses 2 --dist loadscope --ignore=tests/chaos

chaos: $(INSTALLED_DEV) # everything that can go wrong, over 100,000 requests; takes a quiet machine and a quarter of an hour
	$(PYTHON) -m tests.chaos.run

load: $(INSTALLED_DEV)
	$(PYTHON) -m loadtest suite

check: $(INSTALLED_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/front-door check

$(PYTHON):
	python3 -m venv $(VENV)

$(INSTALLED): requirements.lock pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(INSTALLED_DEV): requirements-dev.lock $(INSTALLED)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

lock: # after a change of dependencies in pyproject.toml
	uv pip compile pyproject.toml --extra build --extra meaning --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra build --extra meaning --extra dev -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements-dev.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
