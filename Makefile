# Callyard. `make` alone lists what there is.
SHELL    := /bin/bash
GO       ?= go
TAGS     := nomsgpack
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
GOTEST   := $(GO) test -tags $(TAGS) -shuffle=on
LINT     := bin/golangci-lint

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/callyard
	$(GO) build -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/callyard ./cmd/callyard

postgres: ## make sure there are PostgreSQL server binaries
	@scripts/postgres.sh

run: postgres build ## build and start the demo hub: a call parked, escalated, retrieved
	bin/callyard demo

test: postgres build ## all tests, with the race detector
	$(GOTEST) -race -timeout 12m ./...

short: ## what needs no Postgres and no socket, for every save
	$(GOTEST) ./internal/call/... ./routing ./parking ./queues ./crm ./analytics ./internal/callctl

lint: $(LINT) ## the import diagram, the house rules, formatting
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(LINT) run --build-tags $(TAGS) ./...

$(LINT): tools/go.mod tools/go.sum
	$(GO) build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

interop: postgres build ## call a hub with SIPp, baresip, Kamailio and others; ONLY=text for some
	$(GO) run -tags $(TAGS) ./test/interop -hub bin/callyard -only "$(ONLY)"

target: postgres build ## start the hub that black-box acceptance cases run against
	test/acceptance/target.sh

bench: postgres build ## measure this machine: the rows of docs/performance.md
	$(GO) run -tags $(TAGS) ./test/bench -hub bin/callyard

soak: postgres build ## hold 500 parked calls and churn 20 a second for DURATION (10m): nothing fails, nothing grows
	$(GO) run -tags $(TAGS) ./test/soak -hub bin/callyard -duration $(or $(DURATION),10m)

fuzz: ## each fuzz target for FUZZTIME (30s)
	scripts/fuzz.sh $(or $(FUZZTIME),30s)

openapi: ## write docs/openapi.json anew
	$(GO) run -tags $(TAGS) ./cmd/callyard openapi > docs/openapi.json

ci: lint test ## what the gate runs

clean: ## remove what was built
	rm -rf bin

.PHONY: help build postgres run test short lint interop target bench soak fuzz openapi ci clean
