# `make up` runs Polydesk on this machine, `make test` passes its tests; both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: up test check audit format chaos fuzz clean

up: $(VENV)/.installed
	$(BIN)/polydesk up

test: $(VENV)/.installed-test check
	$(BIN)/polydesk models prepare
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

# What people and CI both run before the tests: format, lint, types, borders, dependencies.
check: $(VENV)/.installed-test audit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Whether what is installed is what was pinned, its licences, known vulnerabilities where the package index tells them.
audit: $(VENV)/.installed-test
	$(BIN)/python -m tests.audit

# Odd requests against a gateway with all its doors open: make fuzz SECONDS=300 SEED=1.
SECONDS ?= 300
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

# Seeded accidents, judged by what customers saw: make chaos SCHEDULES=10000 SEED=1; see docs/reliability.md.
SCHEDULES ?= 1000
REAL ?= 0
SEED ?= 1
chaos: $(VENV)/.installed-test
	$(BIN)/python -m tests.chaos --schedules $(SCHEDULES) --real $(REAL) --seed $(SEED)

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Polydesk needs Python 3.11 or newer: make PYTHON=python3.11 up")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
