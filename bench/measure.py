# SPDX-License-Identifier: Apache-2.0
"""Runs ito and its peers as processes, one at a time, and keeps what they print.

Environment: ITO_BENCH_PYTHON, the Python of another PyTorch; ITO_BENCH_PREFIX, words before every measured command, as
"chrt -r 5" on a machine that does other work.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEER = os.path.join(ROOT, "bench/peers/peer.py")
PATIENCE = 900  # seconds that one process may take


class Failed(Exception):
    """A process that gave no answer; its last words."""


def run(words):
    """Seconds of a process, and what it wrote to stdout."""
    start = time.perf_counter()
    try:
        done = subprocess.run(os.environ.get("ITO_BENCH_PREFIX", "").split() + words, cwd=ROOT, timeout=PATIENCE,
                              capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {PATIENCE} s") from None
    except OSError as error:
        raise Failed(str(error)) from None
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or ["no answer"])[-1])
    return seconds, done.stdout


def answer(words):
    return json.loads(run(words)[1])


class Peers:
    """The Pythons with PyTorch, and the variants of a network that each can run."""

    def __init__(self, quick, alone):
        self.quick, self.python, self.notes = quick, {}, []
        if alone:
            return
        for path in ["/usr/bin/python3", os.environ.get("ITO_BENCH_PYTHON")]:
            if path and shutil.which(path):
                self.add(path)
        if not self.python:
            self.notes.append("PyTorch is absent: install Debian's python3-torch, or name a Python that has it in "
                              "ITO_BENCH_PYTHON")

    def add(self, path):
        try:
            found = answer([path, PEER, "probe"])
        except Failed:
            found = {}
        if "torch" in found and "yaml" in found and found["torch"] not in [f["torch"] for f in self.python.values()]:
            self.python[path] = found

    def versions(self):
        parts = []
        for found in self.python.values():
            parts.append(f"PyTorch {found['torch']}")
            if "onnxruntime" in found:
                parts.append(f"ONNX Runtime {found['onnxruntime']}")
        return parts

    def variants(self, precision, work, compiled=False):
        """Options of `peer.py time`, with the Python of each and the column that its best time belongs to. Compiling takes
        minutes, so whoever repeats a measurement asks for it once."""
        for path, found in self.python.items():
            name = f"PyTorch {found['torch']}"
            for layout in ["channels_last"] if self.quick else ["channels_last", "contiguous"]:
                yield name, path, ["--layout", layout, "--precision", precision, "--work", *work]
            if compiled and not self.quick and int(found["torch"].split(".")[0]) >= 2:
                yield f"{name} compiled", path, ["--backend", "compile", "--precision", precision, "--work", *work]
            if "onnxruntime" in found and precision == "f32" and "forward" in work:
                yield f"ONNX Runtime {found['onnxruntime']}", path, ["--backend", "onnx", "--work", "forward"]


class Bench:
    """Everything measured so far: `value[row][column]` is a list with one number a round."""

    def __init__(self, ito, folder, quick, alone):
        self.ito, self.folder, self.quick = ito, folder, quick
        self.rounds = 1 if quick else 2
        self.peers = Peers(quick, alone)
        self.value, self.notes, self.given_up = {}, list(self.peers.notes), set()
        self.machine = answer([ito, "bench", "machine", "--quiet", "--json"])
        os.makedirs(folder, exist_ok=True)

    def keep(self, row, column, number):
        self.value.setdefault(row, {}).setdefault(column, []).append(number)

    def get(self, row, column):
        """The median of the rounds; None if there were none."""
        numbers = self.value.get(row, {}).get(column)
        return statistics.median(numbers) if numbers else None

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)

    def has_bf16(self):
        try:
            run([self.ito, "bench", "network", "recipes/fashion/tiny.yaml", "--batch", "1", "--runs", "1", "--only", "forward",
                 "--no-limit", "--quiet", "--precision", "bf16"])
        except Failed as failure:
            self.note(f"bfloat16 is left out: {failure}")
            return False
        return True

    def network(self, recipe, *options):
        """ito bench network as a dictionary; empty, with a note, when it fails."""
        words = [self.ito, "bench", "network", recipe, "--quiet", "--json", *map(str, options)]
        self.say(" ".join(["ito"] + words[1:]))
        try:
            return answer(words)
        except Failed as failure:
            self.note(f"{' '.join(words[3:])}: {failure}")
            return {}

    def prepare(self, recipe, size=32):
        """The folder with weights, inputs and ito's outputs that peers of this recipe are held against."""
        folder = os.path.join(self.folder, f"{os.path.basename(recipe).removesuffix('.yaml')}_{size}")
        for path in self.peers.python:
            try:
                run([path, PEER, "prepare", recipe, folder, "--size", str(size)])
                run([self.ito, "forward", f"{folder}/weights.safetensors", f"{folder}/input.safetensors", "--recipe", recipe,
                     "--set", f"data.image_size={size}", "--exact", "-o", f"{folder}/output.safetensors"])
            except Failed as failure:
                self.note(f"peers of {recipe}: {failure}")
                return None
            return folder
        return None

    def peer(self, recipe, folder, path, options):
        """peer.py time as a dictionary; empty, with a note, when it fails, and then not tried again."""
        words = [path, PEER, "time", recipe, folder, *map(str, options)]
        # A compiler too slow or absent here is so for every network.
        key = (path, "compile") if "compile" in options else tuple(words)
        if folder is None or key in self.given_up:
            return {}
        self.say(" ".join(["peer.py"] + words[2:3] + [recipe] + words[5:]))
        try:
            return answer(words)
        except Failed as failure:
            self.given_up.add(key)
            self.note(f"{os.path.basename(recipe)} {' '.join(words[5:])}: {failure}")
            return {}
