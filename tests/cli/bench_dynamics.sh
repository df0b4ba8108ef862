# SPDX-License-Identifier: Apache-2.0
# ito bench dynamics: what it tells, and what it says to a wrong command line. Speeds are printed, not judged: the
# machine may do other work. Only the plain loop, whatever the load, has to be slower.
. tests/cli/claims.sh

SHORT="bench dynamics --runs 1 --count 1000 --steps 50 --quiet"
# number KEY: of the JSON in $HERE/out.
number() { sed -n "s/^.*\"$1\":[^-0-9]*\([-0-9.e+]*\).*/\1/p" "$HERE/out"; }

dynamics_is_measured() {
    # shellcheck disable=SC2086
    run 0 $SHORT --json || return 1
    for key in threads uniforms_per_s normals_per_s plain_normals_per_s copy_s predictor_step_s langevin_step_s \
        predictor_step_copies langevin_step_copies mixture_s mixture_score_s mixture_noise_s; do
        REASON="$key is \"$(number $key)\""
        awk -v v="$(number $key)" 'BEGIN { exit !(v > 0) }' || return 1
    done
}
vectorized_normals_are_those_of_a_plain_loop() {
    REASON="difference $(number normals_difference)"
    MEASURED="largest difference $(number normals_difference), bound 1e-14; $(number normals_ratio) times as fast"
    awk -v v="$(number normals_difference)" -v r="$(number normals_ratio)" 'BEGIN { exit !(v < 1e-14 && r > 1) }'
}
table_is_printed() {
    # shellcheck disable=SC2086
    run 0 $SHORT --threads 1 && out_says 'thread' && out_says '^normals .*/s .* x a plain loop' &&
        out_says '^langevin and reverse_diffusion .* copies$' && out_says '1000 points, 50 steps'
}
nearest_subject_is_named() { run 2 bench dynamcs && error_says 'dynamcs' 'dynamics'; }
words_are_counted() {
    run 2 bench dynamics more && error_says 'ito bench dynamics' && run 2 bench network &&
        error_says 'ito bench network RECIPE'
}
too_many_points_are_refused() {
    # shellcheck disable=SC2086
    run 1 $SHORT --count 1000000000000000000 && error_says '--count'
}

claim dynamics_is_measured
claim vectorized_normals_are_those_of_a_plain_loop
claim table_is_printed
claim nearest_subject_is_named
claim words_are_counted
claim too_many_points_are_refused
finish
