# SPDX-License-Identifier: Apache-2.0
"""A peer of ito: the same network with the same weights in PyTorch or ONNX Runtime, compared, then timed.

    peer.py prepare RECIPE FOLDER    random weights and inputs: FOLDER/weights.safetensors, FOLDER/input.safetensors
    ito forward FOLDER/weights.safetensors FOLDER/input.safetensors --recipe RECIPE --exact -o FOLDER/output.safetensors
    peer.py time RECIPE FOLDER ...   times only what gives FOLDER/output.safetensors; one JSON object
    peer.py sample MODEL OUT.npy     a process from start to first image
    peer.py probe                    what can be imported here; one JSON object

RECIPE is a YAML file, or a model file that holds one. Times are medians after a warm-up, in seconds of one image.
"""
import argparse
import copy
import importlib
import json
import math
import os
import statistics
import sys
import time

# What a variant's outputs may differ from ito's exact float32 ones: root mean square, relative. float32 sums in another
# order through some 50 layers; bfloat16 rounds each to 8 bits.
BOUND = {"f32": 1e-4, "bf16": 5e-2}


def read_recipe(path, size=None):
    import yaml

    if path.endswith(".safetensors"):
        import tensors
        recipe = yaml.safe_load(tensors.read(path)[1]["recipe"])
    else:
        with open(path) as file:
            recipe = yaml.safe_load(file)
    if size:
        recipe["data"]["image_size"] = size
    return recipe


def number(section, key, usual):
    return float(section.get(key, usual))


# ---- prepare


def random_weights(network):
    """Every tensor of the network, none so small that a path through it would go unseen."""
    import numpy as np
    import torch.nn as nn

    rng, weights = np.random.default_rng(1), {}
    norms = {id(m.weight) for m in network.modules() if isinstance(m, nn.GroupNorm)}
    for name, parameter in network.named_parameters():
        draw = rng.standard_normal(tuple(parameter.shape)).astype(np.float32)
        if id(parameter) in norms:
            draw = 1 + 0.1 * draw
        elif parameter.ndim > 1:
            inputs = parameter.shape[0] if name.endswith(".W") else parameter[0].numel()
            draw /= math.sqrt(inputs)
        else:
            draw *= 0.1 if parameter.requires_grad else number(network.options, "fourier_scale", 16)
        weights[name] = draw
    return weights


def prepare(arguments):
    import numpy as np
    import network
    import tensors

    recipe = read_recipe(arguments.recipe, arguments.size)
    rng, data = np.random.default_rng(2), recipe["data"]
    x = rng.uniform(-1, 1, (2, data["channels"], data["image_size"], data["image_size"])).astype(np.float32)
    labels = [250.0, 900.0] if recipe["sde"]["type"] != "ve" else [0.1, 20.0]
    if arguments.recipe.endswith(".safetensors"):
        weights = tensors.read(arguments.recipe)[0]
    else:
        weights = random_weights(network.Network(data, recipe["network"]))
    os.makedirs(arguments.folder, exist_ok=True)
    tensors.write(os.path.join(arguments.folder, "weights.safetensors"), weights)
    tensors.write(os.path.join(arguments.folder, "input.safetensors"), {"x": x, "labels": np.float32(labels)})


def load(recipe, weights):
    """The recipe's network with the weights of a file, every one of them used."""
    import network
    import tensors
    import torch

    made = network.Network(recipe["data"], recipe["network"])
    made.load_state_dict({name: torch.from_numpy(a) for name, a in tensors.read(weights)[0].items()})
    return made


# ---- variants: how a network is run


class Torch:
    """PyTorch, eager or compiled, contiguous or channels-last, float32 or autocast to bfloat16."""

    def __init__(self, net, arguments):
        import torch

        self.torch, self.precision = torch, arguments.precision
        torch.set_num_threads(arguments.threads)
        self.format = torch.channels_last if arguments.layout == "channels_last" else torch.contiguous_format
        self.net = net.to(memory_format=self.format)
        self.call = torch.compile(self.net) if arguments.backend == "compile" else self.net
        self.name = f"PyTorch {torch.__version__.split('+')[0]}"

    def tensor(self, array):
        made = self.torch.as_tensor(array)
        return made.contiguous(memory_format=self.format) if made.ndim == 4 else made

    def network(self, x, labels):
        if self.precision == "f32":
            return self.call(x, labels)
        with self.torch.autocast("cpu", dtype=self.torch.bfloat16):
            return self.call(x, labels)

    def forward(self, x, labels):
        self.net.eval()
        x, labels = self.tensor(x), self.tensor(labels)
        with self.torch.no_grad():
            return self.network(x, labels).float().numpy()


class Onnx:
    """ONNX Runtime on a graph that PyTorch exports, batch and all."""

    def __init__(self, net, arguments):
        import onnxruntime

        if arguments.precision != "f32":
            raise ValueError("--precision: ONNX Runtime has no bfloat16 for processors: use f32")
        self.net, self.runtime, self.threads = net.eval(), onnxruntime, arguments.threads
        self.name, self.sessions = f"ONNX Runtime {onnxruntime.__version__}", {}

    def session(self, x, labels):
        import inspect
        import io
        import warnings

        import torch

        if len(x) not in self.sessions:
            file, given = io.BytesIO(), (torch.as_tensor(x), torch.as_tensor(labels))
            traced = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(self.net, given, file, opset_version=16, input_names=["x", "labels"],
                                  output_names=["out"], **traced)
            options = self.runtime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
            self.sessions[len(x)] = self.runtime.InferenceSession(file.getvalue(), options,
                                                                  providers=["CPUExecutionProvider"])
        return self.sessions[len(x)]

    def forward(self, x, labels):
        return self.session(x, labels).run(["out"], {"x": x, "labels": labels})[0]


# ---- time


def median_seconds(call, runs):
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def memory(key):
    """Bytes of this process by a key of /proc/self/status."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))


def difference(variant, folder):
    """Root mean square distance of the outputs from ito's, relative to the latter."""
    import numpy as np
    import tensors

    given = tensors.read(os.path.join(folder, "input.safetensors"))[0]
    ours = tensors.read(os.path.join(folder, "output.safetensors"))[0]["out"]
    theirs = variant.forward(given["x"], given["labels"])
    return float(np.sqrt(np.mean((theirs - ours) ** 2) / np.mean(ours ** 2)))


class Training:
    """One step of denoising score matching, [SDE] Eq 7: perturb, loss, backward, clip, Adam, EMA."""

    def __init__(self, variant, recipe, x):
        torch = variant.torch
        self.variant, self.sde, self.x = variant, recipe["sde"], variant.tensor(x)
        self.mean = recipe["objective"]["reduce_mean"]
        self.live = [p for p in variant.net.parameters() if p.requires_grad]
        self.ema = [copy.deepcopy(p.detach()) for p in self.live]
        try:
            self.adam = torch.optim.Adam(self.live, lr=2e-4, fused=True)
        except (RuntimeError, TypeError):  # versions without a fused step for processors
            self.adam = torch.optim.Adam(self.live, lr=2e-4)
        variant.net.train()

    def perturb(self):
        torch, x = self.variant.torch, self.x
        t, z = torch.rand(len(x)) * (1 - 1e-5) + 1e-5, torch.randn_like(x)
        if self.sde["type"] == "ve":
            low, high = number(self.sde, "sigma_min", 0.01), number(self.sde, "sigma_max", 50)
            std = low * (high / low) ** t
            return x + std[:, None, None, None] * z, std, std, z
        low, high = number(self.sde, "beta_min", 0.1), number(self.sde, "beta_max", 20)
        area = low * t + (high - low) * t ** 2 / 2
        a, b = torch.exp(-area / 2), torch.sqrt(-torch.expm1(-area))
        return a[:, None, None, None] * x + b[:, None, None, None] * z, 999 * t, -torch.ones_like(t), z

    def step(self):
        torch = self.variant.torch
        x, labels, scale, z = self.perturb()
        self.adam.zero_grad(set_to_none=True)
        out = self.variant.network(x, labels).float()
        squares = (scale[:, None, None, None] * out + z) ** 2
        loss = squares.mean() if self.mean else squares.sum() / (2 * len(x))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.live, 1.0)
        self.adam.step()
        with torch.no_grad():
            for average, parameter in zip(self.ema, self.live):
                average.lerp_(parameter, 1e-4)
        return loss.item()


def time_work(arguments):
    import numpy as np

    recipe = read_recipe(arguments.recipe, arguments.size)
    data, runs, batch = recipe["data"], arguments.runs, arguments.batch
    before = memory("VmRSS")
    net = load(recipe, os.path.join(arguments.folder, "weights.safetensors"))
    variant = (Onnx if arguments.backend == "onnx" else Torch)(net, arguments)
    result = {"framework": variant.name, "backend": arguments.backend, "layout": arguments.layout,
              "precision": arguments.precision, "recipe": recipe["name"], "batch": batch, "runs": runs,
              "image_size": data["image_size"], "threads": arguments.threads}
    result["difference"] = difference(variant, arguments.folder)
    if not result["difference"] < BOUND[arguments.precision]:
        sys.exit(f"peer.py: {variant.name}: its output differs from ito's by {result['difference']:.2e} (relative, bound "
                 f"{BOUND[arguments.precision]}): not the same work, so not timed")
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (batch, data["channels"], data["image_size"], data["image_size"])).astype(np.float32)
    labels = np.linspace(1, 50, batch, dtype=np.float32)
    if "forward" in arguments.work:
        result["forward_s_per_image"] = median_seconds(lambda: variant.forward(x, labels), runs) / batch
    if "train" in arguments.work:
        training = Training(variant, recipe, x)
        result["train_step_s_per_image"] = median_seconds(training.step, runs) / batch
        held = 5 * 4 * sum(p.numel() for p in training.live)  # weights, gradients, two moments, EMA
        result["train_extra_bytes_per_image"] = (memory("VmHWM") - before - held) / batch
    result["peak_bytes"] = memory("VmHWM")
    print(json.dumps(result))


# ---- sample


def sample(arguments):
    """Reverse diffusion from the prior to the noise-free mean of the last step, as ito samples this model."""
    import numpy as np
    import torch

    recipe = read_recipe(arguments.model)
    torch.set_num_threads(arguments.threads)
    net, data, sde = load(recipe, arguments.model).eval(), recipe["data"], recipe["sde"]
    steps, low, high = arguments.steps, number(sde, "beta_min", 0.1), number(sde, "beta_max", 20)
    generator = torch.Generator().manual_seed(1)
    shape = (arguments.count, data["channels"], data["image_size"], data["image_size"])
    x = torch.randn(shape, generator=generator)
    with torch.no_grad():
        for t in np.linspace(1, 1e-3, steps):
            beta = (low + t * (high - low)) / steps
            b = math.sqrt(-math.expm1(-(low * t + (high - low) * t * t / 2)))
            score = -net(x, torch.full((len(x),), 999 * t, dtype=torch.float32)) / b
            mean = (2 - math.sqrt(1 - beta)) * x + beta * score
            x = mean + math.sqrt(beta) * torch.randn(shape, generator=generator)
    np.save(arguments.out, ((mean.clamp(-1, 1) + 1) * 127.5).round().byte().numpy())


# ---- probe


def probe(_):
    found = {}
    for name in ("torch", "yaml", "onnx", "onnxruntime"):
        try:
            found[name] = importlib.import_module(name).__version__.split("+")[0]
        except (ImportError, OSError):  # absent, or without a library that it needs
            pass
    print(json.dumps(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("prepare")
    one.set_defaults(run=prepare)
    one.add_argument("recipe")
    one.add_argument("folder")
    one.add_argument("--size", type=int, help="images of another size than the recipe's")
    one = commands.add_parser("time")
    one.set_defaults(run=time_work)
    one.add_argument("recipe")
    one.add_argument("folder")
    one.add_argument("--work", nargs="+", choices=["forward", "train"], default=["forward", "train"])
    one.add_argument("--backend", choices=["eager", "compile", "onnx"], default="eager")
    one.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
    one.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    one.add_argument("--batch", type=int, default=8)
    one.add_argument("--size", type=int, help="images of another size than the recipe's")
    one.add_argument("--runs", type=int, default=5)
    one.add_argument("--threads", type=int, default=os.cpu_count())
    one = commands.add_parser("sample")
    one.set_defaults(run=sample)
    one.add_argument("model")
    one.add_argument("out")
    one.add_argument("--steps", type=int, default=10)
    one.add_argument("--count", type=int, default=1)
    one.add_argument("--threads", type=int, default=os.cpu_count())
    commands.add_parser("probe").set_defaults(run=probe)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
