"""What passes over pictures give back to the system they need not get again."""

import subprocess
import sys

import pytest

from tests.core.folders.test_batch import ROOT

SCRIPT = """
import resource, torch
from core.models import classifiers, registry
from core.engine.allocation import keep_freed_memory
from core.engine.remembered import memory
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
keep_freed_memory()
torch.set_num_threads(1)
classifier = classifiers.load(registry.DEFAULT_MODEL, "cpu")
network = memory.prepared(classifier.module, torch.zeros(1, 3, 224, 224)).network
def work():
    seen = [picture_from_file(sample.path).image for sample in samples().values()]
    network.dense(torch.cat([classifier.preprocess(image) for image in seen[:4]]))
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):  # until the heap has found its size
    work()
first = faults()
for _ in range(8):
    work()
print((faults() - first) / 8)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own settings")
def test_passes_take_hardly_any_new_pages():
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT), cwd=ROOT, capture_output=True, text=True, check=True
    )
    # Of some 15,000 that a pass uses; glibc's defaults take up to all of them anew, in most runs.
    assert float(done.stdout) < 1000
