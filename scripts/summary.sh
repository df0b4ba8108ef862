#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The closing summaries of the test runs that check.sh recorded in the given build folders; without clang there is no
# run of fuzz targets.
set -eu
for folder in "$@"; do
    [ -f "$folder/check.log" ] || continue
    echo
    echo "$folder:"
    sed -n '/tests passed,/,$p' "$folder/check.log"
done
