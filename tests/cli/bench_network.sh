# SPDX-License-Identifier: Apache-2.0
# ito bench network and ito bench machine: what they tell. Speeds are printed, not judged: the machine may do other work.
. tests/cli/claims.sh

# number KEY: the last of the JSON in $HERE/out.
number() { sed -n "s/^.*\"$1\":[^-0-9]*\([-0-9.e+]*\).*/\1/p" "$HERE/out" | tail -n 1; }
# hold CONDITION: awk's, over the numbers named in it.
hold() {
    condition=$1
    for key in $(echo "$1" | grep -o '[a-z][a-z0-9_]*'); do
        REASON="$key is \"$(number "$key")\", not $1"
        [ -n "$(number "$key")" ] || return 1
        condition=$(echo "$condition" | sed "s/\<$key\>/($(number "$key"))/g")
    done
    awk "BEGIN { exit !($condition) }"
}
SMALL="bench network recipes/fashion/tiny.yaml --set network.nf=8 --batch 2 --quiet"

network_is_measured() {
    # shellcheck disable=SC2086
    run 0 $SMALL --runs 1 --json --profile || return 1
    for key in forward_s_per_image train_step_s_per_image input_gradient_s_per_image peak_bytes parameters \
        flops_per_image conv_limit_forward_s_per_image conv_limit_train_s_per_image forward_gflop_per_s; do
        hold "$key > 0" || return 1
    done
    out_says '"forward_profile"' && out_says '"kind"'
}
sampler_step_is_a_corrector_and_a_predictor() {
    MEASURED="$(number pc_step_overhead) of the network's time beside it"
    hold 'pc_step_calls == 2' && hold 'pc_step_overhead > 0' && hold 'pc_step_network_s > 0' &&
        hold 'pc_step_s > pc_step_network_s'
}
sampling_takes_memory() { hold 'sampling_extra_bytes > 0' && hold 'sampling_extra_bytes < peak_bytes'; }
machine_and_versions_are_named() {
    hold 'threads > 0' && out_says '"isa":.*"[a-z]' && out_says '"version":.*"[0-9]' && out_says '"onednn":.*"[0-9]' &&
        out_says '"commit":'
}
table_is_printed() {
    # shellcheck disable=SC2086
    run 0 $SMALL --runs 1 --no-limit && out_says '^training step ' && out_says '^sampler step .* 2 calls' &&
        out_says '^training memory ' && out_says '^sampling memory '
}
# Five blocks of weights are more than the program, so they cannot hide in what is beyond them; the workspace is there.
training_memory_is_beyond_its_blocks() {
    run 0 bench network recipes/fashion/tiny.yaml --set network.nf=64 --batch 1 --runs 1 --only train --no-limit --quiet \
        --json || return 1
    MEASURED="$(number train_extra_bytes_per_image) of $(number peak_bytes), $(number parameters) parameters"
    hold 'peak_bytes > 20 * parameters + train_extra_bytes_per_image' &&
        hold 'train_extra_bytes_per_image > 0.5 * train_step_plan_bytes' &&
        hold 'train_extra_bytes_per_image < 2 * train_step_plan_bytes + 40000000'
}
only_what_is_wanted_is_measured() {
    # shellcheck disable=SC2086
    run 0 $SMALL --runs 1 --no-limit --only forward,sampler --json || return 1
    hold 'forward_s_per_image > 0' && hold 'pc_step_calls == 2' && hold 'flops_per_image > 0' || return 1
    REASON="training or a gradient is told of"
    ! out_says 'train_step_s_per_image' && ! out_says 'input_gradient_s_per_image' && ! out_says '"peak_bytes"'
}
unknown_work_is_refused() {
    # shellcheck disable=SC2086
    run 1 $SMALL --only forward,backward && error_says '--only' 'backward' 'gradient'
}
peaks_are_measured() {
    run 0 bench machine --runs 1 --threads 1 --json --quiet || return 1
    MEASURED="$(number peak_f32_flop_per_s) FLOP/s float32, $(number peak_bf16_flop_per_s) bfloat16"
    hold 'copy_bytes_per_s > 0' && hold 'threads == 1' && hold 'peak_bf16_flop_per_s >= 0' || return 1
    # Without AVX2 there is no loop.
    out_says '"isa":.*"plain"' || hold 'peak_f32_flop_per_s > 1000000000'
}
peaks_are_printed() {
    run 0 bench machine --runs 1 --quiet && out_says 'oneDNN' && out_says '^copying memory .* .B/s$'
}
machine_takes_no_more_words() { run 2 bench machine more && error_says 'ito bench machine'; }

# Processors that single threads of a run are pinned to, in a line.
pinned_processors() {
    env "$@" "$ITO" bench network recipes/fashion/ddpmpp_vp.yaml --batch 64 --no-limit --quiet >/dev/null 2>&1 &
    running=$!
    seen=
    for _ in 1 2 3 4 5; do
        sleep 0.2
        seen=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\)$/\1/p' /proc/$running/task/*/status | sort -n | tr '\n' ' ')
        [ -z "$seen" ] || break
    done
    kill $running
    wait $running || true
}
all_processors=$(env -u OMP_NUM_THREADS nproc)
threads_are_pinned_where_they_fill_the_machine() {
    [ "$all_processors" -gt 1 ] || return 0
    pinned_processors OMP_NUM_THREADS="$all_processors"
    # shellcheck disable=SC2086
    set -- $seen
    MEASURED="processor $seen"
    [ $# -eq $((all_processors - 1)) ] && [ "$(printf '%s\n' "$@" | uniq | wc -l)" -eq $# ]
}
environment_decides_where_threads_run() {
    pinned_processors OMP_NUM_THREADS="$all_processors" OMP_PROC_BIND=false
    [ -z "$seen" ]
}
fewer_threads_may_move() {
    pinned_processors OMP_NUM_THREADS=1
    [ -z "$seen" ]
}

claim network_is_measured
claim sampler_step_is_a_corrector_and_a_predictor
claim sampling_takes_memory
claim machine_and_versions_are_named
claim table_is_printed
claim training_memory_is_beyond_its_blocks
claim only_what_is_wanted_is_measured
claim unknown_work_is_refused
claim peaks_are_measured
claim peaks_are_printed
claim machine_takes_no_more_words
claim threads_are_pinned_where_they_fill_the_machine
claim environment_decides_where_threads_run
claim fewer_threads_may_move
finish
