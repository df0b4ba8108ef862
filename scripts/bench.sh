#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make bench` runs: ito beside its peers on this machine, one table. docs/performance.md gets it, except after --quick.
#   bench.sh BUILD_FOLDER [--quick] [--alone] [--page FILE]      as bench/performance.py says
set -eu
build=$1
shift
command -v python3 >/dev/null || {
    echo "ito: make bench needs python3, and python3-torch for peers: install them" >&2
    exit 1
}
# Peers need Debian's own Python, where its PyTorch is; without one any will do, and rows of peers stay empty.
python=/usr/bin/python3
[ -x $python ] || python=python3
export PYTHONDONTWRITEBYTECODE=1
exec $python "$(dirname "$0")/../bench/performance.py" "$build" "$@"
