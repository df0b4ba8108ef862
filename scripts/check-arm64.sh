#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles every source file of the library and the program for 64-bit ARM Linux, with the warnings of the build: all that
# a machine without ARM libraries can say. Exit 77 when there is no cross compiler: ctest then calls the test skipped.
#   check-arm64.sh GENERATED_INCLUDE_FOLDER
set -eu
generated=$1
cd "$(dirname "$0")/.."
cross=${CROSS:-aarch64-linux-gnu-gcc}
echo '#include <stdint.h>' | "$cross" -fsyntax-only -x c - 2>/dev/null || {
    echo "$cross or its C library is not installed: arm64 not checked"
    exit 77
}

# Headers of the libraries come from this machine, after the cross compiler's own: those that ito uses do not depend on
# the architecture.
find src -name '*.c' -print0 | xargs -0 -P "$(nproc)" -n 8 "$cross" -std=c17 -D_POSIX_C_SOURCE=200809L \
    '-DITO_INSTALLED_MODELS=""' '-DITO_SOURCE_MODELS=""' -fopenmp -fsyntax-only \
    -Iinclude "-I$generated" -Isrc -Isrc/cli -idirafter /usr/include -idirafter /usr/include/cjson \
    -Wall -Wextra -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion -Werror
