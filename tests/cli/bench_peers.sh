# SPDX-License-Identifier: Apache-2.0
# bench/peers: PyTorch's networks do the work that ito's do, and what does other work is not timed. Passes without claims
# where PyTorch is absent.
. tests/cli/claims.sh

export PYTHONDONTWRITEBYTECODE=1
peer() { /usr/bin/python3 bench/peers/peer.py "$@" >"$HERE/out" 2>"$HERE/err"; }
if ! peer probe || ! grep -q '"torch"' "$HERE/out" || ! grep -q '"yaml"' "$HERE/out"; then
    echo "ok      PyTorch is absent: nothing to compare"
    exit 0
fi

# prepare RECIPE: its network with an eighth of the channels and one block a level; weights, inputs and ito's outputs.
prepare() {
    sed 's/nf: .*/nf: 16/; s/num_res_blocks: .*/num_res_blocks: 1/' "recipes/cifar10/$1.yaml" >"$HERE/$1.yaml"
    REASON="peer.py prepare fails"
    peer prepare "$HERE/$1.yaml" "$HERE/$1" && run 0 forward "$HERE/$1/weights.safetensors" "$HERE/$1/input.safetensors" \
        --recipe "$HERE/$1.yaml" --exact -o "$HERE/$1/output.safetensors"
}
# agrees RECIPE OPTIONS...
agrees() {
    recipe=$1
    shift
    peer time "$HERE/$recipe.yaml" "$HERE/$recipe" --batch 2 --runs 1 --threads 1 "$@"
    status=$?
    MEASURED="relative difference $(sed -n 's/.*"difference": \([^,]*\),.*/\1/p' "$HERE/out")"
    REASON=$(tail -n 1 "$HERE/err")
    return $status
}

ddpmpp_does_the_same_work() { prepare vp_ddpmpp_continuous && agrees vp_ddpmpp_continuous --layout channels_last; }
ncsnpp_does_the_same_work() { prepare ve_ncsnpp_continuous && agrees ve_ncsnpp_continuous --work forward; }
bfloat16_stays_near() { agrees vp_ddpmpp_continuous --precision bf16 --work forward; }
# The inputs of the other network: outputs for them are not those that ito gave.
other_work_is_not_timed() {
    REASON="it was timed"
    cp "$HERE/vp_ddpmpp_continuous/input.safetensors" "$HERE/ve_ncsnpp_continuous/"
    ! agrees ve_ncsnpp_continuous --work forward || return 1
    REASON=$(tail -n 1 "$HERE/err")
    MEASURED=
    grep -q 'differs from ito.s by .* not timed' "$HERE/err" && [ ! -s "$HERE/out" ]
}

claim ddpmpp_does_the_same_work
claim ncsnpp_does_the_same_work
claim bfloat16_stays_near
claim other_work_is_not_timed
finish
