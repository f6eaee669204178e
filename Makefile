# Every target makes the virtual environment first, so that a fresh clone needs nothing done before.
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo up test check truth truth-table bench coverage soak fuzz edge-bundle lock doctor clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Make the virtual environment .venv from the locked requirements
	@deploy/local/bootstrap.sh .venv

demo: setup ## Tell the whole story once: plant, meters, verdict, evidence, check (no root, no Docker)
	@$(BIN)/retroproof demo

up: setup ## Run the whole stack with a live simulated plant and the web page, until Ctrl-C
	@$(BIN)/retroproof up

doctor: setup ## Say what this machine has, what is missing and what mends it
	@$(BIN)/retroproof doctor

test: setup ## Run every test, on real servers
	@$(BIN)/python -m pytest

check: setup ## Check style, types and the arrows between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

truth: setup ## Run every simulated plant, fault and fraud end to end and hold it to its truth (SCENARIOS=..., SEED=...)
	@$(BIN)/retroproof simulate truth $(SCENARIOS) --seed $${SEED:-1}

truth-table: setup ## Run them all and write docs/reference/truth.md
	@$(BIN)/retroproof simulate truth --write docs/reference/truth.md

soak: setup ## Kill parts of a running stack 200 times at random, count every reading; break the agent's connections
	@RETROPROOF_SOAK_KILLS=$${KILLS:-200} $(BIN)/python -m pytest -n 0 -s tests/integration/test_soak.py
	@RETROPROOF_SOAK=1 $(BIN)/python -m pytest -n 0 -s tests/edge_agent/test_edge_outages.py tests/edge_agent/test_edge_opcua_load.py

fuzz: setup ## Feed hostile bytes, guided by coverage, to everything that reads from strangers (SECONDS_EACH=60)
	@$(BIN)/python -m tests.fuzz $${SECONDS_EACH:-60}

bench: setup ## Measure, as ratios in one run; writes build/bench.json
	@$(BIN)/python -m tests.bench

edge-bundle: setup ## Pack the edge agent for plants without a network: build/edge-bundle installs by itself
	@deploy/edge/bundle.sh .venv build/edge-bundle

coverage: setup ## Simulate how often intervals hold the truth and shifts are found; writes docs/reference (some minutes)
	@$(BIN)/python -m tests.coverage
	@$(BIN)/python -m tests.coverage.change_points
	@$(BIN)/python -m tests.coverage.confounded

lock: setup ## Pin every dependency anew: requirements.lock with hashes, constraints.txt without
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml -o requirements.lock
	@sed -n 's/^\([A-Za-z0-9._-]*==[^\\]*[^ \\]\) *\\*$$/\1/p' requirements.lock > constraints.txt

clean: ## Remove the data of the local stack and everything that was built (keeps .venv)
	@rm -rf .retroproof build dist
