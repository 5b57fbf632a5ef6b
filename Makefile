# Entry points for people and CI; the work is done by the scripts in deploy/local.

LOCAL := deploy/local
MEASURED := $(or $(DIRECTORY),target/bench)

.DEFAULT_GOAL := help
.PHONY: help setup up down status clean-stack demo trial model chaos crash-points mutants fuzz bench bench-keep rolling-restart upgrade test lint fmt clippy build

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing on this Debian machine
	@$(LOCAL)/setup.sh

up: ## Start Kafka, schema registry and Postgres on 127.0.0.1
	@$(LOCAL)/stack.sh up

down: ## Stop them; the data stays
	@$(LOCAL)/stack.sh down

status: ## Show what runs and where
	@$(LOCAL)/stack.sh status

clean-stack: ## Stop them and remove data and logs
	@$(LOCAL)/stack.sh down --purge

demo: ## Watch a simulated stream of orders go through (ORDERS=20000 SEED=1 KEEP=1)
	@$(LOCAL)/demo.sh

trial: ## Try deadlines, commands and replays while workers are killed, and check (ORDERS=1500 SEED=1)
	@$(LOCAL)/demo.sh trial

chaos: ## Break everything around the workers on a schedule, heal it, and check (MINUTES=5 SEED=1 FAULTS=a,b,c)
	@$(LOCAL)/chaos.sh

fuzz: ## Fuzz framing, decode, JSON and fold (SECONDS=60 for each target, TARGET=fold for one)
	@$(LOCAL)/fuzz.sh "$(SECONDS)" "$(TARGET)"

crash-points: ## Kill workers at every crash point under traffic, and check (TIMES=2 POINTS=a,b ACT=kill)
	@$(LOCAL)/prove.sh crash-points

mutants: ## Switch off one mechanism at a time and show that a test fails (ONLY=name,name)
	@$(LOCAL)/prove.sh mutants

model: ## Explore the model of the protocol, and walk through it (WALKS=20000 STEPS=300 SEED=1 WITHOUT=mechanism)
	@cargo run --quiet --package orderstream-harness -- model $(if $(WITHOUT),--without $(WITHOUT))
	@$(if $(WITHOUT),:,cargo run --quiet --package orderstream-harness -- model --walks $(or $(WALKS),20000) --steps $(or $(STEPS),300) --seed $(or $(SEED),1))

bench: ## Measure throughput, latency, take-over, memory and idleness (QUICK=1 ONLY=local,limit ROUNDS=3 EVENTS=600000)
	@$(LOCAL)/bench.sh

bench-keep: ## Copy report and plots of the last `make bench` to deploy/measured, so that what is committed was measured
	@grep -qs '"complete": true' $(MEASURED)/report.json || { echo "make: no report of a run that came to its end is in $(MEASURED): run 'make bench'" >&2; exit 65; }
	@! grep -qsE '"quick": true|"commit": ".*-dirty"' $(MEASURED)/report.json || { echo "make: the report in $(MEASURED) is of a quick run, or of sources that are not committed: commit, and run 'make bench'" >&2; exit 65; }
	@for plot in throughput latency sweep; do test -f $(MEASURED)/$$plot.svg || { echo "make: $(MEASURED)/$$plot.svg is not there: run 'make bench' without ONLY" >&2; exit 65; }; done
	cp $(addprefix $(MEASURED)/,report.json throughput.svg latency.svg sweep.svg) deploy/measured/

rolling-restart: ## Restart three workers one after the other under load; how long does a lane pause? (RATE=5000 REST=5 KILL=1)
	@$(LOCAL)/roll.sh restart

upgrade: ## Roll three workers from the release before to this one and back under load, and check (RATE=1000 SEED=1)
	@$(LOCAL)/roll.sh upgrade

test: ## Run all checks and tests, as CI does
	@$(LOCAL)/test.sh

lint: ## Run only the checks of format, shell scripts, clippy and docs
	@$(LOCAL)/test.sh lint

fmt: ## Format the code
	cargo fmt --all

clippy: ## Run clippy alone
	cargo clippy --workspace --all-targets -- -D warnings

build: ## Build the release binaries
	cargo build --release --workspace
