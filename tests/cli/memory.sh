# SPDX-License-Identifier: Apache-2.0
# Memory told in advance, and kept to a limit.
. tests/cli/claims.sh
make_data

MODEL=$HERE/model/model.safetensors
# shellcheck disable=SC2086
"$ITO" train $TINY --batch 8 --steps 20 --set training.lr=5e-3 --out "$HERE/model" --quiet >/dev/null || exit 1

# number KEY: of the JSON in $HERE/out.
number() { sed -n "s/^.*\"$1\":[^0-9]*\([0-9.e+]*\).*/\1/p" "$HERE/out"; }
info_of() { run 0 info "$@" --json --quiet; }

every_recipe_is_described() {
    count=0
    for recipe in recipes/*/*.yaml; do
        info_of "$recipe" || return 1
        for key in parameters flops_per_image sampling_bytes sampling_bytes_per_image training_bytes_per_image; do
            REASON="$recipe: $key is $(number $key)"
            awk -v v="$(number $key)" 'BEGIN { exit !(v > 0) }' || return 1
        done
        count=$((count + 1))
    done
    MEASURED="$count recipes"
}
parameters_are_the_published_number() {
    for pair in vp_ddpmpp_continuous:61804419 ve_ncsnpp_continuous:62758915; do
        info_of recipes/cifar10/${pair%:*}.yaml && out_says "\"parameters\":.*${pair#*:}" || return 1
    done
}
# The weights alone are 423 MB; the program and its libraries map 250 MB.
description_allocates_no_weights() {
    (
        ulimit -v 400000
        info_of recipes/ffhq/ve_ncsnpp_continuous.yaml
    )
}
images_of_1024_pixels_fit_12_gigabytes() {
    info_of recipes/ffhq/ve_ncsnpp_continuous.yaml || return 1
    MEASURED="sampling $(number sampling_bytes) bytes, bound 12e9"
    REASON=$MEASURED
    awk -v v="$(number sampling_bytes)" 'BEGIN { exit !(v < 12e9) }'
}
models_are_described_like_their_recipes() {
    info_of "$MODEL" && number sampling_bytes >"$HERE/model_bytes" && run 0 info "$MODEL" --recipe &&
        cp "$HERE/out" "$HERE/recipe.yaml" && info_of "$HERE/recipe.yaml" &&
        number sampling_bytes >"$HERE/recipe_bytes" && same "$HERE/model_bytes" "$HERE/recipe_bytes"
}

# A little less than twelve images in the network take.
info_of "$MODEL" --batch 1 || exit 1
ONE=$(number sampling_bytes)
info_of "$MODEL" --batch 12 || exit 1
LIMIT=$(awk -v a="$ONE" -v b="$(number sampling_bytes)" 'BEGIN { printf "%d", b - (b - a) / 20 }')
# One image, and the results of all, which do not pass the network: 12 of 32x32 doubles, twice.
TIGHT=$(awk -v a="$ONE" 'BEGIN { printf "%d", a + 2 * 12 * 1024 * 8 + 1000 }')

# sample OUT ARGUMENTS...: norms over the batch, so that samples tell whether they moved together.
sample() {
    out=$1
    shift
    run 0 sample "$MODEL" -n 12 --steps 24 --corrector langevin --snr 0.1 --batch-norms --seed 7 --quiet --json \
        --out "$HERE/$out" "$@"
}
parts_of_a_batch_give_the_same_samples() {
    sample whole.npz && out_says '"network_batch":.*12' && sample parts.npz --memory-limit "$LIMIT" || return 1
    parts=$(number network_batch)
    REASON="the network takes $parts at a time, the batch is $(number batch)"
    [ "$parts" -gt 0 ] && [ "$parts" -lt 12 ] && [ "$(number batch)" -eq 12 ] || return 1
    close_images "$HERE/whole.npz" "$HERE/parts.npz" 1 || return 1
    MEASURED="parts of $parts, $MEASURED"
}
smaller_batches_fit_where_parts_do_not() {
    sample one.npz --memory-limit "$TIGHT" || return 1
    MEASURED="batches of $(number batch)"
    REASON=$MEASURED
    [ "$(number batch)" -eq 1 ] && [ "$(number network_batch)" -eq 1 ]
}
generous_limit_changes_nothing() {
    sample same.npz --memory-limit 4G && out_says '"network_batch":.*12' && same "$HERE/whole.npz" "$HERE/same.npz"
}
too_little_names_the_least() {
    run 1 sample "$MODEL" -n 4 --quiet --out "$HERE/none.png" --memory-limit 10M &&
        error_says '--memory-limit: is 10.0 MB' 'one image at a time takes' 'give at least' || return 1
    least=$(sed 's/.*takes \([0-9]*M\).*/\1/' "$HERE/err")
    MEASURED=$least
    absent "$HERE/none.png" && run 0 sample "$MODEL" -n 2 --steps 24 --quiet --out "$HERE/least.png" --memory-limit "$least"
}
limit_that_is_no_size_is_usage() {
    for size in lots 12X -3G 0 12Gx; do
        run 2 sample x --memory-limit $size && error_says '--memory-limit' 'no size' || return 1
    done
}
densities_have_no_network_to_limit() {
    run 1 sample gmm:moons --memory-limit 1G --out "$HERE/m.npz" --quiet && error_says '--memory-limit' 'leave it out'
}
latents_and_likelihoods_keep_to_a_limit() {
    ode="--threads 1 --rtol 1e-2 --atol 1e-2 --quiet"
    # shellcheck disable=SC2086
    for limit in 4G "$LIMIT"; do
        run 0 encode "$MODEL" test -n 12 $ode --memory-limit $limit --out "$HERE/z$limit.npz" &&
            run 0 decode "$MODEL" "$HERE/z$limit.npz" $ode --memory-limit $limit --out "$HERE/x$limit.npz" &&
            run 0 interpolate "$MODEL" --steps 4 $ode --memory-limit $limit --out "$HERE/i$limit.npz" || return 1
    done
    close_images "$HERE/x4G.npz" "$HERE/x$LIMIT.npz" 1 && close_images "$HERE/i4G.npz" "$HERE/i$LIMIT.npz" 1 || return 1
    # shellcheck disable=SC2086
    run 0 likelihood "$MODEL" -n 4 $ode --memory-limit 200M --out "$HERE/l.csv"
}
forward_takes_parts() {
    "$HELPER" input "$HERE/in.safetensors" 12 1 32 &&
        run 0 forward "$MODEL" "$HERE/in.safetensors" -o "$HERE/whole.safetensors" &&
        run 0 forward "$MODEL" "$HERE/in.safetensors" -o "$HERE/parts.safetensors" --memory-limit "$LIMIT" || return 1
    MEASURED=$("$HELPER" close "$HERE/whole.safetensors" out "$HERE/parts.safetensors" out 1e-5) || {
        REASON="outputs differ: $MEASURED"
        return 1
    }
}

claim every_recipe_is_described
claim parameters_are_the_published_number
claim description_allocates_no_weights
claim images_of_1024_pixels_fit_12_gigabytes
claim models_are_described_like_their_recipes
claim parts_of_a_batch_give_the_same_samples
claim smaller_batches_fit_where_parts_do_not
claim generous_limit_changes_nothing
claim too_little_names_the_least
claim limit_that_is_no_size_is_usage
claim densities_have_no_network_to_limit
claim latents_and_likelihoods_keep_to_a_limit
claim forward_takes_parts
finish
