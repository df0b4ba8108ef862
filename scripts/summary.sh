#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The closing summaries of the test runs that check.sh recorded in the given build folders.
set -eu
for folder in "$@"; do
    echo
    echo "$folder:"
    sed -n '/tests passed,/,$p' "$folder/check.log"
done
