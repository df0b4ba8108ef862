# SPDX-License-Identifier: Apache-2.0
# Latents: there, back, and on the way between two of them.
. tests/cli/claims.sh
make_data

MODEL=$HERE/model/model.safetensors
# shellcheck disable=SC2086
"$ITO" train $TINY --batch 8 --steps 20 --set training.lr=5e-3 --out "$HERE/model" --quiet >/dev/null || exit 1

TIGHT="--rtol 1e-9 --atol 1e-9"
LOOSE="--rtol 1e-2 --atol 1e-2 --threads 1"
number() { sed -n "s/^.*\"$1\":[^-0-9n]*\([-0-9.e+nul]*\).*/\1/p" "$HERE/out"; }
# quiet VERB ARGUMENTS...
quiet() { run 0 "$@" --quiet; }
# within A.npz B.npz ARRAY BOUND: the largest difference of as many rows as both have.
within() {
    far=$("$HELPER" far "$1" "$2" "$3") || {
        REASON="$1 and $2 cannot be compared"
        return 1
    }
    REASON="$1 and $2 differ by $far, bound $4"
    MEASURED="${MEASURED:+$MEASURED; }largest difference $far, bound $4"
    awk -v v="$far" -v b="$4" 'BEGIN { exit !(v <= b) }'
}

# shellcheck disable=SC2086
points_come_back() {
    for sde in vp ve subvp ou edm; do
        quiet encode gmm:8gaussians -n 100 --set sde.type=$sde $TIGHT --check --json -o "$HERE/z.npz" || return 1
        far=$(number round_trip_largest)
        MEASURED="$MEASURED$sde $far "
        REASON="${MEASURED}bound 1e-5"
        awk -v v="$far" 'BEGIN { exit !(v < 1e-5) }' || return 1
    done
    MEASURED="${MEASURED}bound 1e-5"
}
# 2000 unit normals: mean and deviation are off by 5 standard errors, 0.11 and 0.08, with probability 1e-6.
latents_are_unit_normals() {
    for sde in vp ve subvp ou edm; do
        quiet encode gmm:pinwheel -n 1000 --set sde.type=$sde --json -o "$HERE/z.npz" || return 1
        MEASURED="$MEASURED$sde $(number latent_mean) $(number latent_std) "
        REASON="${MEASURED}bounds 0 +- 0.11, 1 +- 0.08"
        awk -v m="$(number latent_mean)" -v s="$(number latent_std)" \
            'BEGIN { exit !(m < 0.11 && m > -0.11 && s < 1.08 && s > 0.92) }' || return 1
    done
}
# shellcheck disable=SC2086
decoding_gives_the_points_back() {
    quiet sample gmm:moons -n 50 --sampler ode -o "$HERE/p.npz" && quiet encode gmm:moons "$HERE/p.npz" $TIGHT -o "$HERE/z.npz" &&
        quiet decode gmm:moons "$HERE/z.npz" $TIGHT -o "$HERE/q.png" && present "$HERE/q.png" &&
        within "$HERE/p.npz" "$HERE/q.npz" points 1e-5
}
points_are_read_and_written_as_npy() {
    quiet sample gmm:moons -n 50 --sampler ode -o "$HERE/p.npy" && quiet encode gmm:moons "$HERE/p.npy" -o "$HERE/z1.npz" &&
        quiet encode gmm:moons --data "$HERE/p.npz" -o "$HERE/z2.npz" && within "$HERE/z1.npz" "$HERE/z2.npz" latents 0 &&
        quiet decode gmm:moons "$HERE/z1.npz" -o "$HERE/q.npy" && quiet decode gmm:moons "$HERE/z1.npz" -o "$HERE/q.csv" &&
        present "$HERE/q.npy" "$HERE/q.csv"
}
samples_of_their_own_do_not_depend_on_the_batch() {
    quiet encode gmm:moons -n 20 --per-sample -o "$HERE/z1.npz" && quiet encode gmm:moons -n 20 --per-sample --batch 7 -o "$HERE/z2.npz" &&
        within "$HERE/z1.npz" "$HERE/z2.npz" latents 0
}
part_of_the_draws_is_encoded() {
    quiet encode gmm:moons -n 20 --per-sample -o "$HERE/z1.npz" && quiet encode gmm:moons --first 0 -n 3 --per-sample -o "$HERE/z2.npz" &&
        within "$HERE/z1.npz" "$HERE/z2.npz" latents 0 && quiet encode gmm:moons --first 1 -n 3 --per-sample -o "$HERE/z2.npz" &&
        ! within "$HERE/z1.npz" "$HERE/z2.npz" latents 0.01
}
temperature_scales_latents() {
    quiet decode gmm:moons "$HERE/z1.npz" --temperature 0 -o "$HERE/cold1.npz" &&
        quiet encode gmm:moons --seed 5 -n 20 -o "$HERE/z5.npz" &&
        quiet decode gmm:moons "$HERE/z5.npz" --temperature 0 -o "$HERE/cold5.npz" &&
        within "$HERE/cold1.npz" "$HERE/cold5.npz" points 0 && quiet decode gmm:moons "$HERE/z5.npz" -o "$HERE/warm5.npz" &&
        ! within "$HERE/cold5.npz" "$HERE/warm5.npz" points 0.1
}
# The flow of a network that was trained for 20 steps is rough near t = 0: grey levels are lost on the way, but no picture.
# shellcheck disable=SC2086
images_come_back() {
    quiet sample "$MODEL" -n 2 --steps 24 -o "$HERE/s.npz" &&
        quiet encode "$MODEL" "$HERE/s.npz" --rtol 1e-4 --atol 1e-4 --threads 1 -o "$HERE/z.npz" --check --json &&
        out_says '"round_trip_rms":' && quiet decode "$MODEL" "$HERE/z.npz" --rtol 1e-4 --atol 1e-4 --threads 1 -o "$HERE/d.png" &&
        present "$HERE/d.png" && close_images "$HERE/s.npz" "$HERE/d.npz" 16
}
# shellcheck disable=SC2086
png_is_encoded() {
    quiet sample "$MODEL" -n 2 --steps 24 -o "$HERE/singles" && quiet encode "$MODEL" "$HERE/singles/000000.png" $LOOSE -o "$HERE/z1.npz" &&
        quiet encode "$MODEL" "$HERE/s.npz" -n 1 $LOOSE -o "$HERE/z2.npz" && within "$HERE/z1.npz" "$HERE/z2.npz" latents 0
}
# shellcheck disable=SC2086
padding_of_smaller_images_is_even() {
    quiet sample "$MODEL" -n 1 --steps 24 --crop 2 -o "$HERE/small.npz" &&
        quiet encode "$MODEL" "$HERE/small.npz" --rtol 1e-4 --atol 1e-4 --threads 1 -o "$HERE/z.npz" &&
        quiet decode "$MODEL" "$HERE/z.npz" --rtol 1e-4 --atol 1e-4 --threads 1 --crop 2 -o "$HERE/back.npz" && close_images "$HERE/small.npz" "$HERE/back.npz" 16
}
# shellcheck disable=SC2086
splits_are_encoded() {
    quiet encode "$MODEL" test -n 2 $LOOSE --json -o "$HERE/z1.npz" && out_says '"n":.*2' &&
        quiet encode "$MODEL" train -n 2 $LOOSE -o "$HERE/z2.npz" && quiet encode "$MODEL" test -n 2 --dequantize $LOOSE -o "$HERE/z3.npz" &&
        ! within "$HERE/z1.npz" "$HERE/z3.npz" latents 0
}
# shellcheck disable=SC2086
way_begins_and_ends_at_the_seeds() {
    quiet interpolate gmm:moons --seed-a 3 --seed-b 4 --steps 5 $TIGHT -o "$HERE/way.npz" &&
        quiet interpolate gmm:moons --seed-a 4 --seed-b 3 --steps 5 $TIGHT -o "$HERE/yaw.npz" &&
        for end in way:3 yaw:4; do
            quiet sample gmm:moons -n 1 --seed ${end#*:} --sampler ode --no-denoise $TIGHT -o "$HERE/end.npz" &&
                within "$HERE/${end%:*}.npz" "$HERE/end.npz" points 1e-6 || return 1
        done
}
# shellcheck disable=SC2086
way_begins_and_ends_at_the_data() {
    quiet interpolate gmm:moons --data "$HERE/p.npz" --from 0 --to 7 --steps 4 --rows 3 $TIGHT -o "$HERE/way.png" &&
        present "$HERE/way.png" && quiet interpolate gmm:moons --data "$HERE/p.npz" --from 0 --seed-b 7 --steps 2 $TIGHT -o "$HERE/w2.npz" &&
        "$HELPER" far "$HERE/p.npz" "$HERE/way.npz" points >/dev/null && quiet encode gmm:moons "$HERE/p.npz" -n 1 -o "$HERE/one.npz" $TIGHT &&
        quiet decode gmm:moons "$HERE/one.npz" $TIGHT -o "$HERE/one_back.npz" &&
        within "$HERE/one_back.npz" "$HERE/way.npz" points 1e-5 && within "$HERE/one_back.npz" "$HERE/w2.npz" points 1e-5
}
# shellcheck disable=SC2086
strip_of_images_is_written() {
    quiet interpolate "$MODEL" --from 1 --seed-b 2 --steps 3 $LOOSE --json -o "$HERE/strip.png" && out_says '"n":.*3' &&
        present "$HERE/strip.png" "$HERE/strip.npz"
}
# shellcheck disable=SC2086
bundled_model_is_encoded() {
    quiet interpolate fashion --set data.path="$DATA" --from 0 --to 1 --steps 2 --rtol 0.1 --atol 0.1 --threads 1 \
        -o "$HERE/fashion.npz" && present "$HERE/fashion.npz"
}
denoising_changes_the_result() {
    quiet decode gmm:moons "$HERE/z5.npz" --denoise -o "$HERE/clean.npz" && within "$HERE/clean.npz" "$HERE/warm5.npz" points 0.1 &&
        ! within "$HERE/clean.npz" "$HERE/warm5.npz" points 1e-6
}
latents_of_another_model_are_refused() {
    run 1 decode "$MODEL" "$HERE/z5.npz" -o "$HERE/no.png" && error_says 'z5.npz' '2 values' '1024' && absent "$HERE/no.png" "$HERE/no.npz"
}
files_without_latents_are_refused() {
    run 1 decode gmm:moons "$HERE/p.npz" -o "$HERE/no.png" && error_says 'p.npz' 'no array "latents"' &&
        run 1 encode "$MODEL" "$HERE/p.npz" && error_says 'p.npz' 'images' &&
        run 1 encode gmm:moons "$HERE/s.npz" && error_says 's.npz' 'points'
}
samples_that_are_not_there_are_refused() {
    run 1 encode "$MODEL" "$HERE/s.npz" -n 3 && error_says '--count' && run 1 encode "$MODEL" test --first 600 && error_says '--first' &&
        run 1 interpolate "$MODEL" --from 0 --to 600 && error_says '--to' 'of 600'
}
contradictions_are_usage() {
    run 2 interpolate gmm:moons --from 1 --seed-a 2 && error_says '--from' && run 2 interpolate gmm:moons --to 1 --seed-b 2 &&
        error_says '--to' && run 2 interpolate gmm:moons --data "$HERE/p.npz" && error_says '--data' &&
        run 2 encode gmm:moons "$HERE/p.npz" --data "$HERE/p.npz" && error_says '--data' &&
        run 2 encode gmm:moons -o z.png && error_says '--out' && run 2 interpolate gmm:moons --steps 1 && error_says '--steps'
}
crop_that_leaves_nothing_is_refused_at_once() { run 1 interpolate "$MODEL" --crop 16 && error_says '--crop'; }

claim points_come_back
claim latents_are_unit_normals
claim decoding_gives_the_points_back
claim points_are_read_and_written_as_npy
claim samples_of_their_own_do_not_depend_on_the_batch
claim part_of_the_draws_is_encoded
claim temperature_scales_latents
claim images_come_back
claim png_is_encoded
claim padding_of_smaller_images_is_even
claim splits_are_encoded
claim way_begins_and_ends_at_the_seeds
claim way_begins_and_ends_at_the_data
claim strip_of_images_is_written
claim bundled_model_is_encoded
claim denoising_changes_the_result
claim latents_of_another_model_are_refused
claim files_without_latents_are_refused
claim samples_that_are_not_there_are_refused
claim contradictions_are_usage
claim crop_that_leaves_nothing_is_refused_at_once
finish
