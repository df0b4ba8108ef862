# SPDX-License-Identifier: Apache-2.0
# Points from analytic densities, and every sampler by name.
. tests/cli/claims.sh

# points OUT ARGUMENTS...
points() {
    out=$1
    shift
    run 0 sample gmm:8gaussians --seed 3 --quiet --threads 2 --out "$HERE/$out" "$@"
}

# draws_the_ring FILE.npz: of the exact law 99.97 % lie within 4 deviations of the nearest Gaussian; of 400 points a
# Gaussian has less than 5 % once in 3e7 samplers.
draws_the_ring() {
    shares=$("$HELPER" ring "$1") || {
        REASON="$1 holds no points"
        return 1
    }
    near=${shares% *}
    rarest=${shares#* }
    REASON="${name:-}: $near % near a Gaussian, bound 96; $rarest % at the rarest, bound 5"
    [ "$near" -ge 96 ] && [ "$rarest" -ge 5 ]
}

# listed TITLE: the names that --help lists under it.
listed() {
    "$ITO" help sample | sed -n "/^$1:\$/,/^\$/p" | grep -o -e '^  [^ ][^ ]*' | tr -d ' '
}

a_density_samples_like_a_model() {
    points one.png -n 400 --json && out_says '"files":' && out_says '"n":.*400' && out_says '"nfe":.*1000' &&
        draws_the_ring "$HERE/one.npz"
}
picture_reads_back() {
    size=$("$HELPER" picture "$HERE/one.png")
    REASON="the picture is $size"
    [ "$size" = "720 720" ]
}
every_sampler_draws_the_ring() {
    worst=100 count=0
    for name in $(listed Samplers); do
        points s.npz -n 400 --sampler "$name" && draws_the_ring "$HERE/s.npz" || return 1
        [ "$near" -ge "$worst" ] || worst=$near
        count=$((count + 1))
    done
    MEASURED="$count samplers, at least $worst % near a Gaussian, bound 96"
    REASON="only $count samplers are listed"
    [ $count -ge 6 ]
}
every_predictor_draws_the_ring() {
    worst=100
    for name in $(listed Predictors); do
        [ "$name" = none ] && continue
        points p.npz -n 400 --predictor "$name" --steps 400 && draws_the_ring "$HERE/p.npz" || return 1
        [ "$near" -ge "$worst" ] || worst=$near
    done
    MEASURED="at least $worst % near a Gaussian, bound 96"
}
every_sde_draws_the_ring() {
    for name in ve vp subvp ou contractive_ou contractive_subvp edm; do
        points e.npz -n 400 --set sde.type=$name --sampler ode && draws_the_ring "$HERE/e.npz" || return 1
    done
}
every_point_set_has_a_density() {
    for name in $(listed 'Point sets, as gmm:NAME'); do
        run 0 sample gmm:"$name" -n 20 --steps 10 --quiet --out "$HERE/set.npz" || return 1
    done
}
corrector_averages_over_the_batch() {
    points c.npz -n 400 --predictor reverse_diffusion --corrector langevin --set sde.type=ve && draws_the_ring "$HERE/c.npz"
}
points_depend_on_neither_batch_nor_threads() {
    points a.npz -n 100 --steps 50 && points b.npz -n 100 --steps 50 --batch 7 && same "$HERE/a.npz" "$HERE/b.npz" &&
        points b.npz -n 100 --steps 50 --threads 1 && same "$HERE/a.npz" "$HERE/b.npz" || return 1
    for name in dpmpp_sde_2m srk_weak2 ode_per_sample; do
        points c.npz -n 100 --sampler $name && points d.npz -n 100 --sampler $name --batch 9 --threads 3 &&
            same "$HERE/c.npz" "$HERE/d.npz" || return 1
    done
}
later_points_are_drawn_alone() {
    points a.csv -n 10 --steps 50 && points b.csv -n 4 --first 6 --steps 50 || return 1
    tail -n 4 "$HERE/a.csv" >"$HERE/a.tail" && tail -n 4 "$HERE/b.csv" >"$HERE/b.tail" && same "$HERE/a.tail" "$HERE/b.tail"
}
table_has_a_line_for_each_point() {
    REASON="the table has $(wc -l <"$HERE/a.csv") lines and begins with $(head -n 1 "$HERE/a.csv")"
    [ "$(wc -l <"$HERE/a.csv")" -eq 11 ] && [ "$(head -n 1 "$HERE/a.csv")" = x,y ]
}
array_alone_is_written() { points only.npy -n 10 --steps 50 && present "$HERE/only.npy" && absent "$HERE/only.png"; }
folder_gets_picture_and_array() {
    points folder -n 10 --steps 50 && present "$HERE/folder/samples.png" "$HERE/folder/samples.npz"
}
trajectory_is_a_row_of_panels() {
    points t.png -n 100 --steps 50 --trajectory "$HERE/way.png" --columns 4 --animation "$HERE/way.webp" &&
        present "$HERE/way.webp" || return 1
    size=$("$HELPER" picture "$HERE/way.png")
    REASON="the trajectory is $size"
    [ "$size" = "1040 260" ]
}
films_change_no_sample() { points u.png -n 100 --steps 50 && same "$HERE/t.npz" "$HERE/u.npz"; }
default_is_2000_points() { run 0 sample gmm:moons --steps 5 --quiet --json --out "$HERE/m.npz" && out_says '"n":.*2000'; }

# What the settings are made of.
preset_brings_its_steps() { points n.npz -n 5 --sampler dpmpp_2m --json && out_says '"nfe":.*20\b'; }
option_overrides_the_preset() { points n.npz -n 5 --sampler dpmpp_2m --steps 7 --json && out_says '"nfe":.*7\b'; }
kind_takes_the_recipe() {
    points n.npz -n 5 --sampler pc --set sampling.steps=11 --json && out_says '"nfe":.*11\b'
}
recipe_names_the_sampler() {
    points n.npz -n 5 --set sampling.sampler=ode --json && points o.npz -n 5 --sampler ode --json &&
        same "$HERE/n.npz" "$HERE/o.npz"
}
tolerance_costs_calls() {
    points n.npz -n 5 --sampler ode --rtol 1e-3 --atol 1e-3 --json && loose=$(grep nfe "$HERE/out" | tr -dc 0-9) &&
        points n.npz -n 5 --sampler ode --rtol 1e-8 --atol 1e-8 --json && tight=$(grep nfe "$HERE/out" | tr -dc 0-9) || return 1
    MEASURED="$loose and $tight calls"
    REASON=$MEASURED
    [ "$loose" -lt "$tight" ]
}
eta_0_takes_the_noise_away() {
    points n.npz -n 5 --predictor euler_maruyama --eta 0 --steps 50 &&
        points o.npz -n 5 --predictor euler_maruyama --probability-flow --steps 50 && same "$HERE/n.npz" "$HERE/o.npz"
}

# Wrong usage: exit 2, one line.
refused() {
    words=$1
    shift
    # shellcheck disable=SC2086
    run 2 sample gmm:8gaussians $words && error_says "$@"
}
unknown_sampler_names_the_nearest() { refused '--sampler dpmp_2m' '--sampler' 'did you mean dpmpp_2m'; }
unknown_sampler_lists_the_known() { refused '--sampler qqqqqqqqq' 'pc, ode' 'PC1000'; }
step_options_of_an_ode_are_refused() {
    refused '--sampler ode --predictor euler_maruyama' '--predictor: the sampler ode chooses its own steps' '--sampler pc' &&
        refused '--sampler ode --steps 10' '--steps: the sampler ode'
}
tolerance_of_a_grid_is_refused() { refused '--sampler P1000 --rtol 1e-3' '--rtol: the sampler P1000' '--sampler ode'; }
predictor_against_the_recipe_is_refused() {
    run 1 sample gmm:8gaussians --set sampling.sampler=ode --predictor ancestral --quiet --out "$HERE/x.npz" &&
        error_says '--predictor: the sampler ode' && absent "$HERE/x.npz"
}
options_of_images_are_refused() { refused '--crop 2' '--crop' 'points, not images' && refused '--zoom 2' '--zoom'; }
unknown_density_names_the_nearest() {
    run 1 sample gmm:8gausians --quiet && error_says 'gmm:8gausians' 'did you mean gmm:8gaussians'
}
unknown_density_lists_the_known() { run 1 sample gmm:qqqqqqqqq --quiet && error_says 'gmm:moons'; }

claim a_density_samples_like_a_model
claim picture_reads_back
claim every_sampler_draws_the_ring
claim every_predictor_draws_the_ring
claim every_sde_draws_the_ring
claim every_point_set_has_a_density
claim corrector_averages_over_the_batch
claim points_depend_on_neither_batch_nor_threads
claim later_points_are_drawn_alone
claim table_has_a_line_for_each_point
claim array_alone_is_written
claim folder_gets_picture_and_array
claim trajectory_is_a_row_of_panels
claim films_change_no_sample
claim default_is_2000_points
claim preset_brings_its_steps
claim option_overrides_the_preset
claim kind_takes_the_recipe
claim recipe_names_the_sampler
claim tolerance_costs_calls
claim eta_0_takes_the_noise_away
claim unknown_sampler_names_the_nearest
claim unknown_sampler_lists_the_known
claim step_options_of_an_ode_are_refused
claim tolerance_of_a_grid_is_refused
claim predictor_against_the_recipe_is_refused
claim options_of_images_are_refused
claim unknown_density_names_the_nearest
claim unknown_density_lists_the_known
finish
