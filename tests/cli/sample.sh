# SPDX-License-Identifier: Apache-2.0
# Pictures of a small model: what is written where, and what they may depend on.
. tests/cli/claims.sh
make_data

MODEL=$HERE/model/model.safetensors
# shellcheck disable=SC2086
"$ITO" train $TINY --batch 8 --steps 60 --set training.lr=5e-3 --set training.ema_rate=0.9 --out "$HERE/model" --quiet >/dev/null || exit 1

# sample OUT ARGUMENTS...
sample() {
    out=$1
    shift
    run 0 sample "$MODEL" -n 6 --steps 24 --seed 7 --quiet --out "$HERE/$out" "$@"
}

# Grey levels: sums in another order change the last bits of a float, which may turn a rounding to bytes.
ROUNDING=1

grid_and_arrays_are_written() {
    sample one.png --json && out_says '"files":' && out_says '"nfe":.*24' && out_says '"seconds":' &&
        present "$HERE/one.png" "$HERE/one.npz"
}
# Pictures of black and white alone would hide differences.
pictures_have_greys() {
    grey=$("$HELPER" grey "$HERE/one.npz")
    MEASURED="$grey % of the pixels, bound 10"
    REASON=$MEASURED
    [ "$grey" -ge 10 ]
}
same_seed_gives_the_same_pictures() { sample again.png && close_images "$HERE/one.npz" "$HERE/again.npz" 0; }
other_seed_gives_other_pictures() {
    sample other.png --seed 8 && ! close_images "$HERE/one.npz" "$HERE/other.npz" 20
}
pictures_do_not_depend_on_the_batch() {
    for batch in 1 4 5; do
        sample batch.png --batch $batch && close_images "$HERE/one.npz" "$HERE/batch.npz" $ROUNDING || return 1
    done
}
pictures_do_not_depend_on_threads() {
    sample thread.png --threads 1 && close_images "$HERE/one.npz" "$HERE/thread.npz" $ROUNDING || return 1
    sample thread.png --threads 3 && close_images "$HERE/one.npz" "$HERE/thread.npz" $ROUNDING
}
langevin_does_not_couple_samples() {
    sample pc.png --corrector langevin --snr 0.1 && sample pc2.png --corrector langevin --snr 0.1 --batch 4 &&
        close_images "$HERE/pc.npz" "$HERE/pc2.npz" $ROUNDING
}
corrector_costs_network_calls() { sample calls.png --corrector langevin --json && out_says '"nfe":.*48'; }
every_predictor_draws() {
    for predictor in reverse_diffusion euler_maruyama ancestral; do
        sample $predictor.png --predictor $predictor || return 1
    done
    ! close_images "$HERE/reverse_diffusion.npz" "$HERE/euler_maruyama.npz" 0
}
samplers_of_few_calls_draw() {
    for sampler in heun dpmpp_2m dpmpp_sde_2m unipc; do
        run 0 sample "$MODEL" -n 4 --seed 7 --quiet --sampler $sampler --out "$HERE/$sampler.npz" || return 1
    done
    REASON="with noise and without they draw the same"
    ! close_images "$HERE/dpmpp_2m.npz" "$HERE/dpmpp_sde_2m.npz" 20
}
ode_shows_its_way() {
    run 0 sample "$MODEL" -n 2 --seed 7 --quiet --sampler ode --rtol 1e-2 --atol 1e-2 --out "$HERE/ode.npy" \
        --trajectory "$HERE/ode_way.png" --columns 3 && present "$HERE/ode.npy" "$HERE/ode_way.png"
}
images_are_no_table() { run 1 sample "$MODEL" --out "$HERE/s.csv" && error_says '--out' 'no table'; }
later_samples_are_drawn_alone() {
    run 0 sample "$MODEL" -n 2 --first 4 --steps 24 --seed 7 --quiet --out "$HERE/late" &&
        sample whole/ && same "$HERE/late/000005.png" "$HERE/whole/000005.png"
}
folder_gets_single_pictures() {
    present "$HERE/whole/000000.png" "$HERE/whole/000005.png" "$HERE/whole/samples.npz" &&
        absent "$HERE/whole/000006.png"
}
crop_removes_the_border() {
    sample crop.npz --crop 2 && absent "$HERE/crop.png" || return 1
    pixels=$(($(wc -c <"$HERE/one.npz") - $(wc -c <"$HERE/crop.npz")))
    MEASURED="$pixels bytes less"
    REASON="the cropped file is smaller by $pixels bytes"
    [ $pixels -gt 0 ]
}
trajectory_and_animation_are_written() {
    sample film.png --trajectory "$HERE/t.png" --animation "$HERE/a.webp" --columns 5 &&
        present "$HERE/t.png" "$HERE/a.webp" && close_images "$HERE/one.npz" "$HERE/film.npz" 0
}
trajectory_does_not_depend_on_the_batch() {
    sample film.png --trajectory "$HERE/t2.png" --columns 5 --batch 6 --exact &&
        sample film.png --trajectory "$HERE/t3.png" --columns 5 --batch 6 --exact && same "$HERE/t2.png" "$HERE/t3.png"
}
run_directory_is_a_model() {
    run 0 sample "$HERE/model" -n 6 --steps 24 --seed 7 --quiet --out "$HERE/run.png" && present "$HERE/run.npz"
}
plain_kernels_draw_the_same() {
    sample plain.png --isa plain && close_images "$HERE/one.npz" "$HERE/plain.npz" $ROUNDING
}
model_is_described() {
    run 0 info "$MODEL" --json && out_says '"step":.*60' && out_says '"images":.*480' && out_says '"parameters":' &&
        run 0 info "$MODEL" && out_says '60 steps'
}
forward_evaluates_the_network() {
    "$HELPER" input "$HERE/in.safetensors" 3 1 32 &&
        run 0 forward "$MODEL" "$HERE/in.safetensors" -o "$HERE/net.safetensors" &&
        run 0 forward "$MODEL" "$HERE/in.safetensors" -o "$HERE/net2.safetensors" &&
        present "$HERE/net.safetensors" && same "$HERE/net.safetensors" "$HERE/net2.safetensors"
}
# Eight bits in the network, the same noise; some of a machine's processors have no bfloat16 and say so.
bfloat16_draws_nearly_the_same() {
    if ! grep -qw avx512bw /proc/cpuinfo; then
        run 1 sample "$MODEL" --precision bf16 --out "$HERE/bf16.png" && error_says 'AVX-512'
        return
    fi
    sample bf16.png --precision bf16 && close_images "$HERE/one.npz" "$HERE/bf16.npz" 16 || return 1
    same=$MEASURED
    REASON='bfloat16 draws exactly what float does'
    ! close_images "$HERE/one.npz" "$HERE/bf16.npz" 0 && MEASURED=$same
}
forward_is_asked_for_a_class() {
    # shellcheck disable=SC2086
    run 0 train $TINY --batch 2 --steps 2 --set network.classes=10 --quiet --out "$HERE/classes" &&
        "$HELPER" input "$HERE/three.npz" 3 1 32 3 || return 1
    forward() {
        to=$1
        shift
        run 0 forward "$HERE/classes" "$@" -o "$HERE/$to.safetensors"
    }
    forward none "$HERE/in.safetensors" && forward class "$HERE/in.safetensors" --class 3 &&
        forward tensor "$HERE/three.npz" && forward zero "$HERE/three.npz" --guidance 0 &&
        same "$HERE/class.safetensors" "$HERE/tensor.safetensors" || return 1
    REASON="the class changes nothing"
    ! cmp -s "$HERE/none.safetensors" "$HERE/class.safetensors" || return 1
    same "$HERE/none.safetensors" "$HERE/zero.safetensors" && forward strong "$HERE/three.npz" --guidance 2 || return 1
    REASON="guidance changes nothing"
    ! cmp -s "$HERE/strong.safetensors" "$HERE/class.safetensors" || return 1
    run 1 forward "$HERE/classes" "$HERE/in.safetensors" --class 10 -o "$HERE/x.npz" && error_says 'class: is 10' &&
        run 1 forward "$HERE/classes" "$HERE/three.npz" --class 3 -o "$HERE/x.npz" && error_says '--class' 'of its own' &&
        run 1 forward "$MODEL" "$HERE/three.npz" -o "$HERE/x.npz" && error_says 'classes: row 0 is 3' && absent "$HERE/x.npz"
}
live_weights_differ_from_averaged() {
    run 0 forward "$HERE/model" "$HERE/in.safetensors" -o "$HERE/ema.safetensors" &&
        run 0 forward "$HERE/model" "$HERE/in.safetensors" --weights live -o "$HERE/live.safetensors" || return 1
    REASON="the outputs are equal"
    ! cmp -s "$HERE/ema.safetensors" "$HERE/live.safetensors"
}
checkpoint_converts_to_the_model() {
    run 0 convert "$HERE"/model/checkpoints/step_00000060.safetensors --bf16 -o "$HERE/converted.safetensors" &&
        "$HELPER" same "$HERE/converted.safetensors" "$MODEL"
}
# The whole way of a published checkpoint: read the .pth, write a model, evaluate it; the original's output is known.
# The .pth is too large for the project: the claim is made where the reference folder lies beside it.
malicious_checkpoint_is_refused_by_name() {
    printf 'cos\nsystem\n(S"touch %s/was-here"\ntR.' "$HERE" >"$HERE/evil.pth"
    run 1 sample "$HERE/evil.pth" --recipe recipes/cifar10/ve_ncsnpp_continuous.yaml && error_says '"os.system"' &&
        run 1 convert "$HERE/evil.pth" --recipe recipes/cifar10/ve_ncsnpp_continuous.yaml -o "$HERE/evil.safetensors" &&
        error_says '"os.system"' || return 1
    REASON="it ran"
    [ ! -e "$HERE/was-here" ] && [ ! -e "$HERE/evil.safetensors" ]
}
pth_without_a_recipe_is_refused() { run 1 sample "$HERE/evil.pth" && error_says 'give --recipe'; }
published_checkpoint_samples_under_its_recipe() {
    run 0 sample ../shared/golden/networks/ncsnpp_ve/checkpoint.pth --recipe recipes/cifar10/ve_ncsnpp_continuous.yaml \
        --set network.nf=16 --set network.num_res_blocks=1 -n 1 --steps 3 --quiet --out "$HERE/published.npz" &&
        present "$HERE/published.npz"
}
published_checkpoint_evaluates_as_its_original() {
    golden=../shared/golden/networks/ddpmpp_vp
    run 0 convert $golden/checkpoint.pth --recipe recipes/cifar10/vp_ddpmpp_continuous.yaml --set network.nf=16 \
        --set network.num_res_blocks=1 -o "$HERE/published.safetensors" &&
        run 0 forward "$HERE/published.safetensors" $golden/io.safetensors -o "$HERE/out.safetensors" || return 1
    distance=$("$HELPER" close "$HERE/out.safetensors" out $golden/io.safetensors out_ema 1e-4)
    close=$?
    MEASURED="largest difference $distance of the largest output, bound 1e-4"
    REASON=$MEASURED
    return $close
}

claim grid_and_arrays_are_written
claim pictures_have_greys
claim same_seed_gives_the_same_pictures
claim other_seed_gives_other_pictures
claim pictures_do_not_depend_on_the_batch
claim pictures_do_not_depend_on_threads
claim langevin_does_not_couple_samples
claim corrector_costs_network_calls
claim every_predictor_draws
claim samplers_of_few_calls_draw
claim ode_shows_its_way
claim images_are_no_table
claim later_samples_are_drawn_alone
claim folder_gets_single_pictures
claim crop_removes_the_border
claim trajectory_and_animation_are_written
claim trajectory_does_not_depend_on_the_batch
claim run_directory_is_a_model
claim plain_kernels_draw_the_same
claim bfloat16_draws_nearly_the_same
claim model_is_described
claim forward_evaluates_the_network
claim forward_is_asked_for_a_class
claim live_weights_differ_from_averaged
claim checkpoint_converts_to_the_model
if [ -e ../shared/golden/networks/ddpmpp_vp ]; then claim published_checkpoint_evaluates_as_its_original; fi
claim malicious_checkpoint_is_refused_by_name
claim pth_without_a_recipe_is_refused
if [ -e ../shared/golden/networks/ncsnpp_ve ]; then claim published_checkpoint_samples_under_its_recipe; fi
finish
