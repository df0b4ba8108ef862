#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks, or with --fix makes, the layout of all C files as .clang-format has it. Exit 77 when clang-format is not there:
# ctest then calls the test skipped.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || { echo "clang-format is not installed: layout not checked"; exit 77; }
mode="--dry-run -Werror"
[ "${1:-}" != --fix ] || mode=-i
# shellcheck disable=SC2086 # the words are options
find include src tests bench docs -name '*.[ch]' -print0 2>/dev/null | xargs -0 clang-format $mode
