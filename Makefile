# Tasks for people who work on this repository. `make` lists them.

GO        ?= go
GOLANGCI  ?= $(shell command -v golangci-lint || echo "$$($(GO) env GOPATH)/bin/golangci-lint")
LINT_VERSION = v2.15.0

# The race detector needs a C compiler. Without one, the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Start the service, with a database of its own unless DATABASE_URL is set
	@exec bin/learninglog serve

.PHONY: build
build: ## Build bin/learninglog
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/learninglog ./cmd/learninglog

VERSION ?= $(shell git describe --tags --always --dirty)
PLATFORMS = linux/amd64 linux/arm64 darwin/arm64
# Like the tools for audit, it leaves go.mod alone.
CYCLONEDX = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

.PHONY: release
release: ## Make dist/: binaries with VERSION, what each is made of (CycloneDX), and SHA256SUMS
	rm -rf dist
	mkdir dist
	@set -e; for platform in $(PLATFORMS); do \
		binary=dist/learninglog-$(VERSION)-$${platform%/*}-$${platform#*/}; echo "$$binary"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} \
			$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o "$$binary" ./cmd/learninglog; \
		$(GO) run $(CYCLONEDX) bin -json -std -version $(VERSION) -output "$$binary.cdx.json" "$$binary"; \
	done
	cd dist && { sha256sum learninglog-* 2>/dev/null || shasum -a 256 learninglog-*; } > SHA256SUMS

.PHONY: test
test: ## Run all tests, on a PostgreSQL of their own unless TEST_DATABASE_URL is set
	@test -n "$(RACE)" || echo "no C compiler: running without the race detector"
	@events=$$(mktemp) && { \
		$(GO) tool gotestsum --format standard-quiet --hide-summary skipped --jsonfile "$$events" -- $(RACE) -timeout 30m ./...; \
		status=$$?; $(SKIPPED) "$$events"; rm -f "$$events"; exit $$status; }

# Prints one line with the reasons why tests were skipped, from the output of
# go test -json. Each reason says what would make the test run.
SKIPPED = awk '{ match($$0, /"Package":"[^"]*","Test":"[^"]*"/); test = substr($$0, RSTART, RLENGTH) } \
	/"Action":"output"/ && /_test\.go:[0-9]+: / { gsub(/^.*_test\.go:[0-9]+: |\\n"}$$/, ""); said[test] = $$0 } \
	/"Action":"skip"/ && test { n++; if (!told[said[test]]++) reasons = reasons "; " said[test] } \
	END { if (n) printf "%d skipped: %s\n", n, substr(reasons, 3) }'

SOAK ?= 5m

.PHONY: soak
soak: ## Let faults and attacks happen while clients post, for five minutes or SOAK=15m
	SOAK=$(SOAK) $(GO) test -count 1 -timeout 0 -v -run '^(TestNobodysRequestHurtsTheOthers|TestFaultsUnderLoad)$$' ./cmd/learninglog

.PHONY: fuzz
fuzz: ## Run every fuzz target for half a minute, and send malformed requests for one
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime 30s $$package || exit 1; \
		done; \
	done
	MALFORMED=1m $(GO) test -count 1 -v -run '^TestMalformedRequests$$' ./cmd/learninglog

.PHONY: bench
bench: build ## Measure posts and reads against pgbench, on a scratch PostgreSQL (minutes; BENCH="size --help")
	$(GO) run ./internal/bench $(or $(BENCH),posts)
	$(if $(BENCH),,$(GO) run ./internal/bench reads --users 2000 --clients 32)

.PHONY: microbench
microbench: ## Measure recording, reading and decoding by themselves
	$(GO) test -run '^$$' -bench . -benchtime 2s ./command ./query ./rollup/rebuild ./internal/api

.PHONY: lint
lint: ## Check the code, which package may import which, and openapi.yaml
	@command -v $(GOLANGCI) >/dev/null || { echo "golangci-lint is missing: make tools"; exit 1; }
	$(GOLANGCI) run
	@if test -x $(SPECTRAL)/node_modules/.bin/spectral; then \
		$(SPECTRAL)/node_modules/.bin/spectral lint --ruleset $(SPECTRAL)/ruleset.yaml --fail-severity hint openapi.yaml; \
	else echo "openapi.yaml was NOT checked: Spectral is missing (make document-tools)"; test -z "$$CI"; fi

SPECTRAL = internal/api/testdata/spectral

.PHONY: format
format: ## Format the code
	@command -v $(GOLANGCI) >/dev/null || { echo "golangci-lint is missing: make tools"; exit 1; }
	$(GOLANGCI) fmt

# `go run` with a version leaves go.mod alone: what these tools need is none of ours.
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB     ?= https://vuln.go.dev
GO_LICENSES = github.com/google/go-licenses@v0.0.0-20210329231322-ce1d9163b77d

.PHONY: audit
audit: ## Look for known vulnerabilities, and check docs/licences.md
	@found=$$(mktemp) && { \
		if $(GO) run $(GOVULNCHECK) -db $(VULNDB) ./... >"$$found" 2>&1; then status=0; cat "$$found"; \
		elif grep -q 'fetching vulnerabilities' "$$found"; then status=0; \
			echo "known vulnerabilities were NOT looked for: their database, $(VULNDB), can't be reached (VULNDB=… names another)"; \
		else status=1; cat "$$found"; fi; rm -f "$$found"; exit $$status; }
	@licences=$$(mktemp) && { \
		$(LICENCES) >"$$licences" && diff -u docs/licences.md "$$licences" && echo "docs/licences.md is up to date"; \
		status=$$?; rm -f "$$licences"; \
		test $$status = 0 || echo "docs/licences.md is out of date: look at what is new, then make licences"; exit $$status; }

.PHONY: licences
licences: ## Write docs/licences.md
	@$(LICENCES) > docs/licences.md.new
	mv docs/licences.md.new docs/licences.md

# Prints the licences of the packages in the binary. What it can't recognise is unknown.
LICENCES = { \
	printf '%s\n' '\# Licences of what is in the binary' '' \
		'Written by `make licences`, on Linux; `make audit` says when it is out of date. A package without a line has the licence of the one above it. Unknown is xi2/xz, which its authors have put into the public domain. The time zones in the binary are in the public domain too. The pages of Swagger UI (in swaggest/swgui) are under Apache-2.0.' '' \
		'| package | licence |' '|---|---|'; \
	$(GO) run $(GO_LICENSES) csv ./cmd/learninglog 2>/dev/null | grep -v '^learninglog,' | LC_ALL=C sort | \
		awk -F, '{ print "| " $$1 " | " $$3 " |" } END { exit NR < 2 }'; }

.PHONY: tools
tools: ## Install golangci-lint, for lint and format
	$(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: browser-tools
browser-tools: ## Install axe-core, with npm, for the tests that look at pages in Chromium
	npm ci --prefix cmd/learninglog/testdata/browser --ignore-scripts --no-audit --no-fund

.PHONY: document-tools
document-tools: ## Install Spectral, with npm, to check openapi.yaml in lint
	npm ci --prefix $(SPECTRAL) --ignore-scripts --no-audit --no-fund

.PHONY: zones
zones: ## Renew the time zones in the binary from those of Go
	cp "$$($(GO) env GOROOT)/lib/time/zoneinfo.zip" internal/zones/zoneinfo.zip
	chmod 644 internal/zones/zoneinfo.zip

.PHONY: schema
schema: ## Write openapi.yaml
	$(GO) run ./cmd/learninglog openapi > openapi.yaml.new
	mv openapi.yaml.new openapi.yaml
