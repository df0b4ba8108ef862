# SPDX-License-Identifier: Apache-2.0
"""The table of a Bench as Markdown, for the terminal and for docs/performance.md."""
import os
import statistics
import sys
import time

OPENING, CLOSING = "<!-- measured -->\n", "<!-- end -->\n"
PRECISION = {"f32": "float32", "bf16": "bfloat16"}
# Works that are no seconds an image: their unit, and how a number is written.
UNITS = {
    "training memory": ("MB an image", lambda v: f"{v / 1e6:.0f}"),
    "peak memory": ("MB", lambda v: f"{v / 1e6:.0f}"),
    "sampling memory": ("MB", lambda v: f"{v / 1e6:.0f}"),
    "sampler overhead": ("% of the network", lambda v: f"{100 * v:.2f}"),
}
LEGEND = """\
Medians of the rounds; of a peer its better layout, and in brackets how many times ito's figure that is. Convolutions alone in
percent of ito's time. Training memory is what a process takes beyond parameters, gradients, moments, EMA, and what it held
before; sampling memory what is beyond the weights; peak memory that of the whole process in training. The sampler's overhead
is that of a step of reverse_diffusion and langevin.
"""


def seconds(value):
    return f"{value:.3g}" if value < 0.1 else f"{value:.3f}"


def columns(bench):
    """Names of peers, in the order in which they were met."""
    names = []
    for cells in bench.value.values():
        for column in cells:
            if isinstance(column, tuple) and column[0] not in names:
                names.append(column[0])
    return names


def best(bench, row, name):
    """The least of a peer's medians over its layouts."""
    medians = [bench.get(row, column) for column in bench.value[row] if isinstance(column, tuple) and column[0] == name]
    return min(medians) if medians else None


def cell(value, ours, write):
    """A peer's number and how many times ours it is."""
    if value is None:
        return ""
    return f"{write(value)} ({value / ours:.1f}x)" if ours else write(value)


def line_of(bench, row, names):
    what, batch, precision, work = row
    unit, write = UNITS.get(work, ("s" if what == "cold start" else "s an image", seconds))
    ours, limit, peak = (bench.get(row, column) for column in ("ito", "convolutions", "peak"))
    return [what, str(batch), PRECISION[precision], f"{work}, {unit}", "" if ours is None else write(ours),
            f"{seconds(limit)} ({100 * limit / ours:.0f} %)" if limit and ours else "",
            f"{100 * peak:.0f} %" if peak else "", *(cell(best(bench, row, name), ours, write) for name in names)]


def markdown(lines):
    """Lines of cells, the first the heading, padded to columns."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "| " + " | ".join("-" * max(w, 3) for w in widths) + " |")
    return "\n".join(text) + "\n"


def heading(bench):
    m = bench.machine["machine"]
    peaks = [f"{bench.machine[f'peak_{p}_flop_per_s'] / 1e9:.0f} GFLOP/s {PRECISION[p]}" for p in PRECISION
             if bench.machine[f"peak_{p}_flop_per_s"] > 0]
    commit = f" (commit {m['commit']})" if m["commit"] else ""
    policy = os.environ.get("OMP_WAIT_POLICY")
    prefix = " ".join(filter(None, [policy and f"OMP_WAIT_POLICY={policy}", os.environ.get("ITO_BENCH_PREFIX")]))
    return (f"{time.strftime('%Y-%m-%d')}: {m['cpu']}, {m['isa']}, {m['threads']} threads, peak {', '.join(peaks)}, copying "
            f"memory {bench.machine['copy_bytes_per_s'] / 1e9:.0f} GB/s; ito {m['version']}{commit}, oneDNN {m['onednn']}"
            f"{''.join(f', {v}' for v in bench.peers.versions())}{f'; under `{prefix}`' if prefix else ''}.\n")


def whole(bench):
    names = columns(bench)
    lines = [["what", "batch", "precision", "work", "ito", "convolutions alone", "of peak", *names]]
    lines += [line_of(bench, row, names) for row in bench.value]
    notes = "".join(f"- {note}\n" for note in bench.notes)
    return "\n".join(part for part in (heading(bench), markdown(lines), LEGEND, notes) if part)


def plain(bench):
    """All of it for results.json."""
    rows = [{"what": row[0], "batch": row[1], "precision": row[2], "work": row[3],
             "median": {" ".join(c) if isinstance(c, tuple) else c: statistics.median(v) for c, v in cells.items()},
             "rounds": {" ".join(c) if isinstance(c, tuple) else c: v for c, v in cells.items()}}
            for row, cells in bench.value.items()]
    return {"machine": bench.machine, "peers": bench.peers.versions(), "date": time.strftime("%Y-%m-%d"), "rows": rows,
            "notes": bench.notes}


def renew_page(path, text):
    with open(path) as file:
        page = file.read()
    first, last = page.find(OPENING), page.find(CLOSING)
    if first < 0 or last < first:
        sys.exit(f"{path}: has no marks: put {OPENING.strip()} and {CLOSING.strip()} around the figures")
    with open(path, "w") as file:
        file.write(page[:first + len(OPENING)] + text + page[last:])
