# make demo    all set-up, then the main job, to look at
# make test    all set-up, then every test
# make help    the rest

SHELL       := bash
.SHELLFLAGS := -o pipefail -c
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# A checkout that belongs to somebody else (a mounted volume) must build too.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
TOOL     := $(GO) tool -modfile=tools/go.mod
TESTBED  := $(GO) run ./testbed/cmd/testbed
# Tests that start servers measure hand-overs of a fraction of a second: they
# run one package at a time.
SERVERS  := ./testbed/... ./webapp/... ./examples/... ./renderer/internal/auth/proof ./renderer/internal/tmpl/oracletest

.PHONY: help demo test check bench soak fuzz build deps vault clean

help:
	@echo 'make demo    all set-up, then the main job (DEMO_SECONDS=60: unattended; VAULT=real: on a real Vault)'
	@echo 'make test    all set-up, then every test'
	@echo 'make check   formatting, vet, staticcheck, tests, tidy and clean tree'
	@echo 'make bench   speed and memory beside a plain client and Vault Agent'
	@echo 'make soak    the long campaigns (SOAK_MINUTES=30 KILLS=200)'
	@echo 'make fuzz    every fuzz target for FUZZ_TIME=5s'
	@echo 'make build   bin/vault-renderer and bin/webapp'

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/vault-renderer ./renderer
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/webapp ./webapp

demo:
	@$(TESTBED) deps mariadb
	@VAULT=$(VAULT) $(GO) run ./examples/demo

deps:
	@$(TESTBED) deps mariadb chromium compiler

# The real Vault is a test tool (BUSL): built once, kept in the user's cache,
# never linked into the product.
vault:
	@$(TESTBED) vault-binary

test:
	@GO='$(GO)' SERVERS='$(SERVERS)' testbed/run-tests

check: build
	@out=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) mod tidy -diff
	@$(MAKE) --no-print-directory test
	@out=$$(git status --porcelain); [ -z "$$out" ] || { echo "not committed:"; echo "$$out"; exit 1; }

bench: deps
	@$(GO) run ./testbed/bench $(BENCH_FLAGS)

SOAK_MINUTES ?= 30
KILLS        ?= 200
soak: deps
	SOAK_MINUTES=$(SOAK_MINUTES) $(GO) test -count=1 -timeout=$$(( $(SOAK_MINUTES) + 30 ))m -run 'Soak|Fault' -v ./testbed/e2e
	KILLS=$(KILLS) $(GO) test -count=1 -timeout=$$(( $(KILLS) / 6 + 20 ))m -run Kills -v ./testbed/kills
	@$(MAKE) --no-print-directory fuzz FUZZ_TIME=60s

FUZZ_TIME ?= 5s
fuzz:
	@set -e; for f in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$f); do \
	    echo "$$t ($$(dirname $$f))"; \
	    $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x ./$$(dirname $$f) | tail -n 1; \
	  done; done

clean:
	rm -rf bin
