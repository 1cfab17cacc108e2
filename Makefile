# Thin targets over the scripts in tools/. Two of them do all set-up: `make demo` and `make test`.
FUZZ_SECONDS ?= 20
FUZZ ?=
CLIP ?=
URL ?=
BENCH ?= --quick
DEMO ?=

.PHONY: help build demo test lint format asan tsan fuzz bench clean distclean
help:           ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

build:          ## the engine, its extensions, the simulated cameras and viewers
	tools/bootstrap build
	tools/build package

demo:           ## a small town, then a city, in this terminal; CLIP=path for a real clip, URL=rtsp://… for a real camera
	tools/bootstrap demo
	tools/build package
	.venv/bin/vigie demo $(if $(CLIP),--clip "$(CLIP)") $(if $(URL),--url "$(URL)") $(DEMO)

test:           ## every test: native, Python, end to end
	tools/bootstrap test
	tools/build all
	tools/run_tests

lint:           ## format, clang-tidy, ruff, mypy --strict, the rules of the tree
	tools/bootstrap lint
	tools/lint

format:         ## formats C++ and Python in place
	tools/bootstrap lint
	tools/lint --fix

asan:           ## native tests and fuzz corpora under AddressSanitizer and UndefinedBehaviorSanitizer
	tools/bootstrap sanitize
	tools/sanitize address

tsan:           ## native tests under ThreadSanitizer
	tools/bootstrap sanitize
	tools/sanitize thread

fuzz:           ## every fuzz target for FUZZ_SECONDS; FUZZ="--many rtsp_sdp" for many short inputs of that one
	tools/bootstrap sanitize
	tools/fuzz $(FUZZ_SECONDS) $(FUZZ)

bench:          ## how many streams this machine carries; BENCH='…' replaces the options
	tools/bootstrap bench
	tools/build package
	.venv/bin/vigie bench live $(BENCH)

clean:          ## removes what was built
	rm -rf build build-* dist demo-out python/vigie/bin .pytest_cache .mypy_cache .ruff_cache
	find python/vigie -maxdepth 1 -name '*.so' -delete

distclean: clean ## … and the environment and caches
	rm -rf .venv .cache
