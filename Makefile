# SPDX-License-Identifier: Apache-2.0
#
# Every command of a working day. `make test` is what CI runs.

.DEFAULT_GOAL := help
.PHONY: help demo run build test sim-bugs lint fmt gen baseline bench clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: ## see a swarm of three nodes at work, and leave nothing behind
	@scripts/demo.sh

run: ## the same swarm, left running to play with until Ctrl-C
	@scripts/demo.sh --play

build: ## build everything
	cargo build --workspace --locked

test: ## run every check: format, lints, contract, tests with real binaries
	@scripts/test.sh

sim-bugs: ## prove that the simulation finds bugs, by planting some
	@scripts/sim-bugs.sh

lint: ## run the checks that need no running program
	@scripts/test.sh format clippy docs tidy contract shell

fmt: ## format Rust code and protos
	cargo fmt --all
	scripts/buf.sh format -w

gen: ## write the code that is generated from the protos
	cargo run -q --locked -p xtask -- gen
	scripts/gen-sdks.sh

baseline: ## accept the contract as it is (before 0.1.0 only, with a CHANGELOG line)
	cargo run -q --locked -p xtask -- baseline

bench: ## measure against etcd, or one row of it with ROW=name; see bench/README.md
	@scripts/bench.sh $(ROW)

clean: ## remove what was built, and the tools in .tools/
	cargo clean
	rm -rf .tools
