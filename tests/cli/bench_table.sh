# SPDX-License-Identifier: Apache-2.0
# What `make bench` makes of its measurements, with a program in ito's place whose numbers are known, and no peers: the
# table, the page, and notes on what failed.
. tests/cli/claims.sh

command -v python3 >/dev/null || {
    echo "ok      python3 is absent: make bench needs it"
    exit 0
}
export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$HERE/build"
# Each call gives another time, so that the median of turns shows; no bfloat16, and no memory for 64x64.
cat >"$HERE/build/ito" <<'END'
#!/bin/sh
here=$(dirname "$0")
case "$*" in
*"bench machine"*)
    echo '{"machine": {"cpu": "Abacus", "isa": "beads", "threads": 2, "version": "9.9.9", "commit": "c0ffee", "onednn": "1.2.3"},
           "peak_f32_flop_per_s": 2e11, "peak_bf16_flop_per_s": 0, "copy_bytes_per_s": 3e10}' ;;
*bf16*)
    echo 'ito: --precision: no beads for bf16: use f32' >&2
    exit 1 ;;
*image_size=64*)
    echo 'ito: --batch: memory ran out: use a smaller one' >&2
    exit 1 ;;
*"bench network"*)
    echo x >>"$here/calls"
    echo "{\"forward_s_per_image\": 0.0$(wc -l <"$here/calls")5, \"forward_gflop_per_s\": 50, \"train_step_s_per_image\": 0.25,
           \"train_step_gflop_per_s\": 100, \"conv_limit_train_s_per_image\": 0.2, \"pc_step_s\": 1, \"pc_step_overhead\": 0.004,
           \"train_extra_bytes_per_image\": 34e6, \"sampling_extra_bytes\": 56e6, \"peak_bytes\": 789e6}" ;;
esac
END
chmod +x "$HERE/build/ito"
printf 'Before\n<!-- measured -->\nold figures\n<!-- end -->\nAfter\n' >"$HERE/page.md"

table() {
    status=0
    scripts/bench.sh "$HERE/build" --alone "$@" >"$HERE/out" 2>"$HERE/err" || status=$?
    REASON="exit status $status: $(tail -n 1 "$HERE/err")"
    return $status
}
row() {
    REASON="there is no row like $1: $(cat "$HERE/out")"
    tr -s ' ' <"$HERE/out" | grep -q -e "^| $1 |"
}

table_has_what_was_measured() {
    table --quick --page "$HERE/page.md" && row 'DDPM++ | 8 | float32 | forward, s an image | 0.015 | | 25 %' &&
        row 'DDPM++ | 8 | float32 | training step, s an image | 0.250 | 0.200 (80 %) | 50 %' &&
        row 'NCSN++ | 8 | float32 | training memory, MB an image | 34 | |' &&
        row 'small | 64 | float32 | sampling memory, MB | 56 | |' && row 'small | 64 | float32 | sampler overhead, % .* | 0.40 | |' &&
        row 'cold start | 1 | float32 | first image, .* s | 0.[0-9]* | |' && row 'small, 2 threads | 64 | .*' &&
        row 'small, by batch | 64 | .*'
}
machine_and_versions_are_told() { out_says 'Abacus, beads, 2 threads, peak 200 GFLOP/s float32, copying memory 30 GB/s; ito 9.9.9 (commit c0ffee), oneDNN 1.2.3'; }
failures_are_noted() { out_says '^- bfloat16 .* no beads' && out_says '^- .*image_size=64: .* memory ran out'; }
page_has_the_table_between_its_marks() {
    REASON="the page is $(cat "$HERE/page.md")"
    sed '/^<!-- measured -->$/,/^<!-- end -->$/d' "$HERE/page.md" | tr '\n' ' ' | grep -q '^Before After $' &&
        ! grep -q 'old figures' "$HERE/page.md" && [ "$(grep -c '^| DDPM++ ' "$HERE/page.md")" -gt 3 ]
}
numbers_are_kept() { grep -q '"rounds"' "$HERE/build/bench/results.json"; }
quick_look_leaves_the_page_alone() {
    cp docs/performance.md "$HERE/was.md" && table --quick || return 1
    REASON="docs/performance.md changed"
    cmp -s docs/performance.md "$HERE/was.md"
}
page_without_marks_is_refused() {
    echo 'no marks' >"$HERE/bare.md"
    ! table --quick --page "$HERE/bare.md" && grep -q 'bare.md: has no marks' "$HERE/err" && grep -q '^no marks$' "$HERE/bare.md"
}

claim table_has_what_was_measured
claim machine_and_versions_are_told
claim failures_are_noted
claim page_has_the_table_between_its_marks
claim numbers_are_kept
claim quick_look_leaves_the_page_alone
claim page_without_marks_is_refused
finish
