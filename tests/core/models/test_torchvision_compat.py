"""Both conditions of the torchvision import, each in a process of its own.

Whether torchvision's binaries load here or not, the tests make them not load, which is what happens
to the wheel that is linked against CUDA beside a CPU-only torch.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

NO_BINARIES = """
import sys
import torch

def refuse(path):
    raise OSError("libcudart.so is not there")

torch.ops.load_library = refuse
"""

USES = """
model = compat.torchvision.models.get_model("resnet18", weights=None, num_classes=5).eval()
with torch.no_grad():
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
from PIL import Image
transform = compat.torchvision.models.get_model_weights("resnet18").IMAGENET1K_V1.transforms()
assert transform(Image.new("RGB", (300, 280))).shape == (3, 224, 224)
from torchvision.transforms import v2
assert v2.functional.hflip(torch.arange(2.0)[None, None])[0, 0].tolist() == [1, 0]
print("all went well")
"""


def run(source):
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_where_the_plain_import_fails_the_schemas_are_declared():
    code, out, err = run(
        NO_BINARIES
        + """
try:
    import torchvision
except RuntimeError as error:
    assert "operator torchvision::nms does not exist" in str(error), error
else:
    raise SystemExit("the plain import was to fail")
import core.models.torchvision_compat as compat
assert len(compat._declared) == 1
assert torch.ops.torchvision.nms.default._schema.name == "torchvision::nms"
assert compat.torchvision is sys.modules["torchvision"]
"""
        + USES
    )
    assert (code, out) == (0, "all went well\n"), err


def test_where_the_plain_import_works_nothing_is_declared():
    code, out, err = run(
        NO_BINARIES
        + """
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision
import core.models.torchvision_compat as compat
assert compat._declared == []
assert compat.torchvision is torchvision, "the module that was there already is the one in use"
"""
        + USES
    )
    assert (code, out) == (0, "all went well\n"), err


def test_as_it_is_on_this_machine():
    import core.models.torchvision_compat as compat

    binaries_are_loaded = compat.torchvision.extension._has_ops()
    assert len(compat._declared) == (0 if binaries_are_loaded else 1)


def test_any_other_failure_is_passed_on():
    code, out, err = run(
        """
import sys

class Broken:
    tries = 0
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            Broken.tries += 1
            raise RuntimeError("the disk is on fire")

sys.meta_path.insert(0, Broken())
try:
    import core.models.torchvision_compat
except RuntimeError as error:
    print(error, Broken.tries)
"""
    )
    assert (code, out) == (0, "the disk is on fire 1\n"), err
