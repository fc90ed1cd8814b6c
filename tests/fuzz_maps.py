"""Maps made elsewhere, for `tests.fuzz`: .npy, .npz and PNG files.

They are read in this process, where the readers' code guides; an upload has a process of its own.
"""

import io

import atheris

with atheris.instrument_imports(
    include=["PIL", "zipfile", "core.pictures", "core.files.untrusted"]
):
    import numpy as np

    from core.errors import MapError
    from core.pictures import given_file, given_map
    from tests.core.pictures.test_given_map import VALUES, npy, npz, png
    from tests.fuzz import sentence_of
    from tests.fuzz_pictures import right_sums

LONGEST = 20_000
_GREYS = np.arange(64, dtype=np.uint8).reshape(8, 8)
SEEDS = {
    "npy": npy(VALUES),
    "half": npy(VALUES.astype(np.float16)),
    "channels": npy(np.ones((3, 5, 5), np.float32)),
    "npz": npz(values=VALUES, errors=VALUES),
    "single": npz(a=VALUES),
    "objects": npy(np.array([[{}, []]] * 2, object)),
    "greys": png(_GREYS),
    "deep": png(_GREYS.astype(np.uint16) * 999),
    "bits": png(_GREYS > 30),
    "palette": png(_GREYS, "P"),
    "alpha": png(_GREYS, "LA"),
    "colours": png(_GREYS, "RGB"),
}
PIXELS = given_map.MAX_PIXELS = given_file.MAX_PIXELS = (
    250_000  # as for pictures: most inputs are then read within 1 ms
)
BYTES = given_file.MAX_MAP_BYTES = 2_000_000


def one(data):
    for way in range(4):
        try:
            told, write = given_file.packed(io.BytesIO(data), way)
        except MapError as error:
            sentence_of(error)
            continue
        except Exception:
            if not data.startswith(b"\x89PNG"):
                raise
            return
        out = io.BytesIO()
        write(out)
        values = np.frombuffer(out.getvalue(), np.float32).reshape(told["shape"])
        assert np.isfinite(values).all()
        assert values.any()
        assert min(values.shape) > 1
        assert values.size <= PIXELS
        assert told["order_only"] == data.startswith(b"\x89PNG")


def vary(data, damage):
    broken = damage.some(data)
    if broken.startswith(b"\x89PNG") and damage.chance.random() < 0.8:
        right_sums(broken)  # with a wrong one the reader would stop at once
    return broken
