# make demo   simulate a small observatory and run the monitor over it
# make test   style, types and all tests
# make quick  the tests that take a minute or two
# make coverage  these tests, the lines that they reach, and a floor
# make docs   build the documents into docs/_build/html; a warning is an error
# make bench  benchmarks
# make soak   kill the pipeline at a hundred random moments, and compare what a rerun makes of it (one to two hours)

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
DEMO ?= demo
# What the quick tests must reach of all lines [%]; what tests start in processes of their own is not counted.
FLOOR ?= 85
BIN = $(VENV)/bin
# What a module has simulated is there for its tests once, with the one worker that gets them all.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test quick coverage lint docs bench soak clean

$(VENV)/installed: pyproject.toml setup.py constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,docs,distributed]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/uvis_external_cte simulate $(DEMO) --lengths l --columns 192 --oddities --jobs $(JOBS)
	$(BIN)/run_uvis_external_cte --pr all --config $(DEMO)/config.py --jobs $(JOBS)
	@echo
	@echo "web page      $(DEMO)/outputs/finalresults/report/index.html: look here first, it has all of them"
	@echo "figures       $(DEMO)/outputs/finalresults/pf0/most_recent/cte_vs_time/*.png, cte_vs_logflux/*.png"
	@echo "coefficients  $(DEMO)/outputs/finalresults/pf0/most_recent/cte_vs_logflux/*_coeffs.ecsv"
	@echo "              pf0: FLT without post-flash, to begin with; pf12: with 12 e-/px; pfall: all levels; _ctecorr: FLC"
	@echo "database      $(DEMO)/database/uvis_external_cte.db"
	@echo "truth         $(DEMO)/truth/: docs/getting_started.md, 'Check it yourself'"
	@echo "to go on      . $(BIN)/activate; cd $(DEMO); run_uvis_external_cte --help"

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(PYTEST) -m "slow or not slow"

quick: $(VENV)/installed
	$(PYTEST)

coverage: $(VENV)/installed
	$(PYTEST) --cov --cov-report=term-missing --cov-fail-under=$(FLOOR)

docs: $(VENV)/installed
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "documents     docs/_build/html/index.html"

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

soak: $(VENV)/installed
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf $(VENV) $(DEMO) build dist docs/_build *.egg-info
