# SPDX-License-Identifier: Apache-2.0
# Likelihoods: against exact densities, and a table that outlives a killed program.
. tests/cli/claims.sh
make_data

MODEL=$HERE/model/model.safetensors
# shellcheck disable=SC2086
"$ITO" train $TINY --batch 8 --steps 20 --set training.lr=5e-3 --out "$HERE/model" --quiet >/dev/null || exit 1

# likelihood OUT ARGUMENTS...: 12 images in batches of 2.
IMAGES="--data test -n 12 --batch 2 --threads 1 --rtol 1e-2 --atol 1e-2 --quiet"
likelihood() {
    out=$1
    shift
    # shellcheck disable=SC2086
    run 0 likelihood "$MODEL" $IMAGES --out "$HERE/$out" "$@"
}
# number KEY: of the JSON in $HERE/out.
number() { sed -n "s/^.*\"$1\":[^-0-9n]*\([-0-9.e+nul]*\).*/\1/p" "$HERE/out"; }
# below VALUE BOUND: the absolute value.
below() { awk -v v="$1" -v b="$2" 'BEGIN { exit !(v < b && v > -b) }'; }
rows() { grep -c -e '^[0-9]' "$1"; }

mixture_has_its_exact_likelihood() {
    worst=0
    for name in 8gaussians moons; do
        run 0 likelihood gmm:$name -n 50 --rtol 1e-9 --atol 1e-9 --json --quiet --out "$HERE/$name.csv" || return 1
        difference=$(number largest_difference)
        MEASURED="$MEASURED$name $difference, bound 1e-3 "
        REASON=$MEASURED
        below "$difference" 1e-3 || return 1
    done
}
every_sde_gives_the_same_density() {
    for sde in ve subvp ou edm contractive_subvp; do
        run 0 likelihood gmm:8gaussians -n 20 --set sde.type=$sde --json --quiet --out "$HERE/$sde.csv" || return 1
        difference=$(number difference)
        MEASURED="$MEASURED$sde $difference "
        REASON="$MEASURED, bound 0.02"
        below "$difference" 0.02 || return 1
    done
    MEASURED="${MEASURED}bound 0.02"
}
# Probes are unbiased: 5 of their standard errors, 1e-6 likely to be left by chance, and 1e-3 for the solver.
probes_estimate_the_exact_trace() {
    run 0 likelihood gmm:moons -n 40 --json --quiet --out "$HERE/trace.csv" || return 1
    exact=$(number nats)
    for kind in rademacher gaussian; do
        run 0 likelihood gmm:moons -n 40 --divergence $kind --probes 30 --json --quiet --out "$HERE/$kind.csv" || return 1
        bound=$(awk -v e="$(number standard_error_probes)" 'BEGIN { print 5 * e * 2 * log(2) + 1e-3 }')
        difference=$(awk -v a="$(number nats)" -v b="$exact" 'BEGIN { print a - b }')
        MEASURED="$MEASURED$kind $difference, bound $bound "
        REASON=$MEASURED
        below "$difference" "$bound" || return 1
    done
}
images_have_bits_per_dim() {
    likelihood a.csv --json && for key in bits_per_dim standard_error nfe n offset_bits; do
        out_says "\"$key\":.*[1-9]" || return 1
    done
    REASON="$(rows "$HERE/a.csv") rows"
    [ "$(rows "$HERE/a.csv")" -eq 12 ]
}
bits_are_those_of_the_log_density() {
    worst=$(awk -F, '/^[0-9]/ { d = $4 - (7 - $3 / (1024 * log(2))); if (d < 0) d = -d; if (d > w) w = d } END { print w + 0 }' \
        "$HERE/a.csv")
    MEASURED="largest difference $worst, bound 1e-12"
    REASON=$MEASURED
    below "$worst" 1e-12
}
same_command_reads_the_results() {
    cp "$HERE/a.csv" "$HERE/kept.csv" && cp "$HERE/out" "$HERE/kept.json"
    likelihood a.csv --json && same "$HERE/a.csv" "$HERE/kept.csv" && same "$HERE/out" "$HERE/kept.json"
}
killed_run_goes_on() {
    # shellcheck disable=SC2086
    "$ITO" likelihood "$MODEL" $IMAGES --out "$HERE/killed.csv" >/dev/null 2>&1 &
    child=$!
    while kill -0 $child 2>/dev/null && [ "$(rows "$HERE/killed.csv" 2>/dev/null || true)0" -lt 40 ]; do sleep 0.02; done
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    before=$(rows "$HERE/killed.csv")
    MEASURED="killed after $before of 12 rows"
    REASON="it was over before it was killed"
    [ "$before" -lt 12 ] && likelihood killed.csv && same "$HERE/killed.csv" "$HERE/a.csv"
}
stopped_run_goes_on() {
    # shellcheck disable=SC2086
    "$ITO" likelihood "$MODEL" $IMAGES --out "$HERE/stopped.csv" >/dev/null 2>"$HERE/err" &
    child=$!
    while kill -0 $child 2>/dev/null && [ "$(rows "$HERE/stopped.csv" 2>/dev/null || true)0" -lt 20 ]; do sleep 0.02; done
    kill -TERM $child
    status=0
    wait $child || status=$?
    REASON="exit status $status"
    [ $status -eq 1 ] && error_says 'likelihood: stopped on request: the same command goes on after' 'of 12 images' &&
        likelihood stopped.csv && same "$HERE/stopped.csv" "$HERE/a.csv"
}
# shellcheck disable=SC2086
full_disk_stops_and_goes_on() {
    size=$(wc -c <"$HERE/a.csv")
    limited $((size / 512 - 1)) 1 likelihood "$MODEL" $IMAGES --out "$HERE/full.csv" && error_says 'full.csv' 'cannot be written' &&
        likelihood full.csv && same "$HERE/full.csv" "$HERE/a.csv"
}
torn_ends_are_repaired() {
    size=$(wc -c <"$HERE/a.csv")
    for bytes in 0 20 $((size / 2)) $((size - 300)) $((size - 40)) $((size - 1)); do
        head -c $bytes "$HERE/a.csv" >"$HERE/torn.csv"
        likelihood torn.csv && same "$HERE/torn.csv" "$HERE/a.csv" || return 1
    done
}
larger_count_goes_on() {
    likelihood more.csv -n 5 && likelihood more.csv && same "$HERE/more.csv" "$HERE/a.csv"
}
smaller_count_reads_the_first() {
    likelihood a.csv -n 4 --json && same "$HERE/a.csv" "$HERE/kept.csv" && out_says '"n":.*4'
}
# differs SETTING ARGUMENTS...
differs() {
    setting=$1
    shift
    # shellcheck disable=SC2086
    run 1 likelihood "$MODEL" $IMAGES --out "$HERE/a.csv" "$@" && error_says "a.csv: holds results for $setting " &&
        same "$HERE/a.csv" "$HERE/kept.csv"
}
other_settings_are_refused_by_name() {
    differs probes --probes 2 && differs rtol --rtol 1e-3 && differs seed --seed 1 && differs data --data train &&
        differs batch --batch 3 && differs divergence --divergence gaussian && differs sde.beta_max --set sde.beta_max=19
}
other_weights_are_refused() { # the averaged weights are still those of the start
    # shellcheck disable=SC2086
    run 0 likelihood "$HERE/model" $IMAGES -n 2 --out "$HERE/w.csv" &&
        run 1 likelihood "$HERE/model" $IMAGES -n 2 --weights live --out "$HERE/w.csv" && error_says 'weights'
}
# shellcheck disable=SC2086
other_contents_are_refused() {
    run 0 sample "$MODEL" -n 2 --steps 24 --quiet --out "$HERE/s.npz" && likelihood c.csv --data "$HERE/s.npz" -n 1 &&
        run 0 sample "$MODEL" -n 2 --steps 24 --seed 1 --quiet --out "$HERE/s.npz" &&
        run 1 likelihood "$MODEL" $IMAGES --data "$HERE/s.npz" -n 1 --out "$HERE/c.csv" && error_says 'contents of data'
}
other_files_are_refused() {
    echo hello >"$HERE/other.csv"
    # shellcheck disable=SC2086
    run 1 likelihood "$MODEL" $IMAGES --out "$HERE/other.csv" && error_says 'other.csv' 'no result of ito likelihood' &&
        grep -q hello "$HERE/other.csv"
}
dequantizations_have_an_error() {
    likelihood d.csv -n 2 --dequantizations 3 --json && out_says '"standard_error_dequantization":.*[1-9]' &&
        out_says '"n":.*2' || return 1
    REASON="$(rows "$HERE/d.csv") rows"
    [ "$(rows "$HERE/d.csv")" -eq 6 ]
}
files_of_images_are_measured() {
    run 0 sample "$MODEL" -n 2 --steps 24 --quiet --out "$HERE/s.npz" &&
        likelihood file.csv --data "$HERE/s.npz" -n 2 --json && out_says '"n":.*2' &&
        run 1 likelihood "$MODEL" --data "$HERE/s.npz" -n 3 --quiet --out "$HERE/f2.csv" && error_says 'has 2'
}
bundled_model_is_measured() {
    run 0 likelihood fashion --data train -n 1 --rtol 0.1 --atol 0.1 --quiet --json --set data.path="$DATA" \
        --out "$HERE/fashion.csv" && out_says '"bits_per_dim":.*[0-9]'
}
unknown_density_names_the_nearest() {
    run 1 likelihood gmm:8gausians && error_says 'gmm:8gausians' 'did you mean gmm:8gaussians'
}
unknown_density_lists_the_known() {
    run 1 likelihood gmm:zzzzzzzzzzzz && error_says 'gmm:zzzzzzzzzzzz' 'gmm:swissroll, gmm:checkerboard'
}
wrong_settings_of_a_density_are_named() {
    run 1 likelihood gmm:moons --set sde.type=vq && error_says '--set sde.type=vq' 'subvp, ou' &&
        run 1 likelihood gmm:moons --set sde.type=affine && error_says 'affine' &&
        run 1 likelihood gmm:moons --set sde.type=ou --set sde.theta=-1 && error_says 'theta' &&
        run 1 likelihood gmm:moons --set training.lr=1 && error_says 'training.lr' 'no such field' &&
        run 1 likelihood gmm:moons --data test && error_says 'no data set'
}
density_is_described() {
    run 0 info gmm:moons --set sde.type=edm && out_says '^density  *gmm:moons' && out_says '^sde  *edm' &&
        run 0 info gmm:moons --json && out_says '"kind":.*"density"' && run 1 info gmm:moons --recipe && error_says '--recipe'
}
bad_tolerance_is_named() { run 1 likelihood gmm:moons --rtol 0 --quiet --out "$HERE/t.csv" && error_says 'rtol'; }

claim mixture_has_its_exact_likelihood
claim every_sde_gives_the_same_density
claim probes_estimate_the_exact_trace
claim images_have_bits_per_dim
claim bits_are_those_of_the_log_density
claim same_command_reads_the_results
claim killed_run_goes_on
claim stopped_run_goes_on
claim full_disk_stops_and_goes_on
claim torn_ends_are_repaired
claim larger_count_goes_on
claim smaller_count_reads_the_first
claim other_settings_are_refused_by_name
claim other_weights_are_refused
claim other_contents_are_refused
claim other_files_are_refused
claim dequantizations_have_an_error
claim files_of_images_are_measured
claim bundled_model_is_measured
claim unknown_density_names_the_nearest
claim unknown_density_lists_the_known
claim wrong_settings_of_a_density_are_named
claim density_is_described
claim bad_tolerance_is_named
finish
