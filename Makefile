# Two commands on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
PLUGIN_FOLDERS := $(patsubst %/pyproject.toml,%,$(PLUGINS))
EDITABLES := $(foreach folder,$(PLUGIN_FOLDERS),--editable $(folder))
DEMO := plugins/cxflow-demo
VENDORS := $(addprefix plugins/cxflow-,hubspot shopify trustpilot twilio typeform zendesk)
# Compiled at installation, Airflow and Great Expectations import in half the time.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode
# Real data and answers of vendors are kept outside of the repository; tests of them are skipped without.
export CXFLOW_REAL_DATA ?= $(abspath ../shared/data)
export CXFLOW_VENDOR_EXAMPLES ?= $(abspath ../shared/vendors/examples)

.PHONY: coverage help demo test test-long lint types contracts units faults bench words bi docs clean

help:
	@echo "make demo   runs a small simulated company through everything, under Airflow, and checks it against the truth"
	@echo "make test   runs everything that CI runs"
	@echo "make test-long  runs the slow tests: the demo, real clients, every real data set on the server in every order"
	@echo "make bench  measures cxflow against its peers, and updates docs/benchmarks.md"
	@echo "make words  judges real reviews with the models of texts, and updates docs/words.md"
	@echo "make bi     imports the bundle into a real Superset, looks at it, and validates the semantic models"
	@echo "make faults races two workers, runs processes in parallel, kills a thousand runs per engine, and updates docs/reliability.md"

$(BIN)/uv:
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(VENV)/.runtime: $(BIN)/uv pyproject.toml $(DEMO)/pyproject.toml $(VENDORS:%=%/pyproject.toml) constraints.txt
	@echo "installing cxflow with Airflow, and its demo"
	@$(INSTALL) --editable ".[airflow,excel,report,sandbox]" --editable $(DEMO) $(VENDORS:%=--editable %)
	@touch $@

$(VENV)/.development: $(VENV)/.runtime $(PLUGINS)
	@echo "installing the plugins and the development tools"
	@$(INSTALL) --editable ".[airflow,excel,lineage,report]" --group dev $(EDITABLES)
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/cxflow demo demo

test: lint types contracts units

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.development
	$(BIN)/mypy
	$(foreach folder,$(PLUGIN_FOLDERS),$(BIN)/mypy --config-file $(folder)/pyproject.toml $(folder)/src &&) true

contracts: $(VENV)/.development
	$(BIN)/lint-imports

units: $(VENV)/.development
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder
	@failed=; for folder in $(PLUGIN_FOLDERS); do \
		echo "testing $$folder"; $(BIN)/pytest -n 2 --dist loadfile -c $$folder/pyproject.toml --rootdir $$folder $$folder || failed="$$failed $$folder"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

test-long: $(VENV)/.development
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m long
	@for folder in $(PLUGIN_FOLDERS); do if grep -q '"long' $$folder/pyproject.toml; then \
		echo "testing $$folder"; $(BIN)/pytest -c $$folder/pyproject.toml --rootdir $$folder -m long $$folder || exit 1; \
	fi; done

KILLS ?= 1000
RACES ?= 250
ROUNDS ?= 200
faults: $(VENV)/.development
	CXFLOW_RACES=$(RACES) CXFLOW_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/faults/test_races.py tests/faults/test_side_by_side.py
	$(BIN)/python tests/faults/fault_table.py --kills $(KILLS)

bench: $(VENV)/.development
	$(BIN)/python tests/bench/bench_table.py

coverage: $(VENV)/.development
	$(BIN)/python tests/kpis/interval_coverage.py
	$(BIN)/python tests/kpis/experience/experience_simulation.py

words: $(VENV)/.development
	$(BIN)/python tests/words/words_table.py

# Environments of their own: Superset needs an older SQLAlchemy, dbt an older Jinja. They name few upper bounds, so their
# libraries are those of a day; rich and cachetools Superset needs and does not name. dbt-core 1.12 fetches a binary.
SUPERSET ?= 6.1.0
OF_A_DAY := $(BIN)/uv pip install --quiet --exclude-newer
$(VENV)/superset/.$(SUPERSET): $(VENV)/.development
	@echo "installing Superset $(SUPERSET) into $(VENV)/superset"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/superset
	@$(OF_A_DAY) 2026-06-15 --python $(VENV)/superset/bin/python \
		apache-superset==$(SUPERSET) cachetools duckdb-engine psycopg2-binary rich
	@touch $@

$(VENV)/semantics/.installed: $(VENV)/.development
	@echo "installing MetricFlow and a reader of Ossie into $(VENV)/semantics and $(VENV)/ossie"
	@for name in semantics ossie; do $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/$$name; done
	@$(OF_A_DAY) 2026-11-20 --python $(VENV)/ossie/bin/python azem==0.2.0
	@$(OF_A_DAY) 2026-11-20 --python $(VENV)/semantics/bin/python \
		dbt-metricflow==0.15.0 "dbt-core<1.12" dbt-duckdb dbt-postgres
	@touch $@

bi: $(VENV)/superset/.$(SUPERSET) $(VENV)/semantics/.installed
	CXFLOW_BI=$(VENV) $(BIN)/pytest -m bi tests/bi

docs: $(VENV)/.development
	$(BIN)/python -m cxflow.cli.reference docs

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
