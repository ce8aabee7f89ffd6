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

COMPOSE  ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help demo test test-compose check bench soak fuzz build images image-files compose-up compose-down deps vault clean

help:
	@echo 'make demo    all set-up, then the main job (DEMO_SECONDS=60: unattended; VAULT=real: on a real Vault)'
	@echo 'make test    all set-up, then every test'
	@echo 'make check   formatting, vet, staticcheck, tests, tidy and clean tree'
	@echo 'make bench   speed and memory beside a plain client and Vault Agent'
	@echo 'make soak    the long campaigns (SOAK_MINUTES=30 KILLS=200)'
	@echo 'make fuzz    every fuzz target for FUZZ_TIME=5s'
	@echo 'make build   bin/vault-renderer and bin/webapp'
	@echo 'make images  both as container images, made of nothing else'
	@echo 'make compose-up, compose-down   examples/compose (LOCAL=1: no image is pulled)'
	@echo 'make test-compose   examples/compose for real, where a container engine is'

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/vault-renderer ./renderer
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/webapp ./webapp

# What the images are made of; see Dockerfile.
image-files: build
	@mkdir -p bin/etc/ssl/certs bin/empty
	@cp /etc/ssl/certs/ca-certificates.crt bin/etc/ssl/certs/ 2>/dev/null || true
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/vault-init ./examples/compose/init

images: image-files
	docker build --tag vault-renderer --target vault-renderer .
	docker build --tag webapp --target webapp .

compose-up: image-files
	@cd examples/compose && $(if $(LOCAL),export LOCAL_IMAGES=$$(local/images) &&) \
	  $(COMPOSE) -f docker-compose.yml $(if $(LOCAL),-f docker-compose.local.yml) up -d --build

compose-down:
	@cd examples/compose && $(COMPOSE) down -v --remove-orphans

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

test-compose: image-files
	@GO='$(GO)' $(GO) run ./testbed/compose -compose='$(COMPOSE)'

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
