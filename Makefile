# Every target makes what it needs: the virtual environment with the pinned versions, then its job.

PYTHON   ?= python3
SCENARIO ?= scenarios/seed-case-2.yaml
ROOM     ?=
UPGRADE  ?=
BIN      := .venv/bin
PIP_OPTIONS := --quiet --disable-pip-version-check --no-input

.PHONY: run test test-long coverage lint bench cost study mutants notebooks pictures man docs lock test-lowest test-newest clean

run: .venv/installed
	@$(BIN)/kho-sim run $(SCENARIO)

test: .venv/installed
	$(BIN)/python -m pytest -n 2 -m "not long" tests

test-long: coverage
	$(BIN)/python -m pytest -n 2 -m long tests
	$(BIN)/python -m tests.mutation --sample 25

coverage: .venv/installed
	$(BIN)/python -m pytest -n 2 -m "not long" --cov --cov-report= tests
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
	$(BIN)/python -m studies.retrieval --results docs/study/retrieval
	$(BIN)/python -m studies.bad_memory --results docs/study/bad_memory
	$(BIN)/python -m studies.page_sizes --results docs/study/page_sizes

# make mutants ROOM=tree: break that room's modules in every small way, and see which tests notice
mutants: .venv/installed
	nice $(BIN)/python -m tests.mutation $(ROOM)

# make notebooks: run them all, and keep their outputs
notebooks: .venv/installed
	nice $(BIN)/python -m tests.notebooks

# make pictures: the pictures of chains in docs/figures; that of the page needs Chromium
pictures: .venv/installed
	$(BIN)/python docs/pictures.py

man: .venv/installed
	@$(BIN)/kho-sim man -o docs/_build/man

docs: .venv/installed
	$(BIN)/sphinx-build --quiet --fail-on-warning -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# The tests with the oldest and with the newest versions that pyproject.toml accepts.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest -n 2 -m "not long" tests

test-newest: .venv-newest/installed
	.venv-newest/bin/python -m pytest -n 2 -m "not long" tests

.venv-lowest/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-lowest
	@$(PYTHON) -m tests.package.lowest > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install $(PIP_OPTIONS) --constraint .venv-lowest/constraints.txt \
		--editable '.[dev,notebooks,cluster]'
	@touch $@

.venv-newest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	@.venv-newest/bin/python -m pip install $(PIP_OPTIONS) --upgrade pip
	@.venv-newest/bin/python -m pip install $(PIP_OPTIONS) --editable '.[dev,notebooks,cluster]'
	@touch $@

# The tools that install the package lie in the lock as well, so nothing is fetched unpinned.
.venv/installed: pyproject.toml constraints.txt
	@echo "setting up .venv, which takes a few minutes the first time" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --require-hashes --requirement constraints.txt
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation --editable .
	@touch $@

# constraints.txt anew: what it has is kept where it fits; UPGRADE=--upgrade takes the newest.
lock:
	test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install $(PIP_OPTIONS) uv; }
	printf 'editables\nhatchling\npip\nsetuptools\n' | .venv-lock/bin/uv pip compile --quiet --universal \
		--python-version 3.11.5 --generate-hashes --no-strip-extras --no-header --all-extras $(UPGRADE) pyproject.toml - -o constraints.txt

clean:
	rm -rf .venv .venv-lock .venv-lowest .venv-newest .pytest_cache .ruff_cache .mypy_cache .hypothesis mutants runs
