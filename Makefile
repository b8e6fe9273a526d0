# Switchboard's one entry point: `make run` starts it, `make test` tests it, `make` alone lists the rest.
# What is installed and built here is kept until what it is made of changes.

HOST ?= 127.0.0.1
PORT ?= 8000

VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
NEED := sh .make/need.sh
NPM := npm --prefix frontend --no-audit --no-fund --no-update-notifier --loglevel=error

NODE_STAMP := frontend/node_modules/.package-lock.json
PAGE := frontend/dist/.vite/manifest.json
PAGE_SOURCES := $(shell find frontend/src frontend/public -type f 2>/dev/null) \
	$(wildcard frontend/*.json frontend/*.ts frontend/*.html)

# Where it is switched off, each of the hundreds of processes of the tests compiles everything again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup hooks run test check format bench soak lock docs clean need-node need-port run-packages dev-packages

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: need-node dev-packages $(NODE_STAMP) ## Install everything that working on Switchboard takes
	@echo 'Ready. Next: make run, make test; make hooks to check each commit.'

hooks: dev-packages $(NODE_STAMP) ## Have git run the quick checks before each commit
	@$(PYTHON_BIN) -m pre_commit install >/dev/null

run: need-node need-port run-packages $(PAGE) ## Start Switchboard, with demo accounts, on HOST and PORT (with WORKERS, where REDIS_URL is)
	@echo 'Preparing the database…'
	@$(PYTHON_BIN) manage.py demo --migrate
	@exec $(PYTHON_BIN) manage.py serve --host "$(HOST)" --port "$(PORT)"

test: need-node dev-packages $(NODE_STAMP) $(PAGE) ## Run every test: Python, TypeScript, real servers, a real browser
	@chromium=$$($(NEED) chromium) && \
		echo 'Testing the server…' && \
		CHROMIUM="$$chromium" $(PYTHON_BIN) -m pytest -q -n 4 --dist loadgroup $(PYTEST_ARGS)
	@echo 'Testing the page…'
	@$(NPM) run --silent test

check: need-node dev-packages $(NODE_STAMP) $(PAGE) ## Lint, types, import rules, settings, migrations, locks
	@echo 'Checking style…'
	@$(PYTHON_BIN) -m ruff check --quiet .
	@$(PYTHON_BIN) -m ruff format --quiet --check . || { echo 'Some files are not formatted: make format' >&2; exit 1; }
	@echo 'Checking types…'
	@$(PYTHON_BIN) -m mypy --no-error-summary
	@echo 'Checking imports…'
	@$(VENV)/bin/lint-imports >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@echo 'Checking settings and migrations…'
	@SECRET_KEY=0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ ALLOWED_HOSTS=example.com \
		REALTIME_TOKEN_HMAC_SECRET=0123456789-abcdefghijklmnopqrstuvwxyz \
		DJANGO_SETTINGS_MODULE=project.settings.prod \
		$(PYTHON_BIN) manage.py check --deploy --fail-level WARNING >/dev/null
	@$(PYTHON_BIN) manage.py makemigrations --check --dry-run >/dev/null || \
		{ echo 'The models changed without a migration: python manage.py makemigrations' >&2; exit 1; }
	@echo 'Checking the page…'
	@$(NPM) run --silent lint
	@echo 'Checking locks and addresses…'
	@sh .make/addresses.sh
	@echo 'All checks passed.'

format: dev-packages ## Format the code, and mend what the linter can
	@$(PYTHON_BIN) -m ruff check --quiet --fix . ; $(PYTHON_BIN) -m ruff format --quiet .

bench: dev-packages ## Measure, next to the floor (BENCH_ARGS=--help for what there is)
	@$(PYTHON_BIN) -m tests.benchmarks $(BENCH_ARGS)

soak: dev-packages ## Break things under a fleet of clients for 30 minutes; nothing may be lost or left (SOAK_ARGS=--help)
	@$(PYTHON_BIN) -m tests.soak $(SOAK_ARGS)

lock: need-node dev-packages ## Write the locks again (UPGRADE=1 for the newest versions)
	@echo 'Locking…'
	@sh .make/lock.sh $(PYTHON_BIN) $(if $(UPGRADE),--upgrade)
	@$(NPM) install --package-lock-only >/dev/null

docs: dev-packages ## Write README's table of environment variables again
	@$(PYTHON_BIN) -m project.settings.environment README.md

clean: ## Remove what make installed and built; the database stays
	@rm -rf $(VENV) frontend/node_modules frontend/dist staticfiles htmlcov .coverage* \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- What the commands above stand on -------------------------------------------------------------

need-node:
	@$(NEED) node

need-port:
	@$(NEED) port "$(HOST)" "$(PORT)"

run-packages:
	@$(NEED) packages $(VENV) requirements.txt

dev-packages:
	@$(NEED) packages $(VENV) requirements-dev.txt requirements.txt

$(NODE_STAMP): frontend/package.json frontend/package-lock.json
	@echo 'Installing JavaScript packages…'
	@$(NPM) ci >/dev/null
	@touch $@

$(PAGE): $(NODE_STAMP) $(PAGE_SOURCES)
	@echo 'Building the page…'
	@$(NPM) run --silent build -- --logLevel warn
	@touch $@
