# Each command makes the environment if needed.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= demo

.PHONY: help demo study plan status test test-slow bench lint lab docs notebooks files messages clean

help:
	@echo "make demo    run the default study, 18 to 40 minutes on 2 cores, and print where its report is and what it found"
	@echo "make test    run the tests, the notebooks included, up to 25 minutes on 2 cores"
	@echo "make test-slow    run what takes minutes: a study on SLURM, killed; a wheel, from a CSV to its report; the site"
	@echo "make study STUDY=name    run params/studies/<name>.yaml"
	@echo "make plan STUDY=name     show what that study takes (notebooks, training units, disk, hours); runs nothing"
	@echo "make status STUDY=name   show its progress, and update its status page"
	@echo "pielab       the command behind these (.venv/bin/pielab --help): run, new, study, plan, status, ..."
	@echo "make lab     open the notebooks in JupyterLab"
	@echo "make docs    build the documentation as a site, without network: site/index.html"
	@echo "make bench   run the benchmarks, about 17 minutes on 2 idle cores; writes benchmarks/RESULTS.md"
	@echo "make lint    check the style of code and notebooks, the imports between packages, and the types"
	@echo "make notebooks    run the notebooks with their defaults and store the outputs"
	@echo "make files    write docs/files.md, every file of a study with its columns"
	@echo "make messages     write docs/messages.md, the table of all error messages"
	@echo "make clean   remove the environment and tool caches; results/ stays"

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("pielab needs Python 3.11 or newer, not " + sys.version.split()[0] + ": make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: .venv/ready
	@$(BIN)/python -m pielab fetch
	@$(BIN)/python -m pielab study demo

study: .venv/ready
	@$(BIN)/python -m pielab study "$(STUDY)"

plan: .venv/ready
	@$(BIN)/python -m pielab plan "$(STUDY)"

status: .venv/ready
	@$(BIN)/python -m pielab status "results/$(STUDY)"

test: .venv/ready
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: .venv/ready
	$(BIN)/python -m pytest -m slow

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python benchmarks/all.py

lab: .venv/ready
	$(BIN)/jupyter lab --notebook-dir=. notebooks/01_train.ipynb

docs: .venv/ready
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . site
	@rm -rf jupyter_execute  # a copy of the notebooks' outputs that MyST-NB leaves beside the site
	@echo "site: site/index.html"

notebooks: .venv/ready
	$(BIN)/python workflow/refresh_notebooks.py

files: .venv/ready
	$(BIN)/python -m pielab.report.written docs/files.md

messages: .venv/ready
	$(BIN)/python -m pielab.report.messages docs/messages.md

clean:
	rm -rf .venv build site docs/generated *.egg-info .snakemake .pytest_cache .ruff_cache .mypy_cache .hypothesis
