# SPDX-License-Identifier: Apache-2.0
# Verbs, options, help, and what a wrong command line gets.
. tests/cli/claims.sh

usage_error() {
    words=$1
    shift
    # shellcheck disable=SC2086
    run 2 $words && error_says "$@"
}

version_is_printed() { run 0 --version && out_says '^ito [0-9]'; }
help_lists_every_verb() {
    run 0 --help || return 1
    for verb in train sample likelihood encode decode interpolate info forward bench convert help; do out_says "^  $verb " || return 1; done
}
verbs_explain_themselves() {
    for verb in train sample likelihood encode decode interpolate info forward bench convert help; do
        run 0 help $verb || return 1
        cp "$HERE/out" "$HERE/help"
        run 0 $verb --help && out_says "^Usage: ito $verb " && same "$HERE/out" "$HERE/help" || return 1
    done
}
# Every option of --help has its entry in the manual, and the manual has no other.
manual_has_the_options() {
    for verb in train sample likelihood encode decode interpolate info forward bench convert; do
        run 0 help $verb || return 1
        sed '/^Options of every verb/,$d' "$HERE/out" | grep -o -e '^  [ -][ a-z][, ] --[a-z0-9-]*' |
            grep -o -e '--[a-z0-9-]*' | sort >"$HERE/options"
        grep -e '^\*-' docs/man/ito-$verb.1.scd | grep -o -e '\*--[a-z0-9-]*\*' | tr -d '*' | sort -u |
            grep -v -e '^--out$' >"$HERE/documented"
        grep -v -e '^--help$' "$HERE/options" | cmp -s - "$HERE/documented" || {
            REASON="$verb: $(diff "$HERE/options" "$HERE/documented" | grep '[<>]' | tr '\n' ' ')"
            return 1
        }
    done
}
# The page is made of the source and of what --help lists, when it is built.
manual_lists_what_help_lists() {
    page=$(dirname "$ITO")/docs/man/ito-sample.1
    run 0 help sample && present "$page" || return 1
    names=$(sed '1,/^Options of every verb/d' "$HERE/out" | grep -o -e '^  [^ -][^ ]*' | tr -d ' ')
    count=0
    for name in $names; do
        count=$((count + 1))
        REASON="the manual does not list $name"
        grep -q -F -x -e "\\fB$name\\fR" "$page" || return 1
    done
    MEASURED="$count names"
    REASON="only $count names are listed"
    [ $count -ge 30 ]
}
no_verb_is_usage() { run 2 && error_says 'no verb'; }
unknown_verb_names_the_nearest() { usage_error 'sampel x' 'sampel' 'ito sample'; }
unknown_option_names_the_nearest() { usage_error 'sample x --predictr foo' '--predictr' '--predictor'; }
unknown_method_names_the_nearest() {
    usage_error 'sample x --predictor euler_marujama' '--predictor' 'did you mean euler_maruyama'
}
unknown_method_lists_the_known() { usage_error 'sample x --corrector qqqqqqqq' '--corrector' 'langevin' 'none'; }
missing_argument_is_usage() { usage_error 'train' 'ito train RECIPE'; }
extra_argument_is_usage() { usage_error 'info a b' 'b: one argument too many'; }
missing_value_is_usage() { usage_error 'sample x --steps' '--steps' 'no value'; }
value_out_of_range_is_usage() { usage_error 'sample x -n 0' '--count: is 0: use at least 1'; }
value_that_is_no_number_is_usage() { usage_error 'sample x --steps 1e3x' '--steps' 'not a whole number'; }
negative_seed_is_usage() { usage_error 'sample x --seed=-4' '--seed: is -4'; }
output_of_another_kind_is_usage() { usage_error 'sample x --animation a.gif' '--animation' '.webp'; }
other_precisions_are_refused() { usage_error 'sample x --precision f16' '--precision' 'f32, bf16'; }
exact_is_float32() { run 1 bench network recipes/fashion/tiny.yaml --exact --precision bf16 && error_says '--exact' 'f32'; }
recipe_is_described() {
    run 0 info recipes/fashion/tiny.yaml --json && out_says '"parameters":' && out_says '"flops_per_image":'
}
set_reaches_the_recipe() {
    run 0 info recipes/fashion/tiny.yaml --recipe --set training.lr=0.5 && out_says 'lr: 0.5'
}
printed_recipe_reads_back() {
    cp "$HERE/out" "$HERE/printed.yaml" && run 0 info "$HERE/printed.yaml" --recipe &&
        same "$HERE/out" "$HERE/printed.yaml"
}
result_that_cannot_be_written_fails() {
    status=0
    "$ITO" --help >/dev/full 2>"$HERE/err" || status=$?
    REASON="exit status $status"
    [ $status -eq 1 ] && error_says 'standard output'
}

claim version_is_printed
claim help_lists_every_verb
claim verbs_explain_themselves
claim manual_has_the_options
claim manual_lists_what_help_lists
claim no_verb_is_usage
claim unknown_verb_names_the_nearest
claim unknown_option_names_the_nearest
claim unknown_method_names_the_nearest
claim unknown_method_lists_the_known
claim missing_argument_is_usage
claim extra_argument_is_usage
claim missing_value_is_usage
claim value_out_of_range_is_usage
claim value_that_is_no_number_is_usage
claim negative_seed_is_usage
claim output_of_another_kind_is_usage
claim other_precisions_are_refused
claim exact_is_float32
claim recipe_is_described
claim set_reaches_the_recipe
claim printed_recipe_reads_back
claim result_that_cannot_be_written_fails
finish
