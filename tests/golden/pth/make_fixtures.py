# SPDX-License-Identifier: Apache-2.0
# Writes the .pth files of this folder with the PyTorch that runs it; README.md says which ones did. Neither the build
# nor the tests run this.
#   python3 make_fixtures.py TAG        TAG_zip.pth, TAG_legacy.pth, ... and, for TAG "new", expected.safetensors
import collections
import json
import struct
import sys

import numpy
import torch

tag = sys.argv[1]
new = int(torch.__version__.split(".")[0]) >= 2


def numbers(start, *shape, dtype=torch.float32):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float64) / 8 + start).reshape(shape).to(dtype)


def network(start):
    """Names and tensors of a model: parameters, one frozen vector W, and buffers."""
    big = numbers(start + 100, 40)
    return collections.OrderedDict([
        ("module.sigmas", numbers(900, 5, dtype=torch.float64)),
        ("module.embedding.W", numbers(start, 4)),
        ("module.conv.weight", numbers(start + 10, 2, 3, 2)),
        ("module.part.weight", big[8:20].reshape(3, 4)),        # an offset into a storage that two tensors share
        ("module.part.bias", big[20:23]),
        ("module.turned.weight", numbers(start + 20, 3, 4).t()),  # strides (1, 4)
        ("module.spaced.weight", numbers(start + 30, 4, 6)[1:, ::2]),
        ("module.last.weight", numbers(start + 40, 2, 3, 2, 2).permute(0, 2, 3, 1)),
        ("module.scale", torch.tensor(start + 0.5)),            # no dimensions
        ("module.half.weight", numbers(start, 3, dtype=torch.float16)),
        ("module.brain.weight", numbers(start, 3, dtype=torch.bfloat16)),
        ("module.double.weight", numbers(start + 50, 2, 2, dtype=torch.float64)),
        ("module.none.weight", numbers(0, 0, 3)),               # no elements
        ("module.count", torch.tensor(123456789012, dtype=torch.int64)),
        ("module.index", torch.tensor([1, -2, 3], dtype=torch.int32)),
        ("module.flag", torch.tensor([True, False, True])),
        ("module.byte", torch.tensor([0, 200, 255], dtype=torch.uint8)),
    ])


buffers = ("sigmas", "count", "index", "flag", "byte")


def is_parameter(name):
    return name.split(".")[1] not in buffers


def checkpoint(step_is_tensor, parameters):
    model = network(1)
    shadow = network(5)
    trained = [n for n in model if is_parameter(n) and n != "module.embedding.W"]
    if parameters:  # as state_dict(keep_vars=True) leaves them
        for n in trained:
            model[n] = torch.nn.Parameter(model[n])
    listed = [torch.nn.Parameter(model[n].detach().clone(), requires_grad=n in trained) for n in model if is_parameter(n)]
    optimizer = torch.optim.Adam(listed, lr=2e-4)
    for parameter in listed:
        if parameter.requires_grad:
            optimizer.state[parameter] = {
                "step": torch.tensor(77.0) if step_is_tensor else 77,
                "exp_avg": (parameter.detach() / 16).contiguous(),
                "exp_avg_sq": (parameter.detach() / 64).contiguous(),
            }
    # The warm-up of the published code multiplies by a numpy number.
    optimizer.param_groups[0]["lr"] = 2e-4 * numpy.minimum(77 / 5000, 1.0)
    model._metadata = collections.OrderedDict([("", dict(version=1))])
    return {
        "optimizer": optimizer.state_dict(),
        "model": model,
        "ema": dict(decay=0.9999, num_updates=1300000, shadow_params=[shadow[n].clone() for n in trained]),
        "step": 70001,
    }


types = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.uint8: "U8", torch.bool: "U8"}


def write_expected(path):
    """What ito_pth_open gives for each of the files."""
    state, tensors = checkpoint(True, False), {}
    names = list(state["model"])
    trained = [n for n in names if is_parameter(n) and n != "module.embedding.W"]
    for name in names:
        tensors["model/" + name[7:]] = state["model"][name]
        if name not in trained:
            tensors["ema/" + name[7:]] = state["model"][name]
    for k, name in enumerate(trained):
        tensors["ema/" + name[7:]] = state["ema"]["shadow_params"][k]
        moments = state["optimizer"]["state"][k + 1]  # W is number 0
        tensors["adam_m/" + name[7:]] = moments["exp_avg"]
        tensors["adam_v/" + name[7:]] = moments["exp_avg_sq"]
    header, data = {"__metadata__": {"step": "70001", "ema_num_updates": "1300000", "ema_decay": "0.9999",
                                     "adam_step": "77", "adam_lr": repr(float(2e-4 * numpy.minimum(77 / 5000, 1.0)))}}, b""
    for name, t in tensors.items():
        raw = t.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[name] = {"dtype": types[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


torch.save(checkpoint(new, False), tag + "_zip.pth")
torch.save(checkpoint(new, False), tag + "_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(checkpoint(new, True), tag + "_parameters.pth")
if new:
    torch.save(checkpoint(new, False), tag + "_protocol4.pth", pickle_protocol=4)
    write_expected("expected.safetensors")
