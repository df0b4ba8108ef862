# SPDX-License-Identifier: Apache-2.0
"""Measures ito beside its peers on this machine, prints one table, and puts it into docs/performance.md.

    performance.py BUILD_FOLDER [--quick] [--rounds N] [--alone] [--page FILE]

--quick takes some minutes instead of more than an hour: no compiled peers, small sizes; it leaves the page alone. --rounds
says how often networks are measured (default 2, quick 1). --alone leaves the peers out. --page names another page, and one to
write after --quick. All numbers stay in BUILD_FOLDER/bench/results.json.
"""
import argparse
import json
import os

import measure
import tables

DDPMPP, NCSNPP = "recipes/cifar10/vp_ddpmpp_continuous.yaml", "recipes/cifar10/ve_ncsnpp_continuous.yaml"
SMALL, MODEL = "recipes/fashion/ddpmpp_vp.yaml", "models/fashion.safetensors"
# name in the table, recipe, batch
NETWORKS = [("DDPM++", DDPMPP, 8), ("DDPM++", DDPMPP, 1), ("NCSN++", NCSNPP, 8), ("NCSN++", NCSNPP, 1),
            ("small", SMALL, 64), ("small", SMALL, 1)]
COMPILED = [("DDPM++", 8), ("small", 64)]  # compiling takes minutes
TIMES = [("forward", "forward_s_per_image"), ("training step", "train_step_s_per_image")]  # keys of ito's JSON and peers'
SAMPLE_STEPS = 50  # of the cold start: the fewest, rounded, that the VP chain allows are 20


def networks(bench, precisions):
    """Forward and training of the networks, ito and peers in turns; memory and the sampler's step in the first round."""
    runs = 2 if bench.quick else 3
    for name, recipe, batch in NETWORKS[::2] if bench.quick else NETWORKS:
        folder = bench.prepare(recipe)
        for turn in range(bench.rounds):
            for precision in precisions:
                row = (name, batch, precision)
                options = ["--batch", batch, "--runs", runs, *(["--precision", precision] if precision != "f32" else [])]
                first = turn == 0
                result = bench.network(recipe, *options, *([] if first else ["--no-limit", "--only", "forward,train"]))
                keep_network(bench, row, result)
                works = ["forward", "train"] if batch > 1 else ["forward"]  # batch 1 is for inference
                for column, path, variant in bench.peers.variants(precision, works, compiled=first and (name, batch) in COMPILED):
                    answer = bench.peer(recipe, folder, path, [*variant, "--batch", batch, "--runs", runs])
                    keep_peer(bench, row, column, answer)


def keep_network(bench, row, result):
    peak = bench.machine.get(f"peak_{row[2]}_flop_per_s", 0)
    for work, key, limit in [("forward", "forward", "forward"), ("training step", "train_step", "train"),
                             ("forward and input gradient", "input_gradient", "input_gradient")]:
        if f"{key}_s_per_image" not in result:
            continue
        bench.keep((*row, work), "ito", result[f"{key}_s_per_image"])
        if f"conv_limit_{limit}_s_per_image" in result:
            bench.keep((*row, work), "convolutions", result[f"conv_limit_{limit}_s_per_image"])
        if peak > 0:
            bench.keep((*row, work), "peak", 1e9 * result[f"{key}_gflop_per_s"] / peak)
    for work, key in [("training memory", "train_extra_bytes_per_image"), ("peak memory", "peak_bytes"),
                      ("sampling memory", "sampling_extra_bytes"), ("sampler overhead", "pc_step_overhead")]:
        if key in result and "pc_step_s" in result:  # the whole run: the others have no room of their own
            bench.keep((*row, work), "ito", result[key])


def keep_peer(bench, row, column, answer):
    """By layout: the table shows the better one."""
    for work, key in [*TIMES, ("training memory", "train_extra_bytes_per_image"), ("peak memory", "peak_bytes")]:
        if key in answer and (work != "peak memory" or "train_step_s_per_image" in answer):
            bench.keep((*row, work), (column, answer["layout"]), answer[key])


def cold_start(bench):
    """From the start of a process to the first image of the bundled model."""
    row = ("cold start", 1, "f32", f"first image, {SAMPLE_STEPS} steps")
    image = os.path.join(bench.folder, "first")
    commands = {"ito": [bench.ito, "sample", MODEL, "-n", "1", "--steps", str(SAMPLE_STEPS), "--quiet", "-o", f"{image}.png"]}
    for path, found in bench.peers.python.items():
        commands[(f"PyTorch {found['torch']}", "contiguous")] = [path, measure.PEER, "sample", MODEL, f"{image}.npy", "--steps",
                                                                 str(SAMPLE_STEPS)]
    bench.say("cold start")
    for _ in range(2 if bench.quick else 5):
        for column, words in commands.items():
            try:
                bench.keep(row, column, measure.run(words)[0])
            except measure.Failed as failure:
                bench.note(f"cold start: {failure}")


def forward_and_training(bench, row, recipe, *options):
    result = bench.network(recipe, "--no-limit", "--only", "forward,train", *options)
    for work, key in TIMES:
        if key in result:
            bench.keep((*row, work), "ito", result[key])


def one_peer(bench, row, recipe, folder, *options):
    """The first peer, in one layout: what grows with size or batch shows as well in it."""
    for column, path, variant in list(bench.peers.variants("f32", ["forward", "train"]))[:1]:
        answer = bench.peer(recipe, folder, path, [*variant, *options])
        for work, key in TIMES:
            if key in answer:
                bench.keep((*row, work), (column, answer["layout"]), answer[key])


def scaling(bench):
    name, recipe, batch = ("small", SMALL, 64) if bench.quick else ("DDPM++", DDPMPP, 8)
    folder = bench.prepare(recipe)
    for _ in range(bench.rounds):
        for threads in [1, 2]:
            row = (f"{name}, {threads} thread{'s' if threads > 1 else ''}", batch, "f32")
            forward_and_training(bench, row, recipe, "--batch", batch, "--runs", 2, "--threads", threads)
            one_peer(bench, row, recipe, folder, "--batch", batch, "--runs", 2, "--threads", threads)


def resolutions(bench):
    for size in [32, 64] if bench.quick else [32, 64, 128, 256]:
        row = (f"small, {size}x{size}", 4, "f32")
        forward_and_training(bench, row, SMALL, "--batch", 4, "--runs", 3, "--set", f"data.image_size={size}")
        one_peer(bench, row, SMALL, bench.prepare(SMALL, size), "--batch", 4, "--runs", 3, "--size", size)


def batches(bench):
    name, recipe = ("small", SMALL) if bench.quick else ("DDPM++", DDPMPP)
    folder = bench.prepare(recipe)
    for batch in [1, 8, 64] if bench.quick else [1, 2, 4, 8, 16, 32, 64]:
        row = (f"{name}, by batch", batch, "f32")
        forward_and_training(bench, row, recipe, "--batch", batch, "--runs", 2)
        one_peer(bench, row, recipe, folder, "--batch", batch, "--runs", 1 if batch > 8 else 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--page")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    page = arguments.page or (None if arguments.quick else os.path.join(measure.ROOT, "docs/performance.md"))
    bench = measure.Bench(os.path.join(build, "ito"), os.path.join(build, "bench"), arguments.quick, arguments.alone)
    bench.rounds = arguments.rounds or bench.rounds
    busy = os.getloadavg()[0]
    if busy > 1:
        bench.note(f"the machine does other work (load {busy:.1f}): figures are worse than they could be")
    networks(bench, ["f32", "bf16"] if bench.has_bf16() else ["f32"])
    cold_start(bench)
    scaling(bench)
    resolutions(bench)
    batches(bench)

    text = tables.whole(bench)
    with open(os.path.join(bench.folder, "results.json"), "w") as file:
        json.dump(tables.plain(bench), file, indent=1)
    if page:
        tables.renew_page(page, text)
    print(text, end="")


if __name__ == "__main__":
    main()
