# Slipway: one roof, nine modules. `make help` lists what can be done here.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ROOT     := $(CURDIR)
BIN      := $(ROOT)/bin
TOOLBIN  := $(ROOT)/.bin
BUILD    := $(ROOT)/.build
BASE     ?= main
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULES  := cmd/slipway pkg proto services/gateway services/gpu-runtime services/monitor services/registry services/serving test web
SERVICES := registry serving gateway monitor gpu-runtime
LDFLAGS  := -s -w -X github.com/slipway-ai/slipway/pkg/boot.version=$(VERSION)
TESTFLAGS ?=
export PATH := $(TOOLBIN):$(PATH)
export CGO_ENABLED ?= 0

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

# ---------------------------------------------------------------- run

.PHONY: build up up-mesh up-postgres engines web
build: ## Compile bin/slipway and the five services
	@mkdir -p $(BIN)
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/slipway ./cmd/slipway
	for s in $(SERVICES); do go build -ldflags '$(LDFLAGS)' -o $(BIN)/slipway-$$s ./services/$$s/cmd/$$s; done

engines: engines/node_modules/.installed ## Install the llama.cpp engine pack (pinned by integrity)
engines/node_modules/.installed: engines/package-lock.json
	npm ci --prefix engines --ignore-scripts --no-audit --no-fund
	@touch $@

up: engines web build ## Start the whole platform in the foreground, on embedded stores
	$(BIN)/slipway up $(ARGS)

up-mesh: engines build postgres ## Start five processes over TCP with mTLS, one PostgreSQL database each
	go run ./test/topology/up $(ARGS)

up-postgres: engines build postgres ## Start one process with every store on PostgreSQL
	go run ./test/topology/up --single $(ARGS)

web: web/dist/app/index.html ## Build the web UI; the next `make build` embeds it
web/dist/app/index.html: web/package-lock.json web/index.html web/vite.config.ts $(shell find web/src -type f)
	npm ci --prefix web --ignore-scripts --no-audit --no-fund
	npm run --prefix web build

# ---------------------------------------------------------------- test

.PHONY: test test-go race conformance chaos bench postgres
test: test-go conformance ## Install what tests need and run them all

test-go: engines postgres ## Go tests of every module, on SQLite, PostgreSQL and the real engine
	go test $(TESTFLAGS) -timeout 20m work

race: engines postgres ## The same tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race $(TESTFLAGS) -timeout 40m work

conformance: engines build ## The official openai (Python, Node) and deltalake clients against a running platform
	test/conformance/run.sh

chaos: engines build postgres ## kill -9 of gateway, monitor and engine worker, 30 rounds under load
	go test -count=1 -timeout 40m ./test/chaos -run . -chaos.rounds=30 -v

bench: engines build ## Ratios beside peers in one run: gateway, start-up, memory, drift, Delta
	test/perf/run.sh $(ARGS)

postgres: ## Make sure that PostgreSQL's binaries are installed
	tools/postgres.sh

# ---------------------------------------------------------------- keep

.PHONY: generate lint verify tidy fmt breaking vuln dist clean
$(TOOLBIN)/.tools: tools/go.mod tools/go.sum tools/protodeps/main.go
	GOWORK=off GOBIN=$(TOOLBIN) go -C tools install tool ./protodeps
	@touch $@
$(TOOLBIN)/golangci-lint: tools/lint/go.mod
	GOWORK=off GOBIN=$(TOOLBIN) go -C tools/lint install tool
$(TOOLBIN)/govulncheck: tools/vuln/go.mod
	GOWORK=off GOBIN=$(TOOLBIN) go -C tools/vuln install tool
$(BUILD)/protodeps/.done: $(TOOLBIN)/.tools
	rm -rf $(@D) && protodeps $(@D) && touch $@

generate: $(BUILD)/protodeps/.done ## Generate Go, OpenAPI and the reference docs from their sources
	buf format -w proto
	buf generate
	go run ./cmd/slipway docs docs/reference

lint: $(TOOLBIN)/golangci-lint $(BUILD)/protodeps/.done ## vet, golangci-lint with the import rules, buf lint
	go vet work
	golangci-lint run $(foreach m,$(MODULES),$(ROOT)/$(m)/...)
	buf lint proto
	buf format --diff --exit-code proto

fmt: $(TOOLBIN)/golangci-lint ## Format all Go code
	golangci-lint fmt $(foreach m,$(MODULES),$(ROOT)/$(m)/...)

breaking: $(BUILD)/protodeps/.done ## Refuse wire-breaking proto changes against BASE (default main)
	rm -rf $(BUILD)/base && mkdir -p $(BUILD)/base/.build
	git archive $(BASE) buf.yaml proto | tar -x -C $(BUILD)/base
	cp -r $(BUILD)/protodeps $(BUILD)/base/.build/
	buf breaking proto --against $(BUILD)/base/proto

verify: ## Generated files fresh, modules tidy, every module builds alone, protos compatible, no known vulnerability
	$(MAKE) generate
	git diff --exit-code -- proto docs/reference
	test -z "$$(git status --porcelain -- proto docs/reference)"
	for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff && GOWORK=off go vet ./...); done
	$(MAKE) breaking
	$(MAKE) vuln

vuln: $(TOOLBIN)/govulncheck ## govulncheck, where its data base can be reached
	tools/govulncheck.sh $(MODULES)

tidy: ## go mod tidy in every module
	for m in $(MODULES) tools tools/lint tools/vuln; do (cd $$m && GOWORK=off go mod tidy); done

dist: ## Release archives with checksums in dist/
	tools/dist.sh $(VERSION)

clean: ## Remove what was built
	rm -rf $(BIN) $(TOOLBIN) $(BUILD) dist
