# SPDX-License-Identifier: Apache-2.0
# Data sets: the published recipes find what they name, and training on each form of data is stopped, resumed, looked at.
. tests/cli/claims.sh
CIFAR=$HERE/cifar
PICTURES=$HERE/pictures
mkdir -p "$CIFAR"
"$HELPER" cifar "$CIFAR" 8
"$HELPER" pictures "$PICTURES" 12

# A published network, made small.
SMALL="--threads 2 --batch 2 --quiet --set network.nf=8 --set network.ch_mult=[1,1] --set network.num_res_blocks=1
  --set training.warmup=2 --set training.checkpoint_every=2 --set training.sample_every=0"
# train STATUS FOLDER RECIPE ARGUMENTS...
train() {
    status=$1
    folder=$2
    recipe=$3
    shift 3
    # shellcheck disable=SC2086
    run "$status" train "$recipe" $SMALL --out "$HERE/$folder" "$@"
}
# resumes RUN RECIPE ARGUMENTS...: four steps at once and two and two give the same bits.
resumes() {
    whole=$1
    base=$2
    shift 2
    train 0 "$whole" "$base" --steps 4 "$@" && train 0 "$whole.parts" "$base" --steps 2 "$@" &&
        train 0 "$whole.parts" "$base" --steps 4 --resume "$@" &&
        same "$HERE/$whole/model.safetensors" "$HERE/$whole.parts/model.safetensors"
}

every_published_recipe_says_what_data_it_needs() {
    for recipe in recipes/*/*.yaml; do
        case $recipe in recipes/points/*) continue ;; esac # drawn, not read
        run 1 train "$recipe" --quiet --out "$HERE/none" --set data.path="$HERE/nowhere" &&
            error_says 'nowhere' 'is missing' 'set data.path to' || return 1
    done
    absent "$HERE/none"
}
cifar10_trains_and_resumes_to_the_same_bits() {
    resumes cifar10 recipes/cifar10/vp_ddpmpp_continuous.yaml --set data.path="$CIFAR"
}
cifar10_trains_with_its_classes() {
    train 0 classes recipes/cifar10/vp_ddpmpp_continuous.yaml --steps 2 --set data.path="$CIFAR" \
        --set network.classes=10 --set network.class_dropout=0.1 &&
        run 0 sample "$HERE/classes" -n 2 --steps 4 --set sampling.class=3 --out "$HERE/class.png" --quiet &&
        present "$HERE/class.png"
}
folder_of_png_and_jpeg_trains_and_resumes_to_the_same_bits() {
    resumes folder recipes/celeba/ve_ncsnpp.yaml --set data.dataset=folder --set data.path="$PICTURES" \
        --set data.image_size=16 --set data.uniform_dequantization=true
}
cache_does_not_change_training() {
    train 0 folder.uncached recipes/celeba/ve_ncsnpp.yaml --steps 4 --set data.dataset=folder \
        --set data.path="$PICTURES" --set data.image_size=16 --set data.uniform_dequantization=true \
        --set data.cache_mb=0 || return 1
    REASON="the weights differ"
    "$HELPER" same "$HERE/folder/model.safetensors" "$HERE/folder.uncached/model.safetensors"
}
folders_can_be_classes() {
    train 0 two recipes/celeba/ve_ncsnpp.yaml --steps 2 --set data.dataset=folder --set data.path="$PICTURES" \
        --set data.image_size=16 --set data.class_folders=true --set network.classes=2
}
wrong_number_of_classes_is_refused() {
    train 1 three recipes/celeba/ve_ncsnpp.yaml --set data.dataset=folder --set data.path="$PICTURES" \
        --set data.image_size=16 --set data.class_folders=true --set network.classes=3 &&
        error_says 'network.classes: is 3, the data set has 2'
}
samples_as_npz_are_data_again() {
    run 0 sample "$HERE/cifar10" -n 6 --steps 4 --out "$HERE/set.npz" --quiet &&
        train 0 npz recipes/cifar10/ve_ncsnpp_continuous.yaml --steps 2 --set data.dataset=npz \
            --set data.path="$HERE/set.npz"
}
damaged_image_stops_the_run_with_its_name() {
    cp -r "$PICTURES" "$HERE/torn"
    for file in "$HERE"/torn/train/b/*.jpg; do head -c 300 "$file" >"$HERE/part" && cp "$HERE/part" "$file"; done
    train 1 torn.run recipes/celeba/ve_ncsnpp.yaml --steps 100 --set data.dataset=folder --set data.path="$HERE/torn" \
        --set data.image_size=16 && error_says 'torn/train/b/.*jpg' 'cannot be read as JPEG'
}
likelihood_reads_folders_and_jpeg() {
    run 0 likelihood "$HERE/folder" --data test -n 2 --out "$HERE/folder.csv" --rtol 0.1 --atol 0.1 --json --quiet && out_says '"bits_per_dim":' &&
        run 0 likelihood "$HERE/cifar10" --data test -n 2 --out "$HERE/cifar10.csv" --rtol 0.1 --atol 0.1 --json --quiet || return 1
    "$HELPER" pictures "$HERE/one" 4 # 003.jpg has 32 x 42 pixels
    run 1 likelihood "$HERE/folder" --data "$HERE/one/train/b/003.jpg" --quiet && error_says 'holds images of 32x42'
}

claim every_published_recipe_says_what_data_it_needs
claim cifar10_trains_and_resumes_to_the_same_bits
claim cifar10_trains_with_its_classes
claim folder_of_png_and_jpeg_trains_and_resumes_to_the_same_bits
claim cache_does_not_change_training
claim folders_can_be_classes
claim wrong_number_of_classes_is_refused
claim samples_as_npz_are_data_again
claim damaged_image_stops_the_run_with_its_name
claim likelihood_reads_folders_and_jpeg
finish
