# SPDX-License-Identifier: Apache-2.0
# Bad input and full disks: one line that says what is wrong, exit 1, and no half-written file.
. tests/cli/claims.sh
make_data

TRAIN="$TINY --batch 2 --steps 8 --quiet --set training.checkpoint_every=20"
# fails FOLDER ARGUMENTS...: a training that must fail.
fails() {
    folder=$1
    shift
    # shellcheck disable=SC2086
    run 1 train $TRAIN --out "$HERE/$folder" "$@"
}
# Nothing that is being written beside its final name was left behind.
no_leftovers() {
    left=$(find "$1" -type f ! -name '*.safetensors' ! -name '*.png' ! -name '*.npz' ! -name '*.webp' \
        ! -name recipe.yaml ! -name log.jsonl ! -name .lock)
    REASON="left behind: $left"
    [ -z "$left" ]
}
# shellcheck disable=SC2086
"$ITO" train $TRAIN --out "$HERE/good" >/dev/null || exit 1
MODEL=$HERE/good/model.safetensors
NEWEST=checkpoints/step_00000008.safetensors

missing_recipe() { run 1 train "$HERE/none.yaml" && error_says 'none.yaml'; }
missing_data() { fails data2 --set data.path="$HERE/nowhere" && error_says nowhere 'apt-get install' && absent "$HERE/data2"; }
truncated_data() {
    mkdir -p "$HERE/short"
    cp "$DATA"/* "$HERE/short"
    gzip -f "$HERE/short/train-images-idx3-ubyte"
    head -c 100000 "$HERE/short/train-images-idx3-ubyte.gz" >"$HERE/short/cut" &&
        mv "$HERE/short/cut" "$HERE/short/train-images-idx3-ubyte.gz"
    fails truncated --set data.path="$HERE/short" && error_says 'train-images-idx3-ubyte.gz' && absent "$HERE/truncated"
}
unknown_recipe_key() { fails key --set training.learning_rat=1 && error_says 'learning_rat' && absent "$HERE/key"; }
unknown_key_in_a_file() {
    sed 's/batch_size/batchsize/' recipes/fashion/tiny.yaml >"$HERE/key.yaml"
    run 1 train "$HERE/key.yaml" && error_says 'key.yaml' 'batchsize' 'batch_size'
}
shape_that_does_not_divide() { fails shape --set data.image_size=31 && error_says '31' && absent "$HERE/shape"; }
value_out_of_range() { fails range --set training.batch_size=0 && error_says 'batch_size' && absent "$HERE/range"; }
nan_loss_stops_the_run() {
    cp -r "$HERE/good" "$HERE/nan" && rm "$HERE"/nan/checkpoints/* &&
        "$HELPER" poison "$HERE/good/$NEWEST" "$HERE/nan/$NEWEST" || return 1
    cp "$HERE/nan/$NEWEST" "$HERE/nan.before"
    fails nan --resume --steps 100 && error_says 'finite' 'step 18' && same "$HERE/nan/$NEWEST" "$HERE/nan.before" ||
        return 1
    REASON="the log does not count skipped steps: $(tail -n 1 "$HERE/nan/log.jsonl")"
    grep -q '"skipped":9' "$HERE/nan/log.jsonl"
}
missing_model() { run 1 sample "$HERE/none.safetensors" && error_says 'none.safetensors'; }
unknown_bundled_model() { run 1 sample garments && error_says 'garments'; }
cut_model() {
    head -c 3000 "$MODEL" >"$HERE/cut.safetensors"
    run 1 sample "$HERE/cut.safetensors" --out "$HERE/cut.png" && error_says 'cut.safetensors' &&
        absent "$HERE/cut.png" "$HERE/cut.npz"
}
file_that_is_no_model() { run 1 info tests/cli/claims.sh && error_says 'claims.sh'; }
cut_input() {
    "$HELPER" input "$HERE/in.safetensors" 2 1 32 && head -c 900 "$HERE/in.safetensors" >"$HERE/cutin.safetensors"
    run 1 forward "$MODEL" "$HERE/cutin.safetensors" -o "$HERE/o.safetensors" && error_says 'cutin.safetensors' &&
        absent "$HERE/o.safetensors"
}
input_of_another_shape() {
    "$HELPER" input "$HERE/rgb.safetensors" 2 3 32
    run 1 forward "$MODEL" "$HERE/rgb.safetensors" -o "$HERE/o.safetensors" && error_says 'rgb.safetensors: x' &&
        absent "$HERE/o.safetensors"
}
missing_output_folder() {
    run 1 sample "$MODEL" -n 1 --quiet --out "$HERE/no/such/s.png" && error_says 's.png' '--out'
}
damaged_pth() {
    head -c 2000 "$MODEL" >"$HERE/x.pth"
    run 1 convert "$HERE/x.pth" --recipe recipes/fashion/tiny.yaml -o "$HERE/x.safetensors" && error_says 'x.pth' &&
        absent "$HERE/x.safetensors"
}

full_disk_at_a_checkpoint() {
    rm -rf "$HERE/full"
    cp -r "$HERE/good" "$HERE/full"
    ls "$HERE/full/checkpoints" >"$HERE/before"
    # shellcheck disable=SC2086
    limited 100 1 train $TRAIN --out "$HERE/full" --resume --steps 12 && error_says 'step_00000012' &&
        no_leftovers "$HERE/full" || return 1
    ls "$HERE/full/checkpoints" >"$HERE/after"
    same "$HERE/before" "$HERE/after" && same "$HERE/full/$NEWEST" "$HERE/good/$NEWEST"
}
run_continues_after_the_full_disk() {
    # shellcheck disable=SC2086
    run 0 train $TRAIN --out "$HERE/full" --resume --steps 12 && present "$HERE/full/checkpoints/step_00000012.safetensors"
}
full_disk_at_the_samples() {
    mkdir -p "$HERE/samples"
    limited 1 1 sample "$MODEL" -n 2 --steps 24 --quiet --out "$HERE/samples/s.png" && error_says 's\.' &&
        absent "$HERE/samples/s.npz" && no_leftovers "$HERE/samples"
}
full_disk_behind_a_redirection() {
    status=0
    "$ITO" info "$MODEL" >/dev/full 2>"$HERE/err" || status=$?
    REASON="exit status $status"
    [ $status -eq 1 ] && error_says 'standard output'
}
# The superuser writes wherever he likes, so he becomes nobody here; the folder must then be open to others.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}
read_only_run_directory() {
    locked=$(mktemp -d) || return 1
    cp -r "$HERE/good/." "$locked"
    cp "$ITO" "$locked/ito"
    cp -r "$DATA" "$locked/data"
    chmod -R a+rX,a-w "$locked"
    status=0
    # shellcheck disable=SC2086
    as_nobody "$locked/ito" train $TRAIN --set data.path="$locked/data" --out "$locked" --resume --steps 12 \
        >"$HERE/out" 2>"$HERE/err" || status=$?
    chmod -R u+w "$locked"
    rm -rf "$locked"
    REASON="exit status $status: $(cat "$HERE/err")"
    [ $status -eq 1 ] && error_says "$locked" 'ermission denied'
}

claim missing_recipe
claim missing_data
claim truncated_data
claim unknown_recipe_key
claim unknown_key_in_a_file
claim shape_that_does_not_divide
claim value_out_of_range
claim nan_loss_stops_the_run
claim missing_model
claim unknown_bundled_model
claim cut_model
claim file_that_is_no_model
claim cut_input
claim input_of_another_shape
claim missing_output_folder
claim damaged_pth
claim full_disk_at_a_checkpoint
claim run_continues_after_the_full_disk
claim full_disk_at_the_samples
claim full_disk_behind_a_redirection
claim read_only_run_directory
finish
