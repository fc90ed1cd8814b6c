"""Folders of models, for `tests.fuzz`: a model of one's own, or a sentence that says why not.

An input is a description, a line that names the file of weights, and its bytes.
"""

import functools
import io
import tempfile
import zipfile
from pathlib import Path

import atheris
import torch
from safetensors.torch import save as save_safetensors

with atheris.instrument_imports(
    include=["core.models.own_models", "core.models.state_dicts", "core.files.toml"]
):
    from core.models import own_models
    from tests.fuzz import sentence_of
    from tests.own import DESCRIPTION

LONGEST = 20_000
_BETWEEN = b"\n----"
_STATE = {"fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.ones(3)}
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-models-"))
own_models.laid_out = functools.cache(own_models.laid_out)  # a network takes a second to lay out


def _saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _input(suffix, weights, description=DESCRIPTION):
    return description.encode() + _BETWEEN + suffix + b"\n" + weights


SEEDS = {
    "safetensors": _input(b"safetensors", save_safetensors(_STATE)),
    "torch": _input(b"pth", _saved(_STATE)),
    "old torch": _input(b"pt", _saved(_STATE, _use_new_zipfile_serialization=False)),
    "checkpoint": _input(b"pth", _saved({"epoch": 3, "state_dict": _STATE, "x": {1, 2}})),
    "all": _input(
        b"pth",
        _saved({"a": torch.ones(2, dtype=torch.half)}),
        DESCRIPTION.replace("64", "224\nresize = 256\nmean = [0.5, 0.5, 0.5]\nstd = [1, 1, 1]"),
    ),
}


def one(data):
    description, _, rest = data.partition(_BETWEEN)
    suffix, _, weights = rest.partition(b"\n")
    place = _FOLDER / "pond"
    place.mkdir(exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    (place / "model.toml").write_bytes(description)
    kind = suffix.decode("ascii", "replace")
    (place / f"weights.{kind if kind in ('safetensors', 'pth', 'pt') else 'pth'}").write_bytes(
        weights
    )
    own, broken = own_models.read_folder(_FOLDER, {})
    assert len(own) + len(broken) == 1
    for said in broken.values():
        sentence_of(said)
        assert len(said) < 1000, said


def vary(data, damage):
    description, between, rest = data.partition(_BETWEEN)
    suffix, line, weights = rest.partition(b"\n")
    if not between or damage.chance.random() < 0.1:
        return damage.some(data)
    if damage.chance.random() < 0.3:
        return damage.some(description) + between + rest
    return description + between + suffix + line + _damaged(weights, damage)


def _damaged(weights, damage):
    """Damage of the file, or of the pickle in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()[:50]}
    except Exception:  # noqa: BLE001 - it was damaged before
        files = {}
    if not files or damage.chance.random() < 0.3:
        return damage.some(weights)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, bytes(damage.some(content)) if "pkl" in name else content)
    return buffer.getvalue()
