"""The example notebook in a real kernel, as a person runs it, and the call beside it."""

import json
import sys

import pytest

from tests.test_architecture import ROOT

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

EXAMPLE = ROOT / "docs" / "notebook.ipynb"
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Runs a notebook from a folder, in this environment's Python; returns its cells' outputs."""
    spec = tmp_path / "kernels" / "this"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": KERNEL, "display_name": "this", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def execute(notebook, folder):
        client = nbclient.NotebookClient(
            notebook,
            timeout=300,
            kernel_name="this",
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
        return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]

    return execute


def of_kind(outputs, kind):
    """What cells gave of a kind of content, in order."""
    return [
        output["data"][kind]
        for cell in outputs
        for output in cell
        if kind in output.get("data", {})
    ]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "docs"], ids=["the checkout", "its own folder"])
def test_the_example_runs_and_shows_maps(executed, folder):
    outputs = executed(nbformat.read(EXAMPLE, 4), folder)
    kinds = {output.output_type for cell in outputs for output in cell}
    assert "error" not in kinds
    html = of_kind(outputs, "text/html")
    assert len(html) == len(of_kind(outputs, "image/png")) == 4
    assert "EfficientNet-Lite0 says king penguin, 53 %." in html[0]
    assert "Sequential says " in html[3]
    written = "".join(
        output["text"] for cell in outputs for output in cell if output.output_type == "stream"
    )
    assert "swan.npz" in written
    assert "Warning" not in written  # of widgets that are not installed
    assert "Occlusion 15/8: 100%" in written  # the bar, in a kernel without them


def test_the_example_is_kept_without_outputs():
    notebook = nbformat.read(EXAMPLE, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
