# The verbs of this project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CANDIDATE ?= repository_after
PROFILE ?= full

.DEFAULT_GOAL := help
.PHONY: help evaluate test check serve patch

help: ## List the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

evaluate: $(VENV)/ready ## Measure baseline and candidate, judge, write report.json
	$(BIN)/python evaluation/evaluation.py --candidate $(CANDIDATE) --profile $(PROFILE)

test: $(VENV)/ready ## Everything that must pass: the suite on the reference, the harness's own tests
	$(BIN)/python -m pytest -q tests evaluation/tests

check: $(VENV)/ready ## Lint, types, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

serve: $(VENV)/ready ## Serve one catalog with the standard dataset (CANDIDATE=DIR)
	$(BIN)/python -m evaluation.runtime.demo $(CANDIDATE)

patch: ## Write patches/HOFAZ9.patch: from the baseline to the reference
	@git diff --no-index --no-prefix repository_before repository_after \
		| sed -E 's#(a/)?repository_before/#a/#g; s#(b/)?repository_after/#b/#g' > patches/HOFAZ9.patch; true
