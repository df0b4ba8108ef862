# SPDX-License-Identifier: Apache-2.0
# A run and its continuation: the weights of an uninterrupted run, bit for bit, after Ctrl-C and after kill -9.
. tests/cli/claims.sh
make_data

# train STATUS FOLDER ARGUMENTS...: 12 steps with checkpoints at 4, 8 and 12 unless the arguments say otherwise.
TRAIN="$TINY --batch 2 --steps 12 --set training.checkpoint_every=4 --set training.log_every=3
  --set training.keep_checkpoints=2"
train() {
    status=$1
    folder=$2
    shift 2
    # shellcheck disable=SC2086
    run "$status" train $TRAIN --out "$HERE/$folder" "$@"
}
# interrupt FOLDER SIGNAL: starts a long training, waits for its first checkpoint, and sends the signal.
interrupt() {
    # shellcheck disable=SC2086
    "$ITO" train $TRAIN --out "$HERE/$1" --steps 100000 --set training.keep_checkpoints=100000 --quiet 2>"$HERE/err" &
    pid=$!
    for _ in $(seq 1200); do
        [ -e "$HERE/$1/checkpoints/$FIRST" ] && break
        sleep 0.05
    done
    kill -"$2" $pid
    STOPPED=0
    wait $pid 2>/dev/null || STOPPED=$?
}

FIRST=step_00000004.safetensors
LAST=checkpoints/step_00000012.safetensors

run_directory_is_complete() {
    train 0 whole --json --quiet && out_says '"model":' && out_says '"steps":' &&
        present "$HERE/whole/recipe.yaml" "$HERE/whole/log.jsonl" "$HERE/whole/loss.png" "$HERE/whole/$LAST" \
            "$HERE/whole/model.safetensors" || return 1
    REASON="--quiet wrote to stderr"
    [ ! -s "$HERE/err" ]
}
old_checkpoints_are_removed() {
    absent "$HERE/whole/checkpoints/$FIRST" && present "$HERE/whole/checkpoints/step_00000008.safetensors"
}
log_has_a_line_every_few_steps() {
    sed 's/.*"step":\([0-9]*\).*/\1/' "$HERE/whole/log.jsonl" | tr '\n' ' ' >"$HERE/steps"
    REASON="steps of the log: $(cat "$HERE/steps")"
    [ "$(cat "$HERE/steps")" = "3 4 6 8 9 12 " ] || return 1
    for key in images loss grad_norm learning_rate images_per_second skipped seconds; do
        REASON="not every line has $key"
        [ "$(grep -c "\"$key\":" "$HERE/whole/log.jsonl")" -eq 6 ] || return 1
    done
}
existing_run_is_not_overwritten() {
    cp "$HERE/whole/log.jsonl" "$HERE/log.before"
    train 1 whole && error_says 'already holds a run' '--resume' && same "$HERE/whole/log.jsonl" "$HERE/log.before"
}
same_weights() {
    same "$HERE/whole/$LAST" "$HERE/$1/$LAST" && same "$HERE/whole/model.safetensors" "$HERE/$1/model.safetensors"
}
# Losses and gradient norms of both logs, without the times.
same_log() {
    for folder in whole "$1"; do
        sed 's/,"images_per_second.*"skipped/,"skipped/; s/,"seconds.*//' "$HERE/$folder/log.jsonl" >"$HERE/$folder.log"
    done
    same "$HERE/whole.log" "$HERE/$1.log"
}
second_run_gives_the_same_bits() { train 0 twin --quiet && same_weights twin && same_log twin; }
shorter_run_continues_to_the_same_bits() {
    train 0 parts --steps 8 --quiet && train 0 parts --resume --quiet && same_weights parts && same_log parts
}
converted_checkpoint_starts_a_run_with_the_same_bits() {
    run 0 convert "$HERE/parts/checkpoints/step_00000008.safetensors" --optimizer -o "$HERE/from.safetensors" &&
        train 0 moved --from "$HERE/from.safetensors" --quiet && same_weights moved
}
starting_from_a_model_is_refused() {
    train 1 wrong --from "$HERE/whole/model.safetensors" --quiet && error_says 'is no checkpoint' || return 1
    REASON="a folder was left behind"
    [ ! -e "$HERE/wrong" ]
}
both_sets_convert_into_one_file() {
    run 0 convert "$HERE/whole/$LAST" --weights both -o "$HERE/both.safetensors" &&
        run 0 convert "$HERE/both.safetensors" --weights live -o "$HERE/live.safetensors" &&
        run 0 info "$HERE/live.safetensors"
}
converting_the_optimizer_to_bfloat16_is_refused() {
    run 2 convert "$HERE/whole/$LAST" --optimizer --bf16 -o "$HERE/none.safetensors" && error_says 'needs float32'
}
killed_run_continues_to_the_same_bits() {
    interrupt killed KILL
    # The moment of the kill is chance: what came after the first checkpoint is left out of the comparison, and
    # the log gets lines that were written after it, the last one torn.
    mkdir "$HERE/killed/kept"
    mv "$HERE"/killed/checkpoints/*.safetensors "$HERE/killed/kept"
    cp "$HERE/killed/kept/$FIRST" "$HERE/killed/checkpoints" || return 1
    printf '{"step":5,"loss":1,"seconds":1}\n{"step":6,"lo' >>"$HERE/killed/log.jsonl"
    train 0 killed --resume --quiet && same_weights killed && same_log killed
}
killed_run_left_whole_checkpoints() {
    for file in "$HERE"/killed/kept/*.safetensors; do run 0 info "$file" || return 1; done
}
interrupted_run_saves_and_says_how_to_continue() {
    interrupt stopped INT
    REASON="exit status $STOPPED"
    [ $STOPPED -eq 1 ] && error_says 'stopped on request' '--resume' || return 1
    said=$(sed 's/.*step \([0-9]*\) is saved.*/\1/' "$HERE/err")
    present "$HERE/stopped/checkpoints/$(printf 'step_%08d.safetensors' "$said")"
}
run_directory_stands_for_its_recipe() {
    steps=$(($(sed 's/.*step \([0-9]*\) is saved.*/\1/' "$HERE/err") + 2))
    run 0 train "$HERE/stopped" --resume --threads 2 --quiet --json --steps $steps && out_says "\"steps\":.*$steps"
}
second_training_in_a_folder_is_refused() {
    # shellcheck disable=SC2086
    "$ITO" train $TRAIN --out "$HERE/taken" --steps 100000 --quiet 2>/dev/null &
    pid=$!
    for _ in $(seq 1200); do
        [ -e "$HERE/taken/checkpoints/$FIRST" ] && break
        sleep 0.05
    done
    result=0
    train 1 taken --resume --quiet || result=1
    kill $pid
    wait $pid 2>/dev/null
    [ $result -eq 0 ] && error_says 'another ito train'
}
damaged_checkpoint_gives_way_to_the_older() {
    cp -r "$HERE/whole" "$HERE/cut" && head -c 5000 "$HERE/whole/$LAST" >"$HERE/cut/$LAST"
    train 0 cut --resume || return 1
    grep -q "$LAST.*damaged" "$HERE/err" || {
        REASON="the damaged file is not named: $(cat "$HERE/err")"
        return 1
    }
    same_weights cut && same_log cut
}
# The cache differs when the run goes on; the run directory does not.
timed_run_continues_with_its_convolutions() {
    train 0 timed --tuning yes --quiet && present "$HERE/timed/tuning.txt" || return 1
    cp -r "$HERE/timed" "$HERE/timed.cut" && rm "$HERE/timed.cut/$LAST" "$HERE/timed.cut/model.safetensors" || return 1
    XDG_CACHE_HOME=$HERE/other train 0 timed.cut --resume --quiet &&
        "$HELPER" same "$HERE/timed/$LAST" "$HERE/timed.cut/$LAST" >/dev/null || {
        REASON="the weights differ from those of the run that was not interrupted"
        return 1
    }
}
only_damaged_checkpoints_stop_the_run() {
    for file in "$HERE"/cut/checkpoints/*; do echo junk >"$file"; done
    cp "$HERE/cut/log.jsonl" "$HERE/log.before"
    train 1 cut --resume --quiet && error_says 'damaged' && same "$HERE/cut/log.jsonl" "$HERE/log.before"
}
changed_network_is_refused() {
    cp "$HERE/whole/recipe.yaml" "$HERE/recipe.before"
    train 1 whole --resume --quiet --set network.nf=16 && error_says 'nf' &&
        same "$HERE/whole/recipe.yaml" "$HERE/recipe.before"
}
resuming_nothing_starts_the_run() { train 0 fresh --resume --quiet --steps 2 && present "$HERE/fresh/model.safetensors"; }
sample_grids_are_written() {
    train 0 looks --quiet --steps 4 --set training.sample_every=2 --set sampling.steps=24 &&
        present "$HERE/looks/samples/step_00000002.png" "$HERE/looks/samples/step_00000004.png"
}
# Looking at samples draws from streams of its own.
sample_grids_do_not_change_training() {
    train 0 plain --quiet --steps 4 || return 1
    REASON="the weights differ"
    "$HELPER" same "$HERE/plain/model.safetensors" "$HERE/looks/model.safetensors"
}
parts_of_a_batch_are_accepted() { train 0 micro --quiet --steps 2 --micro-batch 2; }

claim run_directory_is_complete
claim old_checkpoints_are_removed
claim log_has_a_line_every_few_steps
claim existing_run_is_not_overwritten
claim second_run_gives_the_same_bits
claim shorter_run_continues_to_the_same_bits
claim converted_checkpoint_starts_a_run_with_the_same_bits
claim starting_from_a_model_is_refused
claim both_sets_convert_into_one_file
claim converting_the_optimizer_to_bfloat16_is_refused
claim killed_run_continues_to_the_same_bits
claim killed_run_left_whole_checkpoints
claim interrupted_run_saves_and_says_how_to_continue
claim run_directory_stands_for_its_recipe
claim second_training_in_a_folder_is_refused
claim damaged_checkpoint_gives_way_to_the_older
claim timed_run_continues_with_its_convolutions
claim only_damaged_checkpoints_stop_the_run
claim changed_network_is_refused
claim resuming_nothing_starts_the_run
claim sample_grids_are_written
claim sample_grids_do_not_change_training
claim parts_of_a_batch_are_accepted
finish
