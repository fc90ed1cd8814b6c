"""The page that `benchmarks.architectures` writes: tables by family, reasons as footnotes."""

from collections.abc import Iterable, Mapping
from typing import Any

_HEAD = """# What works of which architecture

Every method either makes a map of a network or says why it cannot. This page was made by

```sh
python -m benchmarks.architectures
```

Networks of timm and torchvision have random weights and their own size; those of transformers have
a small configuration; EfficientNet-Lite0 has its trained weights. ONNX files are exported from such
networks. One of them is quantised (`int8`): it has operations that torch cannot do here, so that
onnxruntime computes it and its layers cannot be seen. Each network sees the sample picture of a
swan with its own preprocessing.
"""
_SUMMARY = """How many networks have a method, by family and by the library that they come
from; behind a name is how many were measured. Why the others cannot have it is said below, network
by network. *What is enough* has nothing to find where the baseline alone gets
the same answer as the picture, as in many networks of random weights: that says nothing of the
architecture.
"""
_COLUMNS = """## Network by network

The first table of a family shows the methods that not all of it have, the second one numbers:

- **inputs**, **logits**: the largest difference from what the library itself (timm, transformers,
  torchvision, onnxruntime) makes of the picture; of the logits, as a share of the largest.
- **gradient**: how far Saliency is from the network's own gradient, all pixels together, as a share
  of all. Rectifiers of random weights make a few percent of mere rounding.
- **occlusion**: *incremental* where only what a window reaches is computed again, else a footnote
  that says why each window takes a whole pass; then the largest difference of a logit from the
  network's own for the same window, as such a share.
- the methods that claim completeness: how far the sum of the values is off the change of the score.
  Maps are made with few points and samples here, so that Integrated Gradients and GradientShap are
  far off; DeepLift has no such setting.
"""
_LIBRARIES = {
    "timm": "timm",
    "hf": "transformers",
    "onnx": "ONNX",
    "": "torchvision, EfficientNet-Lite0",
}
"""By prefix of a name."""

Found = Mapping[str, Mapping[str, Any]]


def table(groups: Mapping[str, Iterable[str]], titles: Mapping[str, str], found: Found) -> str:
    """The whole page as Markdown.

    Args:
        groups: names of architectures by family.
        titles: of the methods, by name.
        found: fields of `benchmarks.architectures.Finding` by name of an architecture.
    """
    notes: dict[str, int] = {}
    measured = {method for finding in found.values() for method in finding["methods"]}
    titles = {method: title for method, title in titles.items() if method in measured}
    known = {group: [name for name in names if name in found] for group, names in groups.items()}
    lines = [_HEAD]
    total = sum(len(list(names)) for names in groups.values())
    if len(found) < total:
        lines.append(f"Measured so far: {len(found)} of {total} networks.\n")
    lines += ["## At a glance\n", _SUMMARY]
    for columns in (known, _by_library(known)):
        lines += [*_rows(_summary(columns, titles, found)), ""]
    lines.append(_COLUMNS)
    for group, names in known.items():
        if names:
            lines += [f"### {group}\n", *_methods(names, titles, found, notes), ""]
            lines += [*_numbers(names, titles, found, notes), ""]
    lines += ["## Why not\n", *(f"{number}. {text}" for text, number in notes.items())]
    return "\n".join(lines) + "\n"


def _by_library(known: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The same names by the library that they come from."""
    found: dict[str, list[str]] = {}
    for name in (name for names in known.values() for name in names):
        found.setdefault(_LIBRARIES[name.rpartition(":")[0]], []).append(name)
    return found


def _summary(
    columns: Mapping[str, list[str]], titles: Mapping[str, str], found: Found
) -> list[list[str]]:
    """How many of each column have a method; methods with the same answer share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for method, title in titles.items():
        have = tuple(_share(method, names, found) for names in columns.values())
        rows.setdefault(have, []).append(title)
    head = ["", *(f"{column} ({len(names)})" for column, names in columns.items())]
    return [head, *([", ".join(them), *have] for have, them in rows.items())]


def _share(method: str, names: list[str], found: Found) -> str:
    """How many of those networks have a method that it was measured of."""
    reasons = [found[name]["methods"].get(method) for name in names]
    known = [not reason for reason in reasons if reason is not None]
    if not known:
        return ""
    some = f"{sum(known)} of {len(known)}"
    return "all" if all(known) else some if any(known) else "none"


def _methods(
    names: list[str], titles: Mapping[str, str], found: Found, notes: dict[str, int]
) -> list[str]:
    """Which of the methods there are that not all of the family have."""
    shown = [m for m in titles if any(found[name]["methods"].get(m, "?") for name in names)]
    rows = [["", *(titles[method] for method in shown)]]
    for name in names:
        reasons = found[name]["methods"]
        cells = [_cell(reasons[m], notes) if m in reasons else "" for m in shown]
        rows.append([f"`{name}`", *cells])
    return _rows(rows)


def _numbers(
    names: list[str], titles: Mapping[str, str], found: Found, notes: dict[str, int]
) -> list[str]:
    complete = [m for m in titles if any(m in found[name]["gaps"] for name in names)]
    rows = [["", "inputs", "logits", "gradient", "occlusion", *(titles[m] for m in complete)]]
    for name in names:
        each = found[name]
        how = "incremental" if each["dense"] is None else f"dense ({_note(each['dense'], notes)})"
        agreement = "" if each["agreement"] is None else f", {each['agreement']:.0e}"
        gaps = [f"{each['gaps'][m]:.1%}" if m in each["gaps"] else "" for m in complete]
        measured = [_number(each[key]) for key in ("inputs", "logits", "gradient")]
        rows.append([f"`{name}`", *measured, how + agreement, *gaps])
    return _rows(rows)


def _cell(reason: str, notes: dict[str, int]) -> str:
    return f"no ({_note(reason, notes)})" if reason else "yes"


def _note(text: str, notes: dict[str, int]) -> int:
    return notes.setdefault(text, len(notes) + 1)


def _number(value: float | None) -> str:
    return "" if value is None else "0" if value == 0 else f"{value:.0e}"


def _rows(rows: list[list[str]]) -> list[str]:
    rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]
