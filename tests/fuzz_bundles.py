"""Bundles, for `tests.fuzz`: everything that `verify` reads before it computes."""

import contextlib
import io
import json
import zipfile

import atheris
import numpy as np

with atheris.instrument_imports(
    include=["core.bundle.unpacking", "core.files.untrusted", "core.bundle.manifest"]
):
    from core.bundle import comparing, unpacking, verification
    from core.errors import UserError
    from core.methods.scores import Question
    from core.pictures.preprocessing import Box
    from tests.bundles import contents, swan_bundle, zipped
    from tests.fuzz import sentence_of

LONGEST = 60_000
_FILES = {name: data for name, data in contents(swan_bundle()).items() if len(data) < 30_000}
SEEDS = {"small": zipped(_FILES), "manifest": zipped({"manifest.json": _FILES["manifest.json"]})}
_VALUES = (
    *(None, True, 0, -1, 2**31, 2**63, 10**30, 10**400, 1e308, 0.5, "", "x" * 5000, "\ud800"),
    *("occlusion", "smoothgrad", "integrated_gradients", "enough", "picture:x", "../x", [], {}),
    *([[[[]]]], {"\udfff": 1}, {"a": {"b": []}}, [1, 2, 3, 4], [0.0] * 4, "\x1b[2J"),
)


def one(data):
    try:
        found = unpacking.unpack(data)
        verdict = comparing.Verdict()
        verification._check_passes(found.manifest, 10**12)
        verification._check_digests(found, verdict)
        verification._compare_versions(found.manifest, verdict)
    except UserError as error:
        sentence_of(error)
        return
    for exhibit in found.manifest["exhibits"]:
        if exhibit["picture"]["region"] is not None:
            Box(*exhibit["picture"]["region"])
        for entry in exhibit["maps"]:
            with contextlib.suppress(UserError):
                asked = {key: entry["question"][key] for key in ("target", "contrast", "kind")}
                Question(**asked).check(1000)
            with contextlib.suppress(UserError):
                unpacking.array(found.files.get(entry["values"], b""), np.float32, (224, 224))
    "".join(verdict.different + verdict.notes).encode()


def vary(data, damage):
    chance = damage.chance
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()[:50]}
    except Exception:  # noqa: BLE001 - it was damaged before
        files = {}
    if not files or chance.random() < 0.2:
        return damage.some(data)
    name = "manifest.json" if chance.random() < 0.8 else chance.choice(sorted(files))
    content = files.get(name, b"{}")
    with contextlib.suppress(ValueError, RecursionError):
        if name.endswith(".json") and chance.random() < 0.8:
            manifest = json.loads(content)
            for _ in range(chance.randint(1, 3)):
                _change(manifest, chance)
            return zipped({**files, name: json.dumps(manifest).encode()})
    return zipped({**files, name: bytes(damage.some(content))})


def _change(value, chance):
    """Another value, or another key, somewhere."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.9:
            value = value[key]
            continue
        match chance.randrange(4):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[chance.choice(("", "x" * 300, "\ud800", "\x1b[2J"))] = value.pop(key)
            case _:
                value[key] = chance.choice(_VALUES)
        return
