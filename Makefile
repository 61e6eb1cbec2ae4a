# One command each. Set-up is part of every command: what is missing is installed, after saying so.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run test lint fmt demo bench fuzz

CARGO ?= cargo
DATA ?= ./data
ARGS ?=
# Where cargo puts the binary, whatever its settings say. Always build the whole workspace: building one crate alone can choose other
# features of shared dependencies, and then RocksDB is compiled a second time.
BINARY = $$($(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/hoptrail

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building needs (system packages, once)
	@sh scripts/setup.sh build

setup-tests: setup ## install what the tests need as well
	@sh scripts/setup.sh tests
	@if [ -f scripts/setup-clients.sh ]; then sh scripts/setup-clients.sh; fi

run: setup ## build and start it with ./data (ARGS="--log-level debug" for more)
	$(CARGO) build --workspace
	@exec "$(BINARY)" serve --data $(DATA) $(ARGS)

demo: setup ## send the traces of an imaginary shop to it (ARGS="--backfill 1h" to fill the past)
	$(CARGO) build --workspace
	@exec "$(BINARY)" demo $(ARGS)

bench: setup ## measure it: 2 million spans in, questions, a table in bench-results.md (ARGS="--spans 20000000" for more)
	$(CARGO) build --workspace
	@exec "$$(dirname "$(BINARY)")/hoptrail-bench" $(ARGS)

fuzz: setup ## let random bytes look for bugs (ARGS="pages -- -max_total_time=60" runs one target for a minute; without, each for one)
	@sh scripts/fuzz.sh $(ARGS)

test: setup-tests lint ## check format and lints, then run all tests
	$(CARGO) test --workspace

lint: setup ## check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the source
	$(CARGO) fmt --all
