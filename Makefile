# Shortcuts for people; each target is one script or cargo command that can be run as well. `make` lists them.

export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo test vm vm-6.1 www lint doc doc-test package package-test bench latency datapath api-check fuzz clean

help: ## this list
	@sed -n 's/^\([a-z0-9.-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## compile the example cluster, load it apart from the system, show what it does
	@scripts/setup build
	@scripts/demo

test: ## everything: unit and integration tests, Perl, the web interface, the documents' commands, then what needs a Debian kernel
	@scripts/setup test www
	cargo test --locked --workspace
	prove -r perl-bindings/t
	@scripts/www-test
	@scripts/doc-test
	tests/vm/suite

doc-test: ## run every command of the documents in docs/, on a node of the example cluster
	@scripts/doc-test

vm: ## only the tests in the virtual machine, kernel 6.12
	@scripts/setup test
	tests/vm/suite

vm-6.1: ## the same with kernel 6.1, the oldest that is supported (on Debian 12)
	@scripts/setup test vm-6.1
	tests/vm/suite -k 6.1

www: ## only the web interface: its sources, and its views in a browser
	@scripts/setup www
	@scripts/www-test

lint: ## format, clippy, documentation, shell scripts, Perl, licences and sources of dependencies
	@scripts/lint

doc: ## API documentation in target/doc
	@scripts/setup build
	cargo doc --locked --no-deps --workspace

package: ## Debian packages, as they are released, in target/package
	@scripts/setup package
	@scripts/package

package-test: ## Debian packages of a quick build: installed, upgraded, removed in a fresh Debian, on Debian's kernel
	@debian/tests/install --vm --quick

bench: ## compiling and loading nodes of up to 5,000 guests, then each stage apart
	@scripts/setup bench
	@scripts/bench
	cargo bench --locked -p firewall-tests

latency: ## the service at 1,000 and 5,000 guests: from a change to its enforcement, and what it costs to run
	@scripts/setup bench
	@scripts/latency

datapath: ## what rules cost the packets, beside the first nftables firewall's arrangement and none (DATAPATH=--vm: on Debian's kernel)
	@scripts/setup bench vm
	@scripts/datapath $(DATAPATH)

api-check: ## the running service against its own description, with schemathesis (fetched once, from PyPI)
	@scripts/setup build
	@scripts/api-check

fuzz: ## each fuzz target for FUZZ_SECONDS (default 60); needs a nightly compiler
	@scripts/setup fuzz
	@scripts/fuzz

clean: ## remove everything that was built or fetched
	cargo clean
