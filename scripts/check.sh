#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All tests: the whole suite on the release build, then the unit tests and the fuzz corpora again under AddressSanitizer
# and UBSan, the tests with threads under ThreadSanitizer, and, where clang has libFuzzer, a few seconds of fuzzing of every
# target. All runs happen whatever the first one says; the closing lines are ctest's summaries of all.
#   check.sh BUILD_FOLDER SANITIZED_FOLDER THREADS_FOLDER FUZZ_FOLDER
set -eu
build=$1 sanitized=$2 threads=$3 fuzz=$4
jobs=${JOBS:-$(nproc)}
status=0

# run_tests FOLDER LABEL...: ctest with its output kept for the summary
run_tests() {
    folder=$1
    shift
    ctest --test-dir "$folder" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$folder/check.log"
    # The status of a pipeline is tee's; ctest's own verdict is the line it closes with.
    grep -q '^100% tests passed' "$folder/check.log" || status=1
}

# Waiting threads sleep: spinning ones would starve each other on a machine that does other work too.
export OMP_WAIT_POLICY=passive
run_tests "$build"

# build_tests FOLDER TARGET OPTION...
build_tests() {
    folder=$1 target=$2
    shift 2
    [ -f "$folder/build.ninja" ] ||
        cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g1" "$@"
    cmake --build "$folder" -j "$jobs" --target "$target"
}

build_tests "$sanitized" unit_tests -DITO_SANITIZE=ON
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
run_tests "$sanitized" -L '^(unit|fault|fuzz)$'

build_tests "$threads" test_threads -DITO_SANITIZE_THREADS=ON
build_tests "$threads" test_sets
run_tests "$threads" -R '^(threads|sets)$'

if echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }' |
    clang -x c - -w -fsanitize=fuzzer,address,undefined -o /dev/null 2>/dev/null; then
    build_tests "$fuzz" unit_tests -DITO_FUZZ=ON -DITO_WERROR=OFF -DCMAKE_C_COMPILER=clang
    run_tests "$fuzz" -L '^fuzz$'
fi

scripts/summary.sh "$build" "$sanitized" "$threads" "$fuzz"
exit $status
