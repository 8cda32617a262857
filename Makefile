# Shortcuts for people; each target is one script or cargo command that can be run as well. `make` lists them.

export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo test vm vm-6.1 lint doc bench fuzz clean

help: ## this list
	@sed -n 's/^\([a-z0-9.-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## compile the example cluster, load it apart from the system, show what it does
	@scripts/setup build
	@scripts/demo

test: ## everything: unit and integration tests here, then those that need a Debian kernel in a virtual machine
	@scripts/setup test
	cargo test --locked --workspace
	tests/vm/suite

vm: ## only the tests in the virtual machine, kernel 6.12
	@scripts/setup test
	tests/vm/suite

vm-6.1: ## the same with kernel 6.1, the oldest that is supported (on Debian 12)
	@scripts/setup test vm-6.1
	tests/vm/suite -k 6.1

lint: ## format, clippy, documentation, shell scripts, licences and sources of dependencies
	@scripts/lint

doc: ## API documentation in target/doc
	@scripts/setup build
	cargo doc --locked --no-deps --workspace

bench: ## compiling and loading nodes of up to 5,000 guests, then each stage apart
	@scripts/setup bench
	@scripts/bench
	cargo bench --locked -p firewall-tests

fuzz: ## each fuzz target for FUZZ_SECONDS (default 60); needs a nightly compiler
	@scripts/setup fuzz
	@scripts/fuzz

clean: ## remove everything that was built or fetched
	cargo clean
