# What one does here, as commands. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

SWIFT ?= swift
# One link mode for release builds: a change of it rebuilds everything. The two compiler flags are those that the
# package's own targets are built with (Package.swift says why); here they reach its dependencies too.
RELEASE_FLAGS ?= -c release --static-swift-stdlib \
  -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization
PACKAGES := libpq-dev libhiredis-dev libssl-dev zlib1g-dev postgresql redis-server nginx wrk pkg-config python3-venv
VENV := .venv-tests
LOGS := .build/test-logs
PREFIX ?= /usr/local
TEST ?=
PYTEST_FLAGS ?=
# Tests that wait for servers and deadlines share two cores: all of them at once would be too late for all of them.
FEW_AT_A_TIME := SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4
# End-to-end tests wait more than they work; two processes share the files, each with daemons of its own.
TWO_FILES_AT_A_TIME := -n 2 --dist loadfile

.PHONY: help setup build release run test test-unit test-e2e test-api bench fuzz lint format hooks install clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sort

setup: ## install missing Debian packages by name
	@command -v $(SWIFT) >/dev/null || { echo "Swift 6.3 is needed: https://www.swift.org/install/"; exit 1; }
	@missing=""; \
	for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	command -v apt-get >/dev/null || { echo "install the equivalents of:$$missing"; exit 1; }; \
	root=""; [ "$$(id -u)" -eq 0 ] || root="sudo"; \
	echo "installing$$missing"; \
	$$root apt-get update -q </dev/null; \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing </dev/null

build: ## debug build of everything
	$(SWIFT) build

release: ## release build
	$(SWIFT) build $(RELEASE_FLAGS) --product aigatewayd
	$(SWIFT) build $(RELEASE_FLAGS) --product aigatewayd-worker

run: setup release ## start the daemon in the foreground, on embedded stores in ./var
	@exec .build/release/aigatewayd serve

test: setup lint test-unit test-e2e test-api ## everything: lint, unit and integration tests, end-to-end tests
	@echo; for part in swift-test pytest cloudflare-suite; do echo "== $$part"; tail -n 1 $(LOGS)/$$part.log; done; \
	echo "== schemathesis"; grep -A 1 '^Test cases:' $(LOGS)/schemathesis.log | tail -n 1

test-unit: ## tests in Swift; TEST=name filters
	@mkdir -p $(LOGS)
	$(SWIFT) build --build-tests
	$(FEW_AT_A_TIME) ops/test/swift-test 1200 $(LOGS)/swift-test.log --skip-build \
	  $(if $(TEST),--filter $(TEST))

test-e2e: build $(VENV)/ready ## the real daemon under official SDKs; TEST=expression filters
	@mkdir -p $(LOGS)
	cd Tests/Clients && ../../$(VENV)/bin/python -m pytest $(if $(TEST),-k '$(TEST)',$(TWO_FILES_AT_A_TIME)) \
	  $(PYTEST_FLAGS) 2>&1 </dev/null | tee ../../$(LOGS)/pytest.log

test-api: build ## the management API under Cloudflare's own tests and under Schemathesis; what they need comes from PyPI
	@mkdir -p $(LOGS)
	ops/test/cloudflare-suite 2>&1 </dev/null | tee $(LOGS)/cloudflare-suite.log
	ops/test/schemathesis 60 2>&1 </dev/null | tee $(LOGS)/schemathesis.log

$(VENV)/ready: Tests/Clients/requirements.txt
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: setup release ## the daemon beside nginx and beside no proxy; raw figures in .build-bench/
	$(SWIFT) build $(RELEASE_FLAGS) --product fake-provider
	Tests/Benchmarks/run

fuzz: ## fuzz the parsers for a minute each
	Tests/Fuzz/run

lint: ## formatting and the laws of the code base
	$(SWIFT) format lint --strict --parallel --recursive Sources Tests Package.swift
	ops/lint/imports
	ops/lint/laws
	ops/lint/docs

format: ## format in place
	$(SWIFT) format --in-place --parallel --recursive Sources Tests Package.swift

hooks: ## run lint before every commit of this clone
	git config core.hooksPath ops/hooks

install: release ## install the release build below PREFIX (and DESTDIR)
	install -D -m 0755 .build/release/aigatewayd $(DESTDIR)$(PREFIX)/bin/aigatewayd
	install -D -m 0755 .build/release/aigatewayd-worker $(DESTDIR)$(PREFIX)/libexec/aigatewayd-worker
	install -d $(DESTDIR)$(PREFIX)/share/aigatewayd/migrations
	install -m 0644 migrations/*.sql $(DESTDIR)$(PREFIX)/share/aigatewayd/migrations

clean: ## remove what was built
	$(SWIFT) package clean
	rm -rf $(VENV) .build-bench
