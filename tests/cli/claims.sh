# SPDX-License-Identifier: Apache-2.0
# Sourced by the stories: `sh STORY.sh ITO HELPER FOLDER`. A story is a list of claims; each prints one line, and the
# story fails when one of them does.
ITO=$1
HELPER=$2
HERE=$3
FAILED=0
# Several stories may share the processors: threads that wait shall not take the time of those that work.
export OMP_WAIT_POLICY=passive
# Timings of convolutions stay in the folder of the story.
export XDG_CACHE_HOME="$HERE/cache"
rm -rf "$HERE"
mkdir -p "$HERE"

# The smallest network and data on which the program does all it does; 600 images of random bytes.
DATA=$HERE/data
TINY="recipes/fashion/tiny.yaml --threads 2 --set data.path=$DATA --set network.nf=8 --set training.warmup=10
  --set training.sample_count=4"
make_data() {
    mkdir -p "$DATA"
    "$HELPER" idx "$DATA" 600
}

# run STATUS ITO-ARGUMENTS...: runs ito into $HERE/out and $HERE/err and holds it to its exit status.
run() {
    expected=$1
    shift
    status=0
    # shellcheck disable=SC2086
    "$ITO" "$@" >"$HERE/out" 2>"$HERE/err" || status=$?
    [ "$status" -eq "$expected" ] && return 0
    REASON="exit status $status instead of $expected: ito $*: $(tail -n 1 "$HERE/err")"
    return 1
}

# A limit on the size of files stands for a full disk: the write fails in the middle of the file.
# limited BLOCKS STATUS ARGUMENTS...   (blocks of 512 bytes)
limited() {
    blocks=$1
    shift
    (
        ulimit -f "$blocks"
        run "$@"
        result=$?
        echo "$REASON" >"$HERE/reason"
        exit $result
    ) && return 0
    REASON=$(cat "$HERE/reason")
    return 1
}

# The last line on stderr is the one error line; --quiet lets no other through.
error_says() {
    [ "$(wc -l <"$HERE/err")" -eq 1 ] || {
        REASON="stderr has $(wc -l <"$HERE/err") lines instead of one: $(head -c 300 "$HERE/err")"
        return 1
    }
    for word in "$@"; do
        grep -q -e "^ito: .*$word" "$HERE/err" || {
            REASON="the message does not say \"$word\": $(cat "$HERE/err")"
            return 1
        }
    done
}

out_says() {
    grep -q -e "$1" "$HERE/out" || {
        REASON="the result does not say \"$1\": $(head -c 300 "$HERE/out")"
        return 1
    }
}

absent() {
    for path in "$@"; do
        [ ! -e "$path" ] || {
            REASON="$path exists"
            return 1
        }
    done
}

present() {
    for path in "$@"; do
        [ -s "$path" ] || {
            REASON="$path is missing or empty"
            return 1
        }
    done
}

same() {
    cmp -s "$1" "$2" || {
        REASON="$1 and $2 differ"
        return 1
    }
}

# close_images A.npz B.npz BOUND: the largest difference of two sets of pictures, in grey levels.
close_images() {
    difference=$("$HELPER" difference "$1" "$2") || {
        REASON="$1 and $2 cannot be compared"
        return 1
    }
    REASON="$1 and $2 differ by $difference levels, bound $3"
    MEASURED="largest difference $difference levels, bound $3"
    [ "$difference" -le "$3" ]
}

# claim NAME: runs the function of that name.
claim() {
    REASON=
    MEASURED=
    if "$1"; then
        echo "ok      $1${MEASURED:+: $MEASURED}"
    else
        echo "FAILED  $1: $REASON"
        FAILED=1
    fi
}

finish() {
    exit $FAILED
}
