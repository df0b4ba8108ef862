#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make demo` shows: samples of the bundled model, their way from noise to image, and a training that is stopped,
# resumed and sampled. Everything lands in demo/. With ITO_DEMO_SHORT=1 each part takes seconds.
#   demo.sh BUILD_FOLDER
set -eu
ito=$1/ito
short=${ITO_DEMO_SHORT:-0}
out=demo

if [ "$short" = 1 ]; then
    count=8 sample_steps=20 seconds=6
else
    count=64 sample_steps=250 seconds=48
fi

say() { printf '\n%s\n' "$*" >&2; }
run() { echo "\$ $*" >&2 && "$@"; }

mkdir -p $out
rm -rf $out/run

say "1. $count samples of the bundled model"
run "$ito" sample fashion -n $count --steps $sample_steps --seed 1 --out $out/samples.png

say "2. Eight of them on their way from noise to image"
run "$ito" sample fashion -n 8 --steps $sample_steps --seed 1 --out $out/eight.png \
    --trajectory $out/trajectory.png --animation $out/trajectory.webp

say "3. A small network trains for $seconds seconds, then gets a Ctrl-C"
status=0
run timeout --foreground --signal=INT $seconds "$ito" train recipes/fashion/tiny.yaml --out $out/run || status=$?
# 124: the time was up, as planned; 0: this machine trained to the end of the recipe first.
if [ $status -ne 124 ] && [ $status -ne 0 ]; then exit $status; fi

reached=$(find $out/run/checkpoints -name 'step_*.safetensors' | sed 's/.*step_0*//; s/\.safetensors//' | sort -n | tail -n 1)
target=$((${reached:?there is no checkpoint to resume from} * 5 / 4 + 1))
say "4. It resumes at step $reached, up to step $target"
run "$ito" train $out/run --resume --steps $target

say "5. And draws"
run "$ito" sample $out/run -n 16 --steps 100 --out $out/own.png

say "6. The same without a network: points of an exact density, by a solver of few steps"
run "$ito" sample gmm:pinwheel --sampler dpmpp_sde_2m --steps 100 --seed 1 --out $out/points.png --trajectory $out/points_way.png

cat <<END

Look at
  $out/samples.png      $count samples of the bundled model
  $out/trajectory.png   from noise to image, one sample a row; $out/trajectory.webp moves
  $out/own.png          what the minute of training on this machine learned
  $out/points.png       2000 points over the density they were drawn from; $out/points_way.png their way
  $out/run/             its run directory: recipe.yaml, log.jsonl, loss.png, checkpoints/, model.safetensors
END
