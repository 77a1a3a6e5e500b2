# Two commands do everything: `make serve` and `make test`. Both build .venv from the hashed lock file first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := benchmarks/peers
SBOM := sbom.cdx.json
# The tests start hundreds of Python processes: without bytecode on disk each of them compiles the project anew.
unexport PYTHONDONTWRITEBYTECODE

# A failure of pip ends a target, although its output goes through a pipe.
SHELL := bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help serve test packages check search fuzz-engine oracle lint install answers explorer bench bench-faults bench-planner bench-totals \
	bench-hostile bench-restart bench-scale spark amounts counts docs lock sbom audit clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

serve: install ## sandbox, graph and explorer on http://127.0.0.1:8000
	@$(BIN)/gamehub-graph serve $(ARGS)

# The third and the fourth worker use the time in which the others wait for processes. ARGS comes last, so it can set other options:
# `make test ARGS="-n 0 -x tests/schema"`. TEST_ORDER_SEED=7 shuffles the tests.
WORKERS ?= 4

test: install ## the whole test suite, by four workers
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

packages: ## download the packages that only tests need; needs no .venv
	@$(PYTHON) -m tests.packages

# These tests use the whole path, over HTTP and with both engines, and start few processes.
FAST := tests/test_structure.py tests/engine tests/queries tests/stories
# These modules of the same folders take most of the time; `make test` runs them.
SLOW := --ignore tests/engine/test_equality.py

check: lint ## lint, types and the fast tests
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal $(SLOW) $(ARGS) $(FAST)

# The modules of the tests that search at random. SEARCH says how many times as far as in `make test`.
SEARCH ?= 10

search: install ## the random searches of the tests, ten times as far as in `make test`
	@SEARCH=$(SEARCH) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
		$$(grep -rlE 'tests.effort|hypothesis import' tests --include='test_*.py') $(ARGS)

# ENGINE_SEED runs the operations of an earlier run again, ENGINE_OPERATIONS says how many.
fuzz-engine: install ## compiled execution beside graphql-core over 50,000 operations, others each time
	@seed=$${ENGINE_SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "ENGINE_SEED=$$seed"; \
	ENGINE_SEED=$$seed ENGINE_OPERATIONS=$${ENGINE_OPERATIONS:-50000} \
		$(BIN)/python -m pytest -q tests/engine/test_equality.py $(ARGS)

# ORACLE_SEED repeats an earlier run, ORACLE_DOCUMENTS says how many answers; ORACLE_KNOWN=no asks the known faults, too.
oracle: install ## the product beside an independent oracle over 5,000 random documents, others each time
	@$(BIN)/python -m tests.oracle

lint: install ## style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

install: $(VENV)/.installed ## build .venv from requirements.lock

# pip checks every archive against its hash; the project itself is then linked in, built by the locked hatchling.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), which takes about half a minute:"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock | $(PROGRESS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Shows on one line how many packages pip has found.
PROGRESS = { found=0; while read -r word rest; do case $$word in \
	Collecting | Processing) found=$$((found + 1)); printf '\r  %d of %d packages' $$found $$(grep -c == requirements.lock) ;; \
	Installing) printf '\n  unpacking them\n' ;; \
	esac; done; }

docs: install ## write the reference pages of docs/reference from the program
	@$(BIN)/python docs/write.py

answers: install ## record the answers of the saved queries anew; refuses an answer without rows
	@$(BIN)/python -m tests.queries.record

explorer: ## build the pages into server/pages (needs Node 20.19 or newer)
	@cd explorer && npm ci && npm run build

bench-faults: install ## what faults of an upstream cost: wrong rows, secrets, latencies, requests, lost slots
	@$(BIN)/python benchmarks/faults_bench.py $(ARGS)

# pyspark has 450 MB and needs Java 17: a check of its own, and not a test.
spark: install examples/spark/.venv/.installed ## read an export with Spark, and compare its figures with DuckDB's
	@$(BIN)/python examples/spark/check.py --python examples/spark/.venv/bin/python

examples/spark/.venv/.installed: examples/spark/requirements.txt
	@$(PYTHON) -m venv examples/spark/.venv
	@examples/spark/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The servers to compare with are no part of the application: they have a lock of their own, for Python and for Node.
bench: install $(PEERS)/.venv/.installed $(PEERS)/node/node_modules/.package-lock.json ## this server beside others
	@$(BIN)/python benchmarks/engine_bench.py --write docs/explanation/performance.md $(ARGS)

$(PEERS)/.venv/.installed: $(PEERS)/requirements.lock
	@test -x $(PEERS)/.venv/bin/python || $(PYTHON) -m venv $(PEERS)/.venv
	@$(PEERS)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(PEERS)/node/node_modules/.package-lock.json: $(PEERS)/node/package-lock.json
	@cd $(PEERS)/node && npm ci --silent
	@touch $@

# ARGS=--bounds writes benchmarks/counts.json anew, which tests/test_counts.py reads.
counts: install ## what a query costs, counted: frames, C calls, allocations, handles, timers, tasks, system calls
	@$(BIN)/python benchmarks/counts_bench.py $(ARGS)

bench-totals: install ## the memory of totals over more and more days
	@$(BIN)/python benchmarks/totals_bench.py --write docs/explanation/performance.md $(ARGS)

bench-planner: install ## the planner against always per key, always in bulk and an oracle
	@$(BIN)/python benchmarks/planner_bench.py --write docs/explanation/planner.md $(ARGS)

bench-restart: install ## requests that are lost when a server stops under load
	@$(BIN)/python benchmarks/restart_bench.py $(ARGS)

bench-hostile: install ## what hostile requests and slow sockets cost, and what they cost others
	@$(BIN)/python benchmarks/hostile_bench.py $(ARGS)

bench-scale: install ## two replicas and two workers: a soak, restarts, killed processes, a cold key, and what a business needs
	@$(BIN)/python benchmarks/scale_bench.py $(ARGS)
	@$(BIN)/python benchmarks/scale_needs.py

amounts: install ## a million random amounts through the whole path, digit for digit
	@$(BIN)/python benchmarks/amounts_bench.py $(ARGS)

lock: ## write the lock files anew from pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra tables --extra sql --extra s3 --extra dask --extra mcp --extra otel --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements.lock --extra tables --extra sql --extra mcp --extra s3 --extra otel --group build \
		pyproject.toml -o requirements-image.lock
	@cd $(PEERS) && $(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header requirements.in -o requirements.lock

# The same lock file gives the same bytes. It lists the tools of development, too: the lock has one set of versions.
sbom: install ## write the bill of materials of requirements.lock to sbom.cdx.json (CycloneDX)
	@$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements --no-validate --output-reproducible \
		--pyproject pyproject.toml -o $(SBOM) requirements.lock

# Nothing is installed or resolved: every package is locked with its hashes.
audit: install ## look the packages of requirements.lock up among known vulnerabilities (needs the network)
	@$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements.lock $(ARGS)

clean: ## remove what was built or downloaded
	@rm -rf $(VENV) $(SBOM) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis explorer/node_modules \
		$(PEERS)/.venv $(PEERS)/node/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
