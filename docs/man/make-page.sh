#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One manual page from its scdoc source. A line @LISTINGS@ of ito-VERB.1.scd becomes what `ito help VERB` lists after its
# options: samplers, methods and the like, which are written down once, in the registries of the library.
#   make-page.sh SCDOC ITO SOURCE OUTPUT
set -eu
scdoc=$1 ito=$2 source=$3 output=$4
verb=$(basename "$source" .1.scd | sed 's/^ito-//')

# Of the help: a section for each title, an entry for each name, continued lines joined.
listings() {
    help=$("$ito" help "$verb")
    printf '%s\n' "$help" | awk '
        /^Options of every verb/ { common = 1 }
        common && /^[A-Z].*:$/ && !/^Options/ { listed = 1; print "# " toupper(substr($0, 1, length($0) - 1)); next }
        !listed || /^$/ { next }
        { gsub(/[_*\\]/, "\\\\&") }
        /^  [^ ]/ { name = $1; sub(/^ +[^ ]+ +/, ""); printf "\n*%s*\n\t%s\n", name, $0; next }
        { sub(/^ +/, ""); print "\t" $0 }
        END { print "" }' | sed 's/^# /\n# /'
}

if grep -q '^@LISTINGS@$' "$source"; then
    { sed '/^@LISTINGS@$/,$d' "$source" && listings && sed '1,/^@LISTINGS@$/d' "$source"; } | "$scdoc" >"$output"
else
    "$scdoc" <"$source" >"$output"
fi
