# SPDX-License-Identifier: Apache-2.0
"""The networks of the NCSN++ family in PyTorch, after [SDE] App. H: the peer of src/networks/ncsnpp.c.

Module indices, parameter names and the order of operations are those of ito, so one weights file serves both. Where
PyTorch has a faster way to the same numbers (fused attention, depthwise FIR), it is taken: a peer runs at its best.
Options that no benchmark uses are refused by name.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

USUAL = {  # fields of a recipe's network section when it does not give them
    "architecture": "ncsnpp", "dropout": 0.1, "conditional": True, "fir": False, "fir_kernel": [1, 3, 3, 1],
    "skip_rescale": True, "resblock_type": "biggan", "embedding_type": "positional", "fourier_scale": 16,
    "progressive": "none", "progressive_input": "none", "progressive_combine": "sum", "scale_by_sigma": False,
    "nonlinearity": "swish", "classes": 0,
}
SERVED = {  # what this file builds
    "architecture": ["ncsnpp"], "conditional": [True], "resblock_type": ["biggan"], "nonlinearity": ["swish"],
    "embedding_type": ["positional", "fourier"], "progressive": ["none"], "progressive_input": ["none", "residual"],
    "progressive_combine": ["sum"], "classes": [0],
}

MIXES = int(torch.__version__.split(".")[0]) >= 2


class Norm(nn.GroupNorm):
    """Group norm. Before version 2 PyTorch has none for bfloat16 images beside float32 weights, and that for bfloat16
    channels-last gives wrong numbers: there it runs in float32."""

    def forward(self, x):
        if MIXES or x.dtype == torch.float32:
            return super().forward(x)
        if not x.is_contiguous():
            return super().forward(x.float()).to(x.dtype)
        return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


def norm(channels):
    return Norm(min(channels // 4, 32), channels, eps=1e-6)


def conv(inputs, outputs, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class Resample(nn.Module):
    """Twice or half the size: nearest and mean, or a separable FIR applied channel by channel. `margin` widens the
    padding for an unpadded, strided convolution that follows and halves the size in the filter's place."""

    def __init__(self, channels, how, options, margin=0):
        super().__init__()
        self.channels, self.how, self.fir = channels, how, options["fir"]
        if not self.fir:
            return
        taps = torch.tensor(options["fir_kernel"], dtype=torch.float32)
        taps = taps / taps.sum() * (2 if how == "up" else 1)
        spare = len(taps) - 2
        self.before, self.after = (spare + 1) // 2 + margin, spare // 2 + margin
        self.stride = 1 if margin else 2
        if how == "up":  # a transposed convolution runs over the taps backwards
            taps = taps.flip(0)
            self.crop = len(taps) - 2 - self.before
        kernel = torch.outer(taps, taps).expand(channels, 1, -1, -1).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x):
        if not self.fir:
            return F.interpolate(x, scale_factor=2.0) if self.how == "up" else F.avg_pool2d(x, 2)
        if self.how == "up":
            return F.conv_transpose2d(x, self.kernel, stride=2, padding=self.crop, groups=self.channels)
        if self.before == self.after:
            return F.conv2d(x, self.kernel, stride=self.stride, padding=self.before, groups=self.channels)
        x = F.pad(x, (self.before, self.after, self.before, self.after))
        return F.conv2d(x, self.kernel, stride=self.stride, groups=self.channels)


class Block(nn.Module):
    """A residual block of BigGAN's kind; resamples inside when `how` says so."""

    def __init__(self, inputs, outputs, options, how=None):
        super().__init__()
        self.GroupNorm_0, self.Conv_0 = norm(inputs), conv(inputs, outputs)
        self.Dense_0 = nn.Linear(4 * options["nf"], outputs)
        self.GroupNorm_1, self.Conv_1 = norm(outputs), conv(outputs, outputs)
        self.Conv_2 = conv(inputs, outputs, 1) if inputs != outputs or how else None
        self.resample = Resample(inputs, how, options) if how else None
        # Repeating pixels commutes with a 1x1 convolution, which is cheaper on the small image.
        self.widen_first = how == "up" and not options["fir"]
        self.dropout, self.scale = options["dropout"], math.sqrt(0.5) if options["skip_rescale"] else 1.0

    def shortcut(self, x):
        if self.widen_first:
            return self.resample(self.Conv_2(x))
        if self.resample:
            x = self.resample(x)
        return self.Conv_2(x) if self.Conv_2 else x

    def forward(self, x, time):
        h = F.silu(self.GroupNorm_0(x))
        if self.resample:
            h = self.resample(h)
        h = self.Conv_0(h) + self.Dense_0(time)[:, :, None, None]
        h = F.dropout(F.silu(self.GroupNorm_1(h)), self.dropout, self.training)
        return (self.shortcut(x) + self.Conv_1(h)) * self.scale


class Nin(nn.Module):
    """A 1x1 convolution whose weight is stored [in, out]."""

    def __init__(self, channels):
        super().__init__()
        self.W, self.b = nn.Parameter(torch.empty(channels, channels)), nn.Parameter(torch.empty(channels))

    def forward(self, x):
        return F.conv2d(x, self.W.t()[:, :, None, None], self.b)


class Attention(nn.Module):
    """Self-attention over the pixels, one head."""

    def __init__(self, channels, options):
        super().__init__()
        self.GroupNorm_0 = norm(channels)
        self.NIN_0, self.NIN_1, self.NIN_2, self.NIN_3 = (Nin(channels) for _ in range(4))
        self.scale = math.sqrt(0.5) if options["skip_rescale"] else 1.0

    def forward(self, x):
        h = self.GroupNorm_0(x)
        q, k, v = (nin(h).flatten(2).transpose(1, 2) for nin in (self.NIN_0, self.NIN_1, self.NIN_2))
        if hasattr(F, "scaled_dot_product_attention"):
            h = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            h = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1]), -1), v)
        h = h.transpose(1, 2).reshape(x.shape)
        return (x + self.NIN_3(h)) * self.scale


class Frequencies(nn.Module):
    """Frozen random frequencies of a Fourier embedding."""

    def __init__(self, count):
        super().__init__()
        self.W = nn.Parameter(torch.empty(count), requires_grad=False)


class Pyramid(nn.Module):
    """The input image, halved and brought to the features' channels."""

    def __init__(self, inputs, outputs, options):
        super().__init__()
        if not options["fir"]:
            raise ValueError("network.fir: is false beside a residual input pyramid: use true")
        self.filter = Resample(inputs, "down", options, margin=1)
        self.Conv2d_0 = nn.Conv2d(inputs, outputs, 3, stride=2)

    def forward(self, x):
        return self.Conv2d_0(self.filter(x))


class Network(nn.Module):
    """x [B, C, S, S], labels [B] -> [B, C, S, S], from the data and network sections of a recipe."""

    def __init__(self, data, section):
        super().__init__()
        self.options = options = {**USUAL, **section}
        for field, values in SERVED.items():
            if options[field] not in values:
                raise ValueError(f"network.{field}: is {options[field]}, which the peer has not: use {values}")
        self.centered, self.channels, self.size = data["centered"], data["channels"], data["image_size"]
        self.all_modules, self.walk = nn.ModuleList(), []
        self.embed()
        self.build()

    def add(self, step, module):
        """The next module, and what the walk does with it."""
        self.all_modules.append(module)
        self.walk.append((step, len(self.all_modules) - 1))

    def embed(self):
        nf, fourier = self.options["nf"], self.options["embedding_type"] == "fourier"
        if fourier:
            self.all_modules.append(Frequencies(nf))
        self.all_modules.append(nn.Linear(2 * nf if fourier else nf, 4 * nf))
        self.all_modules.append(nn.Linear(4 * nf, 4 * nf))
        step = -math.log(10000) / (nf // 2 - 1)
        self.register_buffer("positions", torch.exp(torch.arange(nf // 2) * step), persistent=False)

    def build(self):
        o = self.options
        widths = [o["nf"] * m for m in o["ch_mult"]]
        attends = [self.size >> level in o["attn_resolutions"] for level in range(len(widths))]
        last = len(widths) - 1
        h, image = o["nf"], self.channels
        kept = [h]
        self.add("first", conv(image, h))
        for level, width in enumerate(widths):
            for _ in range(o["num_res_blocks"]):
                self.add("block", Block(h, width, o))
                h = width
                if attends[level]:
                    self.add("attend", Attention(h, o))
                self.walk.append(("keep", None))
                kept.append(h)
            if level < last:
                self.add("block", Block(h, h, o, "down"))
                if o["progressive_input"] == "residual":
                    self.add("pyramid", Pyramid(image, h, o))
                    image = h
                self.walk.append(("keep", None))
                kept.append(h)
        self.add("block", Block(h, h, o))
        self.add("attend", Attention(h, o))
        self.add("block", Block(h, h, o))
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(o["num_res_blocks"] + 1):
                self.walk.append(("take", None))
                self.add("block", Block(h + kept.pop(), width, o))
                h = width
            if attends[level]:
                self.add("attend", Attention(h, o))
            if level > 0:
                self.add("block", Block(h, h, o, "up"))
        self.add("norm", norm(h))
        self.add("conv", conv(h, self.channels))

    def time(self, labels):
        if self.options["embedding_type"] == "fourier":
            frequencies, dense_0, dense_1 = self.all_modules[:3]
            phase = torch.log(labels)[:, None] * frequencies.W * (2 * math.pi)
        else:
            dense_0, dense_1 = self.all_modules[:2]
            phase = labels[:, None] * self.positions
        h = torch.cat((torch.sin(phase), torch.cos(phase)), 1)
        return F.silu(dense_1(F.silu(dense_0(h))))

    def forward(self, x, labels):
        time = self.time(labels)
        h = image = x if self.centered else 2 * x - 1
        kept, scale = [], math.sqrt(0.5) if self.options["skip_rescale"] else 1.0
        for step, index in self.walk:
            module = None if index is None else self.all_modules[index]
            if step == "first":
                h = module(h)
                kept.append(h)
            elif step == "block":
                h = module(h, time)
            elif step == "keep":
                kept.append(h)
            elif step == "take":
                h = torch.cat((h, kept.pop()), 1)
            elif step == "pyramid":
                h = image = (module(image) + h) * scale
            elif step == "norm":
                h = F.silu(module(h))
            else:  # attend, conv
                h = module(h)
        return h / labels[:, None, None, None] if self.options["scale_by_sigma"] else h
