# Every target makes what it needs: the virtual environment with the pinned versions, then its job.

PYTHON   ?= python3
SCENARIO ?= scenarios/seed-case-2.yaml
ROOM     ?=
BIN      := .venv/bin

.PHONY: run test test-long coverage lint bench cost study mutants man docs clean

run: .venv/installed
	@$(BIN)/kho-sim run $(SCENARIO)

test: .venv/installed
	$(BIN)/python -m pytest -n 2 -m "not long" tests

test-long: coverage
	$(BIN)/python -m pytest -n 2 tests
	$(BIN)/python -m tests.mutation --sample 25

coverage: .venv/installed
	$(BIN)/python -m pytest -n 2 -m "not long" --cov --cov-report= \
		tests/scenario tests/base tests/memory tests/kho tests/chain tests/fuzz
	$(BIN)/python -m tests.branch_coverage

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m pytest --benchmark-timer=time.process_time benchmarks

cost: .venv/installed
	$(BIN)/python -m benchmarks.cost_by_size

study: .venv/installed
	$(BIN)/python -m studies.block_size --results docs/study
	$(BIN)/python -m studies.retrieval --small --results docs/study/retrieval
	$(BIN)/python -m studies.bad_memory --results docs/study/bad_memory
	$(BIN)/python -m studies.page_sizes --results docs/study/page_sizes

# make mutants ROOM=tree: break that room's modules in every small way, and see which tests notice
mutants: .venv/installed
	nice $(BIN)/python -m tests.mutation $(ROOM)

man: .venv/installed
	@$(BIN)/kho-sim man -o docs/_build/man

docs: .venv/docs-installed
	$(BIN)/sphinx-build --quiet --fail-on-warning -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

.venv/docs-installed: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint constraints.txt --editable '.[docs]'
	@touch $@

.venv/installed: pyproject.toml constraints.txt
	@echo "setting up .venv, which takes a few minutes the first time" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint constraints.txt --editable '.[dev,notebooks,cluster]'
	@touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis mutants runs
