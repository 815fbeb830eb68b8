# The verbs of this project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CANDIDATE ?= repository_after
PROFILE ?= full
PORT ?= 8000
# SAMPLE=N draws N of the mutants, alternatives or cheats; SEED says which.
SEED ?= 0
DRAW = $(if $(SAMPLE),--sample $(SAMPLE) --seed $(SEED))
# make itself ends with 2 whenever a command fails: the last line tells the exit status that counts.
TOLD = ; status=$$?; echo "exit status: $$status"; exit $$status
# A test run is a whole one, and finds our modules.
unexport PYTEST_ADDOPTS PYTEST_PLUGINS PYTHONSAFEPATH PYTHONOPTIMIZE

.DEFAULT_GOAL := help
.PHONY: help evaluate grade test check serve patch mutants alternatives cheats series faults benchmark compose testbed instances harbor summary

help: ## List the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/ready: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

evaluate: $(VENV)/ready ## Measure baseline and candidate, judge, write report.json
	@$(BIN)/python evaluation/evaluation.py --candidate $(CANDIDATE) --profile $(PROFILE) $(TOLD)

grade: $(VENV)/ready ## Grade folders, patches or predictions (PATHS="a b.patch"), with a Markdown summary
	@$(BIN)/python evaluation/evaluation.py grade $(PATHS) --markdown evaluation/reports/summary/grade.md $(TOLD)

mutants: $(VENV)/ready ## The reference with one fault each: all killed by its requirement's tests? (ALL=1, SAMPLE=N)
	@$(BIN)/python -m evaluation.proof mutants $(if $(ALL),--whole) $(DRAW) $(TOLD)

alternatives: $(VENV)/ready ## Other right solutions: all accepted?
	@$(BIN)/python -m evaluation.proof alternatives $(DRAW) $(TOLD)

cheats: $(VENV)/ready ## Attempts to fool the grader: all graded as expected?
	@$(BIN)/python -m evaluation.proof cheats $(DRAW) $(TOLD)

series: $(VENV)/ready ## The way to the reference: does each step do what it is for? (STEPS="5 R10", MEASURE=1)
	@$(BIN)/python -m evaluation.proof.series --verify $(STEPS) $(if $(MEASURE),--count $(STEPS) --measure $(STEPS)) $(TOLD)

faults: $(VENV)/ready ## Two processes under load while Redis, Postgres and clients fail (CANDIDATE=DIR)
	@$(BIN)/python -m evaluation.faults --candidate $(CANDIDATE) $(TOLD)

benchmark: $(VENV)/ready ## Time single requests of one client (CANDIDATE=DIR)
	@$(BIN)/python -m pytest -q tests/benchmarks/bench_requests.py --candidate $(CANDIDATE) \
		-o python_functions='bench_*' -p no:randomly $(TOLD)

test: $(VENV)/ready ## Everything that must pass: the suite on the reference, the harness's own tests
	@$(BIN)/python -m pytest -q tests evaluation/tests $(TOLD)

check: $(VENV)/ready ## Lint, types, import arrows
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports $(TOLD)

serve: $(VENV)/ready ## Serve one catalog with the standard dataset (CANDIDATE=DIR PORT=8000)
	@$(BIN)/python -m evaluation.serving.demo $(CANDIDATE) --port $(PORT) $(TOLD)

compose: ## The evaluation in containers (CANDIDATE=DIR), which are taken away again
	@CANDIDATE=$(CANDIDATE) PROFILE=$(PROFILE) docker compose up --build --abort-on-container-exit; \
		status=$$?; docker compose down --volumes; (exit $$status) $(TOLD)

testbed: ## Build the images for SWE-bench-style harnesses: hofaz9-solver:1 to work in, hofaz9-testbed:1 to judge in
	@docker build --target solver --tag hofaz9-solver:1 . && \
		docker build --target testbed --tag hofaz9-testbed:1 . $(TOLD)

instances: $(VENV)/ready ## Write small tasks, of one requirement or one regression each (DEST=DIR; default: build/instances)
	@$(BIN)/python -m evaluation.proof.tasks $(or $(DEST),build/instances) $(TOLD)

harbor: $(VENV)/ready ## Write a task folder for Harbor for each instance (DEST=DIR; default: build/harbor)
	@$(BIN)/python -m evaluation.harbor $(or $(DEST),build/harbor) $(TOLD)

summary: ## Print the Markdown summary of the newest report, if there is one
	@ls -t evaluation/reports/*/*.md 2>/dev/null | head -1 | xargs -r cat

patch: ## Write patches/diff.patch: from the baseline to the reference; and the list form with it
	@$(PYTHON) -m evaluation.instance $(TOLD)
