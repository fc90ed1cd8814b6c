"""What older scripts import is still there, and `import core` loads next to nothing."""

import subprocess
import sys

import pytest

from tests.test_architecture import ROOT


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [
        ("core.images", "open_image", "core.pictures.images"),
        ("core.models", "load", "core.models.named_in_code"),
        ("core.occlusion", "OcclusionSurvey", "core.methods.occlusion"),
        ("core.gradients", "integrated_gradients", "core.methods.gradients"),
        ("core.errors", "ImageError", "core.errors"),
        ("core.attribution", "Attribution", "core.methods.attribution"),
        ("core", "open_image", "core.pictures.images"),
        ("core", "load", "core.models.named_in_code"),
        ("core", "OcclusionSurvey", "core.methods.occlusion"),
        ("core", "integrated_gradients", "core.methods.gradients"),
        ("core", "explain", "core.notebook"),
    ],
)
def test_a_name_is_found_where_it_was(module, name, home):
    script = (
        f"from {module} import {name} as found\n"
        f"from {home} import {name} as ours\n"
        "assert found is ours\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_importing_core_loads_neither_torch_nor_numpy():
    script = (
        "import sys, core\n"
        "assert 'explain' in dir(core)\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'tqdm', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_classes_of_both_names_of_the_package_are_told_apart():
    script = (
        "import numpy, torch, core\n"
        "from core.errors import SettingError\n"
        "from where_it_looked.core.models.heads import Head\n"
        "from where_it_looked.core.pictures.preprocessing import Preprocessing\n"
        "how = Preprocessing(16, 16, (0.5,) * 3, (0.5,) * 3, 'bilinear')\n"
        "net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2))\n"
        "for given in ({'preprocessing': how}, {'head': Head('sigmoid')}):\n"
        "    try:\n"
        "        core.explain(numpy.zeros((16, 16, 3)), net, **given)\n"
        "    except SettingError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "".join(
        f"{name}= is a {kind} of where_it_looked, and explain is of core, which Python takes for "
        "two packages: import both from the same one.\n"
        for name, kind in (("preprocessing", "Preprocessing"), ("head", "Head"))
    ), done.stderr
