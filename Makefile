# `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test faults mutants prove-random simulate soak upgrade replay e2e reproduce unit lint fmt crds chart golden reference docs pictures fuzz bench tools image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: control-plane ## Hub, two satellites, objects published, delivered and shown (KEEP=1 leaves it running)
	@hack/icinga.sh || true
	@echo "demo: building groundlink (a few minutes the first time)"
	@cargo build --release --locked --bin groundlink --example demo
	@GROUNDLINK="$(CURDIR)/target/release/groundlink" KEEP="$(KEEP)" target/release/examples/demo

test: ## Everything that can be tested here, as CI does (SUITE=order runs one suite, SUITE="hub order" two)
	@hack/test.sh $(SUITE)

upgrade: control-plane ## Upgrade and roll back under load, beside another build (FROM=<revision>; else the last tag)
	@hack/upgrade.sh $(FROM)

e2e: ## Image, chart, agents and Icinga 2 in Pods of two real clusters (root; about 20 minutes the first time, then about 5; KEEP=1 keeps the logs)
	@KEEP="$(KEEP)" hack/e2e.sh

reproduce: ## Build the image twice from nothing; both must have one digest (root; about 20 minutes)
	@hack/e2e/images.sh --twice

faults: control-plane ## Run the tests of every fault and threat, one line of JSON each (ARGS="--only 6,13", "--list", "--write": docs/faults.md)
	@cargo build --locked --quiet --example faults
	@target/debug/examples/faults $(ARGS)

mutants: ## Break the code in one place at a time, and run the tests that must notice (ARGS="--list", "--only mass-removal")
	@cargo build --locked --quiet --example mutants
	@target/debug/examples/mutants $(ARGS)

prove-random: ## Import random configurations and let Icinga prove them (ARGS="TREES=10000", "SEED=17", "SHOW=17" prints one)
	@cargo build --locked --quiet --bin groundlink --example prove-random
	@env $(ARGS) target/debug/examples/prove-random

simulate: ## Simulate hub and deliveries with random faults (ARGS="SEEDS=1000000"; ARGS="SEED=17" replays one with its trace)
	env $(ARGS) cargo test --release --locked --lib simulation::endless -- --ignored --nocapture --exact

soak: control-plane ## Random load and faults, every rule checked each minute (ARGS="--minutes 60 --objects 10000 --satellites 10"; SEED=17 replays; report in target/soak)
	SOAK="$(ARGS)" $(if $(SEED),GROUNDLINK_TEST_SEED=$(SEED)) cargo test --release --locked --test suites order::soak::long -- --ignored --nocapture --exact

replay: control-plane ## The same faults on Groundlink and on Icinga's own sync, side by side: what each loses (ARGS="ROUNDS=300", ARGS="SEED=17" replays; report in target/replay)
	@hack/icinga-generations.sh || true
	@env $(ARGS) CARGO_PROFILE_TEST_OPT_LEVEL=0 cargo test --locked --test suites loaded::replay::beside_icinga -- --ignored --nocapture --exact

unit: ## Unit and documentation tests: no cluster, seconds
	cargo test --locked --lib
	cargo test --locked --doc

lint: ## Format, clippy and documentation without a warning
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

fmt: ## Format the code
	cargo fmt

crds: ## Write crds/ and their copies in the chart from the types
	cargo run --quiet --locked -- crd --out crds
	cp crds/*.yaml charts/groundlink/files/crds/

chart: tools ## Write the table of values in the chart's README, and check chart and alerts
	@hack/chart-readme.sh
	@hack/check-chart.sh
	@hack/check-rules.sh

golden: ## Rewrite the expected files of tests/golden
	UPDATE_GOLDEN=1 cargo test --locked --test golden

reference: ## Rewrite docs/reference from the CRD and examples/reference
	UPDATE_DOCS=1 cargo test --locked --test golden pages_are

docs: ## Build docs/ as a site into target/site (builds mdBook the first time)
	@hack/docs.sh

pictures: control-plane ## Write docs/images from the status page in a real Chromium
	@hack/chromium.sh
	cargo test --locked --test suites status_page::pictures -- --ignored

fuzz: ## Fuzz with a nightly compiler (ARGS="decoder 600" for one target and its seconds)
	hack/fuzz.sh $(ARGS)

bench: control-plane ## Benchmarks next to Icinga, and on real API servers next to a null operator (ARGS="--quick", ARGS="--only P4,P5"; benches/README.md)
	cargo bench --locked --no-fail-fast --bench language --bench pipeline -- $(ARGS)

tools: ## Build what the tests need into .cache/bin: kube-apiserver, etcd, kubectl, helm, prometheus (about eight minutes, once)
	@hack/tools/build.sh --all

.PHONY: control-plane
control-plane: # What the demo needs.
	@hack/tools/build.sh

image: ## Build the container image (needs docker or a compatible builder)
	docker build --tag groundlink:dev .

clean: ## Remove build output; .cache with the control plane stays
	cargo clean
