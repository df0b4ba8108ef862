# SPDX-License-Identifier: Apache-2.0
# Timings of convolutions: when they are measured, where they are kept, and what they may change.
. tests/cli/claims.sh

MODEL=models/fashion.safetensors
CACHE=$XDG_CACHE_HOME/ito/tuning.txt
FIRST="ito-tuning 1"

# sample OUT ARGUMENTS...: a picture by few steps. One thread and one image make runs so short that a busy machine
# seldom interrupts them.
sample() {
    out=$1
    shift
    run 0 sample "$MODEL" -n 1 --threads 1 --sampler dpmpp_2m --steps 4 --quiet --out "$HERE/$out" "$@"
}
entries() { grep -c conv2d "$1"; }
# keeps FILE COMMAND...: it holds timings after the command; a machine that interrupts every run has several tries.
keeps() {
    file=$1
    shift
    for try in 1 2 3 4 5 6; do
        "$@" || return 1
        MEASURED="try $try"
        present "$file" && [ "$(head -n 1 "$file")" = "$FIRST" ] && [ "$(entries "$file")" -gt 0 ] && return 0
    done
    REASON="$file holds no timings"
    return 1
}

a_few_calls_are_not_worth_timing() { sample few.npz && absent "$CACHE"; }
exact_and_no_measure_nothing() {
    sample exact.npz --exact && sample no.npz --tuning no && absent "$CACHE" "$HERE/no"
}
timings_are_kept_in_the_cache() { keeps "$CACHE" sample tuned.npz --tuning yes; }
long_jobs_measure_by_themselves() {
    mv "$CACHE" "$HERE/aside" && keeps "$CACHE" run 0 bench network recipes/fashion/tiny.yaml \
        --set network.nf=16 --threads 1 --batch 1 --runs 1 --no-limit --quiet && mv "$HERE/aside" "$CACHE"
}
a_second_run_adds_nothing() {
    # until nothing is left that a busy machine made a run leave out
    for try in 1 2 3 4 5 6; do
        before=$(entries "$CACHE")
        sample tuned.npz --tuning yes || return 1
        [ "$(entries "$CACHE")" -eq "$before" ] && break
    done
    cp "$CACHE" "$HERE/before" && sample again.npz --tuning yes && same "$CACHE" "$HERE/before" &&
        close_images "$HERE/tuned.npz" "$HERE/again.npz" 0 && MEASURED="$MEASURED; $before convolutions"
}
a_damaged_file_is_written_anew() {
    printf 'ito-tuning 1\nhalf an ent' >"$HERE/damaged"
    keeps "$HERE/damaged" sample damaged.npz --tuning "$HERE/damaged"
}
a_foreign_file_is_written_anew() {
    head -c 4096 "$MODEL" >"$HERE/foreign"
    keeps "$HERE/foreign" sample foreign.npz --tuning "$HERE/foreign"
}
two_at_once_do_no_harm() {
    "$ITO" sample "$MODEL" -n 1 --threads 1 --sampler dpmpp_2m --steps 4 --quiet --tuning "$HERE/both" --out "$HERE/b.npz" \
        >/dev/null 2>&1 &
    keeps "$HERE/both" sample a.npz --tuning "$HERE/both" && wait $! && absent "$HERE"/both.*.part
}
without_a_cache_there_are_no_timings() {
    XDG_CACHE_HOME=/dev/null/cache sample nowhere.npz --tuning yes && [ ! -s "$HERE/err" ] &&
        close_images "$HERE/no.npz" "$HERE/nowhere.npz" 0
}
a_file_that_cannot_be_written_is_wrong() {
    run 1 sample "$MODEL" -n 1 --quiet --out "$HERE/x.npz" --tuning /no/such/folder/file &&
        error_says "/no/such/folder" && absent "$HERE/x.npz"
}

# What rounding does to pictures: Winograd against direct sums, and chosen by timing against the rule. A value that
# lies at the edge between two levels falls to either side.
differ_little() {
    grey=$("$HELPER" grey "$1") && mean=$("$HELPER" mean "$1" "$2") && close_images "$1" "$2" 1 || return 1
    MEASURED="$MEASURED; mean ${mean}e-6, bound 2000e-6; $grey % of the values between black and white"
    REASON=$MEASURED
    [ "$mean" -le 2000 ] && [ "$grey" -ge 10 ]
}
pictures() {
    out=$1
    shift
    run 0 sample "$MODEL" -n 4 --sampler dpmpp_2m --steps 10 --seed 3 --quiet --out "$HERE/$out" "$@"
}
winograd_changes_no_picture() {
    pictures exact4.npz --exact && pictures no4.npz --tuning no && differ_little "$HERE/exact4.npz" "$HERE/no4.npz"
}
timings_change_no_picture() {
    pictures tuned4.npz --tuning yes && differ_little "$HERE/exact4.npz" "$HERE/tuned4.npz"
}

for c in a_few_calls_are_not_worth_timing exact_and_no_measure_nothing timings_are_kept_in_the_cache \
    long_jobs_measure_by_themselves a_second_run_adds_nothing a_damaged_file_is_written_anew \
    a_foreign_file_is_written_anew two_at_once_do_no_harm without_a_cache_there_are_no_timings \
    a_file_that_cannot_be_written_is_wrong winograd_changes_no_picture timings_change_no_picture; do
    claim $c
done
finish
