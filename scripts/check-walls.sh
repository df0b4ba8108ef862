#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that no file includes across the walls between rooms.
#   check-walls.sh ROOM:USED,USED,... ...     every room with all rooms that it may use, itself included (from CMake)
# A file of src/ROOM may include "USED/x.h" and the public headers of the rooms it uses; a public header likewise; src/cli
# and src/studio may include public headers and their own files alone.
set -eu
cd "$(dirname "$0")/.."

# The room a public header belongs to. score.h is the seam between networks and dynamics, so neither owns it.
room_of_header() {
    case $1 in
    status.h | random.h | score.h | version.h) echo core ;;
    recipe.h) echo models ;;
    adaptive.h | analytic.h | ode.h | flow.h | sampler.h) echo dynamics ;;
    *) echo "${1%.h}" ;;
    esac
}

# complain FILE ALLOWED: one line for each include of FILE that names a room outside the comma-separated ALLOWED.
complain() {
    sed -n 's/^ *# *include *"\([a-z_]*\)\/.*/\1/p' "$1" | while read -r room; do
        case ",$2," in *",$room,"*) ;; *) echo "$1: includes a private header of room $room: use its public header, or move code" ;; esac
    done
    sed -n 's/^ *# *include *<ito\/\([a-z_.]*\)>.*/\1/p' "$1" | while read -r header; do
        room=$(room_of_header "$header")
        case ",$2,all," in *",$room,"* | *,public,*) ;; *) echo "$1: includes <ito/$header> of room $room, which it may not use" ;; esac
    done
}

failures=$(
    for rule in "$@"; do
        room=${rule%%:*}
        allowed=${rule#*:}
        for file in src/"$room"/*.[ch] src/"$room"/*/*.[ch]; do
            [ ! -e "$file" ] || complain "$file" "$allowed"
        done
        for file in include/ito/*.h; do
            [ "$(basename "$file")" = ito.h ] || [ "$(room_of_header "$(basename "$file")")" != "$room" ] || complain "$file" "$allowed"
        done
    done
    for file in src/cli/*.[ch] src/studio/*.[ch]; do
        [ ! -e "$file" ] || complain "$file" public
    done
)
[ -z "$failures" ] && exit 0
echo "$failures"
exit 1
