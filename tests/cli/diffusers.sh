# SPDX-License-Identifier: Apache-2.0
# Folders of the diffusers library, there and back.
. tests/cli/claims.sh
make_data

WEIGHTS=diffusion_pytorch_model.safetensors
# A network of [DDPM] after one step of training. Its labels are those of the continuous objective, which the folder's
# scheduler does not know, so that is said to be discrete when it is converted.
DDPM="--set network.architecture=ddpm --set network.nf=32 --set network.attn_every_up=true"
model_is_trained() {
    # shellcheck disable=SC2086
    run 0 train $TINY $DDPM --batch 2 --steps 1 --quiet --out "$HERE/run" && present "$HERE/run/model.safetensors"
}
model_becomes_a_folder() {
    run 0 convert "$HERE/run/model.safetensors" -o "$HERE/folder" --to diffusers --set objective.continuous=false &&
        out_says "folder" && present "$HERE/folder/config.json" "$HERE/folder/scheduler_config.json" "$HERE/folder/$WEIGHTS"
}
folder_becomes_a_model_and_a_folder_again() {
    run 0 convert "$HERE/folder" -o "$HERE/model.safetensors" --json &&
        run 0 convert "$HERE/model.safetensors" -o "$HERE/again" --to diffusers &&
        same "$HERE/folder/$WEIGHTS" "$HERE/again/$WEIGHTS" && same "$HERE/folder/config.json" "$HERE/again/config.json" &&
        same "$HERE/folder/scheduler_config.json" "$HERE/again/scheduler_config.json"
}
folder_is_described() {
    run 0 info "$HERE/folder" && out_says "$WEIGHTS" && out_says '^sde *vp, discrete'
}
folder_samples_like_its_model() {
    sample="-n 1 --predictor euler_maruyama --steps 3 --seed 5 --threads 1 --quiet"
    # shellcheck disable=SC2086
    run 0 sample "$HERE/folder" $sample --out "$HERE/a.npz" && run 0 sample "$HERE/model.safetensors" $sample --out "$HERE/b.npz" &&
        close_images "$HERE/a.npz" "$HERE/b.npz" 0
}
what_does_not_map_is_named() {
    sed 's/"DownBlock2D"/"KDownBlock2D"/' "$HERE/folder/config.json" >"$HERE/again/config.json"
    run 1 info "$HERE/again" && error_says 'again/config.json: down_block_types has a KDownBlock2D' || return 1
    run 1 convert fashion -o "$HERE/none" --to diffusers && error_says 'network.fir' && absent "$HERE/none"
}
bf16_is_not_for_folders() {
    run 2 convert fashion -o "$HERE/none" --to diffusers --bf16 && error_says '--bf16'
}

claim model_is_trained
claim model_becomes_a_folder
claim folder_becomes_a_model_and_a_folder_again
claim folder_is_described
claim folder_samples_like_its_model
claim what_does_not_map_is_named
claim bf16_is_not_for_folders
finish
