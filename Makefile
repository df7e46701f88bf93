# One command per need; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help bootstrap run engines seed test check bench bench-tracking bench-import bench-launch bench-sending bench-reporting torture-sending torture-tracking fuzz-tracking prove-consent prove-tenants bench-console requirements clean

PYTHON_BIN := .venv/bin/python

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## Install what is needed into .venv
	@bin/bootstrap

run: bootstrap ## Run everything on this machine (PORT, PLI_HOME)
	@$(PYTHON_BIN) -m config.run --stop-with-parent

engines: bootstrap ## Run PostgreSQL and Valkey only
	@$(PYTHON_BIN) -m config.run --stop-with-parent --engines-only

seed: bootstrap ## Fill in the demonstration organization
	@bin/pli prepare
	@bin/pli seed

test: bootstrap ## Run the whole suite (ARGS="-k words")
	@$(PYTHON_BIN) -m pytest -n auto --dist worksteal $(ARGS)

check: bootstrap ## Lint, types, layers, migrations, documentation
	@$(PYTHON_BIN) bin/check

bench: bench-tracking bench-import bench-launch bench-sending bench-reporting bench-console ## Run all benchmarks

bench-tracking: bootstrap ## Hits per second
	@$(PYTHON_BIN) -m bench.tracking

bench-launch: bootstrap ## A million messages written
	@$(PYTHON_BIN) -m bench.launching

bench-reporting: bootstrap ## Hits counted per second, and the page of a large launch
	@$(PYTHON_BIN) -m bench.reporting

bench-sending: bootstrap ## Messages per second
	@$(PYTHON_BIN) -m bench.sending

bench-import: bootstrap ## A million participants
	@$(PYTHON_BIN) -m bench.importing

bench-console: bootstrap ## The console's main pages beside a million participants
	@$(PYTHON_BIN) -m bench.console

torture-sending: bootstrap ## Kill everything while 10,000 messages leave (TORTURE="--control" breaks the workers)
	@$(PYTHON_BIN) -m bench.torture_sending $(TORTURE)

torture-tracking: bootstrap ## Kill web processes and PostgreSQL while mail is opened (TORTURE="--control" breaks the recorder)
	@$(PYTHON_BIN) -m bench.torture_tracking $(TORTURE)

fuzz-tracking: bootstrap ## A million broken keys, signatures, paths and headers
	@$(PYTHON_BIN) -m bench.fuzz_tracking $(FUZZ)

prove-consent: bootstrap ## What a data protection officer can check: docs/proofs.md (PROVE="--histories 2000")
	@$(PYTHON_BIN) -m proofs $(PROVE)

prove-tenants: bootstrap ## Walk everywhere as everybody, and attack: docs/proofs.md
	@$(PYTHON_BIN) -m proofs.tenants

COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.12

requirements: ## Pin the packages anew after a change in pyproject.toml (needs uv)
	@$(COMPILE) --extra embedded --group dev pyproject.toml -o requirements.txt
	@$(COMPILE) --constraints requirements.txt pyproject.toml -o requirements-server.txt

clean: ## Delete caches; data (.pli) and packages (.venv) stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .artifacts
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
