# `make run` and `make test` are all one needs; `make help` lists the rest.
.DEFAULT_GOAL := help
BIN := .venv/bin
OUT := out
QUESTION ?=
SEED ?= 3
MODEL_DIR ?=
MODEL_FLAG := $(if $(MODEL_DIR),--model-dir $(MODEL_DIR))
PYTEST_FLAGS ?=
BENCH ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: ## Make .venv with the services, the client and libopus
	@scripts/setup.sh run

.PHONY: setup-dev
setup-dev: ## The same, with the tools of the tests
	@scripts/setup.sh dev

.PHONY: run
run: setup ## Start everything, hold a spoken conversation, leave it in out/
	@mkdir -p $(OUT)
	@$(BIN)/kaiwa-serve $(MODEL_FLAG) --then '$(BIN)/kaiwa talk $(QUESTION) --seed $(SEED) --out $(OUT)/reply.wav --plot $(OUT)/talk.png --transcript $(OUT)/talk.txt'

.PHONY: serve
serve: setup ## Start everything and keep it running (MODEL_DIR=... for a real checkpoint)
	@$(BIN)/kaiwa-serve $(MODEL_FLAG)

.PHONY: test
test: setup-dev clients/typescript/node_modules ## Run every test
	@$(BIN)/pytest $(PYTEST_FLAGS)

.PHONY: soak
soak: setup-dev ## Run the long tests, of sessions that come and go for hours (some minutes)
	@$(BIN)/pytest -m soak $(PYTEST_FLAGS)

.PHONY: bench
bench: setup-dev ## Compare with the peers on one core, figures in out/bench/ (BENCH='--quick --part codec')
	@PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

.PHONY: bench-gpu
bench-gpu: setup-dev ## Time a Moshi 7B with random weights on this machine's GPU
	@PYTHONPATH=tests $(BIN)/python -m gpu.benchmark

.PHONY: check
check: setup-dev clients/typescript/node_modules ## Format, lint, types, import rules, contract, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf format --diff --exit-code
	cd protos && ../$(BIN)/buf breaking --against baseline.txtpb
	scripts/stubs.sh --check
	npm run --silent --prefix clients/typescript build

.PHONY: stubs
stubs: setup-dev clients/typescript/node_modules ## Generate the contract's code for Python, TypeScript and Go
	scripts/stubs.sh

.PHONY: baseline
baseline: setup-dev ## At a release: make this contract the one that must not break
	cd protos && ../$(BIN)/buf build --exclude-source-info -o baseline.txtpb

clients/typescript/node_modules: clients/typescript/package-lock.json | setup-dev
	npm ci --silent --prefix clients/typescript
	@touch $@

.PHONY: setup-training
setup-training: ## Make .venv with what training the small model needs, and the voices
	@scripts/setup.sh training

.PHONY: demo-model
demo-model: setup-training ## Train the small model from nothing into build/demo-model (three and a half hours or so; resumes)
	@$(BIN)/python -m kaiwa_training

.PHONY: judge-model
judge-model: setup-training ## Judge MODEL_DIR, or the model in the box, by live calls (about an hour)
	@$(BIN)/python -m kaiwa_training.evaluation $(or $(MODEL_DIR),services/kaiwa_server/tiny-moshi) build/demo-model/corpus $(OUT)/judged

.PHONY: clean
clean: ## Remove .venv and everything that is made
	rm -rf .venv out build dist clients/typescript/node_modules clients/typescript/dist
