# One command each. Set-up is part of every command: what is missing is installed, after saying so.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run release test lint fmt demo screenshots bench bench-all bench-growth bench-parts torture fuzz

CARGO ?= cargo
DATA ?= ./data
ARGS ?=
ROUNDS ?= 300
# Where cargo puts what it builds, whatever its settings say. For development always build the whole workspace: building one crate alone
# can choose other features of shared dependencies, and then RocksDB is compiled a second time.
TARGET = $$($(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
BINARY = $(TARGET)/debug/hoptrail
BENCH = $(TARGET)/debug/hoptrail-bench

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building needs (system packages, once)
	@sh scripts/setup.sh build

setup-tests: setup ## install what the tests need as well
	@sh scripts/setup.sh tests
	@if [ -f scripts/setup-clients.sh ]; then sh scripts/setup-clients.sh; fi

run: setup ## build and start it with ./data (ARGS="--log-level debug" for more)
	$(CARGO) build --workspace
	@exec "$(BINARY)" serve --data $(DATA) $(ARGS)

release: setup ## build what people install: hoptrail, stripped, hoptrail.debug with its symbols, man pages, completions (half an hour the first time)
	$(CARGO) build --release --locked --package hoptrail
	@set -e; mkdir -p "$(TARGET)/dist"; cd "$(TARGET)/dist"; \
	objcopy --only-keep-debug --compress-debug-sections ../release/hoptrail hoptrail.debug; \
	objcopy --strip-all --add-gnu-debuglink=hoptrail.debug ../release/hoptrail hoptrail; \
	./hoptrail man --out man; mkdir -p completions; \
	for shell in bash zsh fish; do ./hoptrail completions $$shell > completions/hoptrail.$$shell; done; \
	ls -l "$(TARGET)"/dist/*

demo: setup ## send the traces of an imaginary shop to it (ARGS="--backfill 1h" to fill the past)
	$(CARGO) build --workspace
	@exec "$(BINARY)" demo $(ARGS)

screenshots: setup ## pictures of every page of the demo, for docs/pages.md
	$(CARGO) build --workspace
	@sh scripts/screenshots.sh "$(BINARY)" $(ARGS)

bench: setup ## measure it: 2 million spans in, questions, a table in bench-results.md (ARGS="--spans 20000000" for more)
	$(CARGO) build --workspace
	@exec "$(BENCH)" $(ARGS)

bench-all: setup ## the same for every kind of data and every transport, in one table, beside the ordinary one (a quarter of an hour)
	$(CARGO) build --workspace
	@exec "$(BENCH)" --all --spans 500000 $(ARGS)

bench-growth: setup ## one store from 1 to 50 million spans: the chart in docs/images/growth.svg (half an hour)
	$(CARGO) build --workspace
	@exec "$(BENCH)" --growth --spans 50000000 --output docs/images/growth $(ARGS)

bench-parts: setup ## what each part costs alone, with criterion (ARGS="-- scan" for some)
	$(CARGO) bench --workspace --profile dev --bench parts $(ARGS)

torture: setup ## kill it ROUNDS times under load, fill its disk, flood it, and count what is lost (ROUNDS=300)
	TORTURE_ROUNDS=$(ROUNDS) $(CARGO) test --workspace --test main -- e2e::torture --nocapture --test-threads 1

fuzz: setup ## let random bytes look for bugs (ARGS="pages -- -max_total_time=60" runs one target for a minute; without, each for one)
	@sh scripts/fuzz.sh $(ARGS)

test: setup-tests lint ## check format and lints, then run all tests
	$(CARGO) test --workspace

lint: setup ## check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the source
	$(CARGO) fmt --all
