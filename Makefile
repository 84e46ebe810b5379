# The one command runner. `make help` lists the targets; every recipe is a line or a script in tools/.
# Portable on purpose: make 3.81, POSIX sh, paths with spaces (so: relative paths only).

.POSIX:
.NOTPARALLEL:
.PHONY: help dev test test-all check bench conversation conformance simulate mutants fuzz setup prerequisites python node fmt clean \
	test-rust test-python test-node test-matrix test-scenarios test-cross wheel npm-pack harness services chaos chaos-smoke chaos-failover

# dev builds fast, release runs fast: make python PROFILE=release
PROFILE = dev

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

# ---- the two commands of the README

dev: prerequisites ## build, start everything in one process, play a conversation through it
	@tools/dev.sh

test: check test-rust test-python test-node test-scenarios test-cross chaos-smoke ## run every suite

test-all: test ## and every proof at full length: both servers, mutants, simulation, faults on real servers
	@$(MAKE) conformance
	@$(MAKE) mutants
	@$(MAKE) simulate
	@$(MAKE) chaos

# ---- set-up

prerequisites:
	@tools/prerequisites.sh

setup: prerequisites .venv/.ready node_modules/.ready ## install the development tools into the clone

.venv/.ready: tools/requirements.txt tools/venv.sh
	@tools/step.sh 'setting up .venv' tools/venv.sh

node_modules/.ready: package.json package-lock.json bindings/node/package.json tools/typedoc/package-lock.json tools/node-modules.sh
	@tools/step.sh 'setting up node_modules' tools/node-modules.sh

python: prerequisites .venv/.ready ## build the Python package into .venv (PROFILE=release)
	@tools/step.sh 'building the Python package ($(PROFILE))' tools/extension.sh $(PROFILE)

node: prerequisites node_modules/.ready ## build the Node package (PROFILE=release)
	@tools/step.sh 'building the Node package ($(PROFILE))' tools/addon.sh $(PROFILE)

services: prerequisites
	@tools/step.sh 'building stargazer and examples' cargo build --quiet -p stargazer-services -p stargazer-core --bins --examples

harness: prerequisites .venv/.ready
	@tools/step.sh 'building the test server' cargo build --quiet -p stargazer-tests --bin sg-test-server
	@tools/step.sh 'finding a server to test against' tools/server.sh

# ---- the suites, each of which runs alone as well

check: python node ## formatting, lints and types of all three languages
	@tools/check.sh

fmt: setup ## format all three languages
	@cargo fmt
	@.venv/bin/python -m ruff format --quiet
	@.venv/bin/python -m ruff check --fix --quiet
	@node_modules/.bin/biome check --write --colors=off --log-level=warn

test-rust: harness ## the Rust suites
	@tools/step.sh 'Rust suites (make test-rust)' tools/test-rust.sh

test-python: python harness ## the Python suite
	@tools/step.sh 'Python suite (make test-python)' .venv/bin/python -m pytest tests/python tests/tools --doctest-modules --pyargs stargazer_core

test-node: node harness ## the Node suite
	@tools/step.sh 'Node suite (make test-node)' tools/test-node.sh

test-scenarios: python node ## whether each language covers every behaviour, and Python and Node offer the same
	@tools/step.sh 'scenarios (make test-scenarios)' .venv/bin/python tests/tools/scenarios.py
	@tools/step.sh 'one surface in Python and Node (make test-scenarios)' .venv/bin/python tests/tools/parity.py

test-cross: python node harness services ## the suites over several languages and processes
	@tools/step.sh 'cross-language suite (make test-cross)' .venv/bin/python -m pytest tests/cross

# ---- the proofs

conformance: harness ## the engine and the transport on Redis and on Valkey, 10,000 random commands on each
	@tools/step.sh 'conformance on both servers (make conformance)' tools/both-servers.sh

SEED = 1
MESSAGES = 200000
FAULTS =
SUBJECT = rust
ORDERING = lanes

chaos: harness ## messages through faults on a real server (SEED= MESSAGES= FAULTS=kill,flush SUBJECT=mix ORDERING=)
	@tools/step.sh 'faults on a real server (make chaos)' tools/chaos.sh $(SEED) $(MESSAGES) '$(FAULTS)' $(SUBJECT) $(ORDERING)

chaos-failover: harness ## the same over a primary with replicas and sentinels
	@tools/step.sh 'failovers under messages (make chaos-failover)' tools/chaos.sh $(SEED) 20000 '$(FAULTS)' $(SUBJECT) $(ORDERING) --sentinels

# What a minute has room for: kinds that need no long pause, and are judged alike on a slow machine.
SMOKE = kill,kill_gateway,kill_producer,terminate,handler_panic,handler_hang,stack_overflow,restart_always,restart_everysec,restart_empty,server_freeze,client_pause,script_flush,client_kill,full_memory,flush,destroy_group,half_open,cut_link,slow_link,reply_lost,fetch_reply_lost,publish_reply_lost

chaos-smoke: harness ## the same for about a minute
	@tools/step.sh 'faults on a real server (make chaos-smoke)' env PROOF=dev tools/chaos.sh $(SEED) 10000 '$(SMOKE)' $(SUBJECT) $(ORDERING) --rate 400

# ---- the packages as people install them

wheel: prerequisites .venv/.ready node_modules/.ready ## build the wheel into dist/ and try it on every Python from 3.10 on that is found
	@tools/step.sh 'building and trying the wheel (make wheel)' tools/wheel.sh

npm-pack: prerequisites node_modules/.ready ## pack the Node package into dist/ and use it in an empty project
	@tools/step.sh 'packing and trying the Node package (make npm-pack)' tools/npm-pack.sh

test-matrix: wheel node harness ## the Python suite on every Python that is found, the Node suite on Node 22, 24 and Bun
	@tools/step.sh 'Python suite on every Python' tools/matrix-python.sh
	@tools/step.sh 'Node suite on other runtimes' tools/matrix-node.sh

# ---- the rest

conversation: python node harness services ## replay a conversation over a server and prove every answer (ARGS='--kill --times 20')
	@tools/run.sh examples/conversation/run.py $(ARGS)

bench: harness ## our figures beside those of our rivals, and the table of goals (BENCH='--rounds 3 --only rust --out FILE')
	@$(MAKE) python node PROFILE=release
	@tools/step.sh 'installing what is measured beside us' tools/peers.sh
	@tools/step.sh 'building the benchmarks' cargo build --quiet --release -p stargazer-benches -p stargazer-services
	@cargo run --quiet --release -p stargazer-benches -- $(BENCH)

SEEDS = 10000

mutants: prerequisites ## break one rule after the other: each must be caught by the check that was named
	@tools/step.sh 'building the mutants' cargo build --quiet -p stargazer-chaos
	@$${CARGO_TARGET_DIR:-target}/debug/sg-chaos mutants

simulate: MESSAGES = 1000
simulate: prerequisites ## SEEDS (10000) simulations of MESSAGES (1000) from SEED (1) on; what fails is made small
	@tools/step.sh 'building the simulation' cargo build --quiet --profile simulate -p stargazer-chaos
	@$${CARGO_TARGET_DIR:-target}/simulate/sg-chaos simulate --seeds $(SEEDS) --seed $(SEED) --messages $(MESSAGES)

FUZZ_TIME = 60

fuzz: prerequisites ## look for inputs that break the core, FUZZ_TIME seconds a target (FUZZ='scan keys' for some of them)
	@tools/step.sh 'fuzzing (make fuzz)' tools/fuzz.sh $(FUZZ_TIME) $(FUZZ)

clean: ## remove everything that make has built or installed
	rm -rf .venv .cache node_modules target bindings/node/lib bindings/node/native.cjs tests/node/build
	rm -rf tools/typedoc/node_modules dist
	rm -f bindings/node/*.node bindings/python/python/stargazer_core/_native*.so
