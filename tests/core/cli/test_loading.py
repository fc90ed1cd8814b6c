"""What a command loads: what takes long is loaded by the commands that need it, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SWAN = ROOT / "sample_images" / "swan.jpg"
# Each takes 0.1 s or more, and torch more than a second.
LARGE = ("torch", "torchvision", "captum", "scipy", "skimage", "pyarrow", "matplotlib", "fsspec")
UNUSED = ("torchvision", "captum", "scipy", "skimage", "pyarrow", "matplotlib", "torch._dynamo")
CODE = """
import sys
from core.__main__ import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print(*(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)
"""


def loaded(names, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", CODE, " ".join(names), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["explain", "--help"],
        ["predict"],
        ["explain", SWAN, "--method", "guess"],
        ["batch", "pictures", "--out", "out", "--workers", "many"],
        ["models"],
    ],
)
def test_help_and_what_is_refused_and_the_list_of_models_load_nothing_large(arguments):
    assert loaded(LARGE, *arguments) == []


def test_a_prediction_loads_torch_and_what_the_model_needs():
    assert loaded([*UNUSED, "torch"], "predict", SWAN, "--device", "cpu") == ["torch"]


def test_a_map_loads_captum_only_where_captum_makes_it(tmp_path):
    quick = ("--method", "occlusion", "--window", "112", "--stride", "80", "--out", tmp_path)
    watched = ("captum", "matplotlib.pyplot", "torchvision", "pyarrow", "skimage")
    assert loaded(watched, "explain", SWAN, *quick, "--device", "cpu") == []
    assert "captum" in loaded(watched, "explain", SWAN, *quick, "--engine", "captum")
