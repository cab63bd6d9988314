# hostd: `make help` lists the targets. Each installs by apt what it lacks, and says what it is doing.
.DEFAULT_GOAL := help
.PHONY: run test build bench format lint help test-tsan test-asan soak install clean

SWIFT ?= swift
SOURCES := Sources Plugins Tests docs/examples Package.swift
PREFIX ?= /usr/local
# Test cases side by side: end-to-end tests start processes of their own, so a few a core are enough.
TEST_WIDTH ?= 4
WIDTH = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(TEST_WIDTH)
# `make build STRIP=` keeps the symbols, for perf.
STRIP ?= -Xlinker -s
# `make test FILTER=QueueStoreTests` runs some only.
FILTER ?=
toolchain = @command -v $(SWIFT) >/dev/null || { echo 'hostd needs Swift 6.3 or newer on PATH: see swift.org/install' >&2; exit 1; }
RELEASE := HOSTD_SELF_CONTAINED=1 $(SWIFT) build -c release --static-swift-stdlib $(STRIP)

run: build ## install, build, start a demo network on loopback and post a notice (DEMO=once: exit by itself)
	@exec scripts/demo

build: ## release programs into .build/release, self-contained plugins into plugins.d
	$(toolchain)
	@scripts/install-packages build
	@echo '==> building hostd and queuectl (the first time takes some minutes)...'
	$(RELEASE) --explicit-target-dependency-import-check error
	@scripts/install-plugins .build/release plugins.d

test: ## everything: builds, then unit, contract, interop and kill tests
	$(toolchain)
	@scripts/install-packages build test
	@echo '==> building and running the tests (the first time takes some minutes)...'
	$(WIDTH) $(SWIFT) test --disable-xctest $(if $(FILTER),--filter '$(FILTER)')

# Half an hour of random faults; `make soak SOAK_SECONDS=86400` for a day. HOSTD_TEST_SEED repeats a run.
SOAK_SECONDS ?= 1800

soak: ## random faults under load for half an hour (SOAK_SECONDS=...): nothing lost, nothing twice but for what a worker's kill interrupted
	$(toolchain)
	@scripts/install-packages build test
	@echo '==> building, then $(SOAK_SECONDS) s of random faults...'
	HOSTD_CHAOS_SECONDS=$(SOAK_SECONDS) $(SWIFT) test --disable-xctest --filter ChaosTests

# Unit tests only: what starts processes, or is bound to time, says little under a sanitizer that slows it ten times.
PROCESSES := EndToEndTests SupervisorTests QueueCtlTests PluginFilesTests
UNIT := --disable-xctest $(PROCESSES:%=--skip %) $(if $(FILTER),--filter '$(FILTER)')

test-tsan: ## the unit tests under ThreadSanitizer
	$(toolchain)
	@scripts/install-packages build test
	@echo '==> building and running the unit tests under ThreadSanitizer...'
	$(WIDTH) $(SWIFT) test --scratch-path .build-tsan --sanitize=thread -Xlinker --export-dynamic $(UNIT)

# detect_leaks=0: LeakSanitizer counts the test runner's own.
test-asan: ## the unit tests under AddressSanitizer
	$(toolchain)
	@scripts/install-packages build test
	@echo '==> building and running the unit tests under AddressSanitizer...'
	$(WIDTH) ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --scratch-path .build-asan --sanitize=address $(UNIT)

bench: ## measure against Sidekiq, slixmpp, libmemcached and wrk, side by side (ROWS=fanout,noop QUICK=1 RABBITMQ=1 PROFILE=1)
	@scripts/install-packages build bench $(if $(RABBITMQ),rabbitmq) $(if $(PROFILE),profile)
	@$(MAKE) --no-print-directory build $(if $(PROFILE),STRIP=)
	@exec Benchmarks/run $(if $(ROWS),--rows $(ROWS)) \
	    $(if $(QUICK),--quick) $(if $(RABBITMQ),--rabbitmq) $(if $(PROFILE),--profile)

format: ## rewrite the Swift sources in the project's format
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

lint: ## format, layers, file length, words, ABI, systemd unit
	$(toolchain)
	@scripts/install-packages build
	@echo '==> checking format, layers, length, words, ABI...'
	@$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)
	@scripts/check-layers
	@scripts/check-length
	@scripts/check-words
	@scripts/check-readme
	@scripts/check-unit
	@if [ -e scripts/check-abi.sh ]; then scripts/check-abi.sh; fi

install: build ## copy programs, plugins, unit file and the ABI header below PREFIX (DESTDIR for packagers)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/hostd/plugins.d $(DESTDIR)$(PREFIX)/include
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/hostd
	install -m 755 .build/release/hostd .build/release/queuectl $(DESTDIR)$(PREFIX)/bin
	install -m 644 Sources/PluginABI/include/hostd_plugin.h $(DESTDIR)$(PREFIX)/include
	install -m 644 docs/operations.md docs/config.md $(DESTDIR)$(PREFIX)/share/doc/hostd
	sed 's|@PREFIX@|$(PREFIX)|' packaging/hostd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/hostd.service
	scripts/install-plugins .build/release $(DESTDIR)$(PREFIX)/lib/hostd/plugins.d

clean: ## remove all that was built
	rm -rf .build .build-tsan .build-asan plugins.d/*.so var/demo

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
