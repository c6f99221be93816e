# Lintel: each target does its own set-up (tools/setup: packages through apt and npm, as root or with sudo).
SHELL := /bin/bash
NINJA := ninja

.PHONY: help build run test test-deep bench experiments scenarios reference fuzz floors format clean
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | expand -t 12

build: ## the binary, build/lintel
	@tools/setup build
	@[ -f build/build.ninja ] || meson setup build >build/meson.log 2>&1 || { cat build/meson.log; exit 1; }
	@$(NINJA) -C build $(NINJAFLAGS)

run: build ## the storefront demo on http://127.0.0.1:8080, with its own PostgreSQL and its data
	@exec build/lintel dev examples/storefront $(RUNFLAGS)

test: ## everything in less than 12 minutes: unit, house, conformance, sanitizers, fuzz corpora, end to end, scenarios
	@tools/setup test
	@tools/test $(TESTFLAGS)

test-deep: ## the long ones: fuzzing, soak, valgrind, thread sanitizer
	@tools/setup deep
	@tools/test --deep $(TESTFLAGS)

bench: ## Lintel beside its peers on this machine; writes build/bench.json
	@tools/setup bench
	@$(MAKE) --no-print-directory build
	@bench/run $(BENCHFLAGS)

experiments: ## slow beside fast, a small tenant, few connections, the depth of stacks: each with its limit; NAME=mixed for one
	@tools/setup bench
	@$(MAKE) --no-print-directory build
	@bench/experiments/run $(NAME)

scenarios: build ## the eighty rows of the scenario book: shown, partly, not yet
	@tools/setup test
	@tests/run --scenarios

reference: build ## docs/reference: the pages and schemas that the binary prints
	@for page in knobs metrics problems commands; do build/lintel reference $$page >docs/reference/$$page.md || exit; done
	@for page in lintel resource query errors; do build/lintel reference $$page.schema.json >docs/reference/$$page.schema.json || exit; done

fuzz: ## fuzzes each grammar, SECONDS_EACH (60) long; TARGET=name for one
	@tools/setup test
	@tools/fuzz --seconds $(or $(SECONDS_EACH),60) $(TARGET)

floors: ## the house rules: who may include whom, how long a function may be
	@tools/floors

format: ## clang-format over C, in place
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## removes what was built; the demo's database (examples/storefront/.lintel) stays
	rm -rf build build-*
