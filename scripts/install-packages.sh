#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the packages of scripts/packages.txt that this machine lacks, with --check those of packages-check.txt too, with
# --bench those of packages-bench.txt, through sudo when not root. Says what it installs; says nothing and touches nothing when all are there.
#   install-packages.sh [--check | --bench]
set -eu
lists=$(dirname "$0")/packages.txt
[ -z "${1:-}" ] || lists="$lists $(dirname "$0")/packages-${1#--}.txt"

if ! command -v dpkg-query >/dev/null; then
    echo "ito: this is no Debian system: install the counterparts of the packages in scripts/packages*.txt" >&2
    exit 0
fi

missing=
# shellcheck disable=SC2086 # the words are files
for package in $(grep -hv '^#' $lists); do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "ito: packages are missing and there is no sudo: as root, run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "ito: installing Debian packages:$missing" >&2
# shellcheck disable=SC2086 # the words are packages
install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}
# A machine may have no package lists yet, or old ones that name files long gone.
install || { $as_root apt-get update -q && install; }
