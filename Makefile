# SPDX-License-Identifier: Apache-2.0
# Thin fronts over CMake. `make demo` shows what ito does, `make check` tests it; both first install missing Debian
# packages and build what changed.
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
export JOBS

.PHONY: all program build configure packages packages-check demo check bench format install clean help

all: build

program: packages configure
	@cmake --build $(BUILD) -j $(JOBS) --target ito_cli

# Configured again, since packages of the tests may have come since.
build: packages-check configure
	@cmake $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)

configure: packages
	@[ -f $(BUILD)/build.ninja ] || cmake -S . -B $(BUILD) -G Ninja

packages:
	@scripts/install-packages.sh

packages-check:
	@scripts/install-packages.sh --check

demo: program
	@scripts/demo.sh $(BUILD)

check: build
	@scripts/check.sh $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

# Without the packages there are no peers to measure beside; the rest of the table is.
bench: program
	-@scripts/install-packages.sh --bench
	@scripts/bench.sh $(BUILD) $(BENCH)

format:
	@scripts/check-format.sh --fix

# The prefix is compiled in, as the place of the bundled models: another one rebuilds a file.
install: packages-check
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@cmake --install $(BUILD)

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help:
	@echo 'make demo      samples, a trajectory and a minute of training, into demo/ (ITO_DEMO_SHORT=1: seconds)'
	@echo 'make check     all tests, then the unit tests under AddressSanitizer and UBSan, threads under TSan, fuzzing'
	@echo 'make bench     ito beside PyTorch on this machine, into docs/performance.md (BENCH=--quick: minutes, no page)'
	@echo 'make           libito, the program build/ito, its tests and manual pages'
	@echo 'make program   build/ito alone'
	@echo 'make install   into PREFIX (/usr/local)'
	@echo 'make format    lays out the C files as .clang-format says'
	@echo 'make clean     removes the build folders'
