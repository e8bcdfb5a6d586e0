# The commands of the house. Everything is built with one profile, into one folder outside the clone, so that clones
# share it and nothing is compiled twice.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/muster/target
# Where `make demo` keeps its data.
export MUSTER_DEMO_DATA ?= $(CURDIR)/data/demo

.DEFAULT_GOAL := help
.PHONY: help demo build test test-all soak fuzz bench bench-engines bench-ingest engines engines-stop fmt lint clean-data

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: ## Import two real datasets and run segments over them
	@scripts/demo

build: ## Build the binary
	cargo build --release --locked --workspace --bin muster

test: ## Run the tests, on real engines; a skipped one counts as a failure
	@scripts/test

test-all: ## The same, and the long suites over Trino and S3
	@scripts/test --all

soak: ## Compare the engine with the oracle over a million random trees (hours)
	@scripts/soak

fuzz: ## Throw random bytes at every parser, a minute each (scripts/fuzz --seconds N TARGET)
	@scripts/fuzz

bench: ## Measure speed against other engines, into docs/benchmarks.md (long; --quick: scripts/bench --quick)
	@scripts/bench

bench-engines: ## Measure the SQL's shapes on Trino, into docs/benchmarks.md (long; --quick: scripts/bench-engines --quick)
	@scripts/bench-engines

bench-ingest: ## Measure how fast events are collected, into docs/benchmarks.md (12 minutes; --quick: scripts/bench-ingest --quick)
	@scripts/bench-ingest

engines: ## Start Trino, Cassandra, S3 and Postgres with throw-away data, and leave them up
	@scripts/engines start

engines-stop: ## Stop them and remove their data
	@scripts/engines stop

fmt: ## Format the code
	cargo fmt --all

lint: ## Check formatting, lints, licences and sources
	@scripts/lint

clean-data: ## Remove what `make demo` imported
	rm -rf -- "$(MUSTER_DEMO_DATA)"
