# SPDX-License-Identifier: Apache-2.0
"""Tensors by name in .safetensors files: eight bytes with the length of a JSON header, the header, the data.

Source: the format's own description. Departures: reads float32 and bfloat16, writes float32 alone.
"""
import json
import struct

import numpy as np


def read(path):
    """All tensors of a file as float32 arrays, and its metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = _decode(data[begin:end], entry["dtype"], name).reshape(entry["shape"])
    return tensors, metadata


def _decode(data, dtype, name):
    if dtype == "F32":
        return np.frombuffer(data, "<f4").copy()
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    raise ValueError(f"{name}: is of type {dtype}: use float32 or bfloat16")


def write(path, tensors):
    """Writes float32 arrays under their names."""
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + 4 * array.size]}
        offset += 4 * array.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())
