# `make run` runs the whole service; `make test`, `make check` and `make bench` are for those who change it.
# All of them first put what they need into .venv, which `make clean` removes.

# The first Python that is new enough: macOS has an old one of its own.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$python && break; done)
ARGS ?=
# What an install before has linked is of no use to the next, whose version may be another. Compiled
# now, it is not compiled by each process where Python may keep nothing.
INSTALL = rm -rf build/__editable__.* \
	&& .venv/bin/python -m pip install --disable-pip-version-check $(QUIET) --editable '.[$(EXTRAS)]' \
	&& .venv/bin/python -m compileall -q build/__editable__.*
QUIET = --quiet
# Warnings are errors. What is generated from code has to be read anew each time.
SPHINX = .venv/bin/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet -d build/doctrees

.PHONY: run test check docs dist bench bench-quick bench-soak format clean force

run: .venv/service
	@exec .venv/bin/order-aggregator run $(ARGS)

test: .venv/development
	@exec .venv/bin/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/development
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --package order_aggregator
	.venv/bin/mypy tests examples benchmarks/*.py docs/conf.py docs/_site/*.py
	.venv/bin/lint-imports
	$(SPHINX) docs build/docs

# Writes the site to build/docs; open index.html there.
docs: .venv/docs
	$(SPHINX) docs build/docs

# Writes what a release consists of to build/dist.
dist: .venv/dist
	rm -rf build/dist
	.venv/bin/python -m build --outdir build/dist
	.venv/bin/twine check --strict build/dist/*
	.venv/bin/check-wheel-contents build/dist

# Half an hour; writes benchmarks/RESULTS.md.
bench: .venv/benchmarks
	@exec .venv/bin/python benchmarks/bench.py full

# Three minutes; writes nothing.
bench-quick: .venv/benchmarks
	@exec .venv/bin/python benchmarks/bench.py quick

# Half an hour; adds what happens to the memory to benchmarks/RESULTS.md.
bench-soak: .venv/benchmarks
	@exec .venv/bin/python benchmarks/bench.py soak

format: .venv/development
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/service: EXTRAS = service
.venv/service: QUIET =
.venv/service: .venv/files setup.cfg pyproject.toml
	@echo "Installing what the service needs"
	@$(INSTALL)
	@touch $@

.venv/development: EXTRAS = service,test,bench,docs,dist,dev
.venv/development: .venv/files setup.cfg pyproject.toml
	@echo "Installing what the service, its tests and its checks need"
	@$(INSTALL)
	@touch $@ .venv/service .venv/benchmarks .venv/docs .venv/dist

.venv/benchmarks: EXTRAS = service,bench
.venv/benchmarks: .venv/files setup.cfg pyproject.toml
	@echo "Installing what the service and its benchmarks need"
	@$(INSTALL)
	@touch $@ .venv/service

.venv/docs: EXTRAS = service,docs
.venv/docs: .venv/files setup.cfg pyproject.toml
	@echo "Installing what the service and its documentation need"
	@$(INSTALL)
	@touch $@ .venv/service

.venv/dist: EXTRAS = dist
.venv/dist: .venv/files setup.cfg pyproject.toml
	@echo "Installing what makes a release"
	@$(INSTALL)
	@touch $@

# An editable install links the files that are there when it is made, from where they lie then. So this
# list changes, and has them linked anew, when a file of the package comes or goes or all of them move.
.venv/files: force | .venv/bin/python
	@{ pwd; find $$(ls *.py | grep -v '^setup.py$$') py.typed domain adapters entrypoints testing -name '*.py' -o -name '*.json' -o -name '*.typed' \
		-o -path '*/dashboard/*' -type f ! -name '*.pyc' \
		| LC_ALL=C sort; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Debian's Python comes without the means to make a virtual environment; root can add them.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		echo "Python 3.11 or newer is needed: install it, or name one with PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])') && \
		echo "Installing $$package" && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package > /dev/null; } || { \
		echo "Python's venv module is needed: install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
