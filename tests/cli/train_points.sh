# SPDX-License-Identifier: Apache-2.0
# A perceptron on points: drawn ones and those of a file, from the first step to samples, likelihoods and latents.
. tests/cli/claims.sh

SMALL="recipes/points/mlp_vp.yaml --threads 1 --quiet --batch 64 --steps 900 --set network.nf=32
  --set network.num_res_blocks=1 --set training.log_every=50 --set training.checkpoint_every=300
  --set training.sample_every=450 --set training.sample_count=200 --set training.lr=2e-3"
# train STATUS FOLDER ARGUMENTS...
train() {
    status=$1
    folder=$2
    shift 2
    # shellcheck disable=SC2086
    run "$status" train $SMALL --out "$HERE/$folder" "$@"
}
LAST=checkpoints/step_00000900.safetensors

run_directory_is_complete() {
    train 0 whole --json && out_says '"steps":.*900' &&
        present "$HERE/whole/recipe.yaml" "$HERE/whole/log.jsonl" "$HERE/whole/loss.png" "$HERE/whole/$LAST" \
            "$HERE/whole/samples/step_00000450.png" "$HERE/whole/model.safetensors"
}
samples_on_the_way_are_scatter_plots() {
    size=$("$HELPER" picture "$HERE/whole/samples/step_00000900.png")
    REASON="the picture is $size"
    [ "$size" = "720 720" ]
}
resumed_run_gives_the_same_bits() {
    train 0 parts --steps 600 && train 0 parts --resume && same "$HERE/whole/$LAST" "$HERE/parts/$LAST" &&
        same "$HERE/whole/model.safetensors" "$HERE/parts/model.safetensors"
}
# sample OUT ARGUMENTS...: of the model with the averaged weights.
sample() {
    out=$1
    shift
    run 0 sample "$HERE/whole" --seed 2 --quiet --sampler unipc --out "$HERE/$out" "$@"
}
samples_are_points_and_a_picture() {
    sample s.png -n 400 --json && out_says '"nfe":' && present "$HERE/s.npz" || return 1
    size=$("$HELPER" picture "$HERE/s.png")
    # Hundreds of steps of a tiny network: near the ring more often than the prior, of which 40 % are.
    near=$("$HELPER" ring "$HERE/s.npz") && near=${near% *}
    MEASURED="$near % near a Gaussian, bound 70"
    REASON="the picture is $size, $MEASURED"
    [ "$size" = "720 720" ] && [ "$near" -ge 70 ]
}
samples_depend_on_no_batch() {
    sample a.npz -n 50 && sample b.npz -n 50 --batch 50 && same "$HERE/a.npz" "$HERE/b.npz"
}
table_and_films_are_written() {
    sample t.csv -n 10 && sample t.png -n 50 --trajectory "$HERE/way.png" --animation "$HERE/way.webp" || return 1
    REASON="the table begins with $(head -n 1 "$HERE/t.csv")"
    [ "$(head -n 1 "$HERE/t.csv")" = x,y ] && present "$HERE/way.png" "$HERE/way.webp"
}
options_of_images_are_refused() {
    run 1 sample "$HERE/whole" --crop 2 --quiet && error_says '--crop' 'points, not images' &&
        run 1 likelihood "$HERE/whole" --dequantizations 2 --quiet && error_says '--dequantizations'
}
likelihood_is_held_to_the_exact_one() {
    run 0 likelihood "$HERE/whole" -n 40 --json --quiet --out "$HERE/l.csv" && out_says '"exact_nats":' &&
        out_says '"divergence":.*exact' && out_says '"offset_bits":.*0' && out_says '"n":.*40'
}
latents_lead_back() {
    run 0 encode "$HERE/whole" test -n 40 --check --json --quiet --out "$HERE/z.npz" --rtol 1e-7 --atol 1e-7 &&
        out_says '"round_trip_rms":.*e-0' && run 0 decode "$HERE/whole" "$HERE/z.npz" --quiet --out "$HERE/d.csv" &&
        present "$HERE/d.csv" && run 0 interpolate "$HERE/whole" --from 0 --to 1 --quiet --out "$HERE/i.png" &&
        present "$HERE/i.png" "$HERE/i.npz"
}
samplers_are_compared_with_the_density() {
    run 0 bench samplers "$HERE/whole" --count 640 --nfe 10 --samplers euler_maruyama --quiet --out "$HERE/q.csv" &&
        out_says 'euler_maruyama' && present "$HERE/q.csv"
}
info_speaks_of_points() { run 0 info "$HERE/whole" && out_says 'gmm:8gaussians, points of 2 numbers'; }

# Points of a file: the samples above.
file_of_points_trains() {
    train 0 file --steps 20 --set data.dataset=points --set data.path="$HERE/s.npz" &&
        run 0 sample "$HERE/file" -n 30 --sampler unipc --quiet --out "$HERE/f.png" && present "$HERE/f.png" "$HERE/f.npz"
}
table_of_other_width_trains() {
    printf 'a,b,c\n1,2,3\n-1,0,1\n0.5,0.25,-2\n' >"$HERE/three.csv"
    train 0 three --steps 20 --set data.dataset=points --set data.path="$HERE/three.csv" --set data.channels=3 &&
        run 0 sample "$HERE/three" -n 5 --sampler unipc --quiet --out "$HERE/three.samples.csv" || return 1
    REASON="the table begins with $(head -n 1 "$HERE/three.samples.csv")"
    [ "$(head -n 1 "$HERE/three.samples.csv")" = x0,x1,x2 ] &&
        run 0 sample "$HERE/three" -n 5 --sampler unipc --quiet --out "$HERE/three.png" && present "$HERE/three.png" &&
        run 0 likelihood "$HERE/three" --data "$HERE/three.csv" --quiet --json --out "$HERE/three.l.csv" && out_says '"n":.*3'
}
file_has_no_test_split() {
    run 1 likelihood "$HERE/file" --quiet --out "$HERE/x.csv" && error_says 'one set of points' 'train' &&
        run 0 likelihood "$HERE/file" --data train -n 10 --quiet --out "$HERE/x.csv"
}
unknown_density_is_not_compared() {
    run 1 bench samplers "$HERE/file" --count 640 --quiet --out "$HERE/y.csv" && error_says 'density of its data is not known'
}
misfits_are_refused_before_the_folder_is_made() {
    train 1 no --set data.channels=3 && error_says 'data.channels: is 3' && absent "$HERE/no" &&
        train 1 no --set data.dataset=gmm:8gausian && error_says 'gmm:8gausian' && absent "$HERE/no" &&
        train 1 no --set data.dataset=points --set data.path="$HERE/absent.csv" && error_says 'absent.csv' && absent "$HERE/no"
}

claim run_directory_is_complete
claim samples_on_the_way_are_scatter_plots
claim resumed_run_gives_the_same_bits
claim samples_are_points_and_a_picture
claim samples_depend_on_no_batch
claim table_and_films_are_written
claim options_of_images_are_refused
claim likelihood_is_held_to_the_exact_one
claim latents_lead_back
claim samplers_are_compared_with_the_density
claim info_speaks_of_points
claim file_of_points_trains
claim table_of_other_width_trains
claim file_has_no_test_split
claim unknown_density_is_not_compared
claim misfits_are_refused_before_the_folder_is_made
finish
