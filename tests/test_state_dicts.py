"""Weights from files: what is read, what is refused, and what is said when they do not fit."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import ModelError
from core.state_dicts import check_fit, read_state

STATE = {"fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.ones(3)}


class Harmful:
    """What unpickling would do: make a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def refused(act):
    with pytest.raises(ModelError) as caught:
        act()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def saved(folder, value, name="weights.pth", **options):
    torch.save(value, folder / name, **options)
    return folder / name


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt", "old.pt"])
def test_a_state_dict_comes_back_with_or_without_its_numbers(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name != "old.pt")
    found = read_state(path)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)
    shapes = read_state(path, shapes_only=True)
    assert {key: value.shape for key, value in shapes.items()} == {
        key: value.shape for key, value in STATE.items()
    }
    assert all(value.is_meta for value in shapes.values())


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("way", ["torch", "torch, old", "pickle", "pickle beside tensors"])
@pytest.mark.parametrize("shapes_only", [True, False])
def test_a_pickle_with_code_is_refused_and_its_code_not_run(tmp_path, way, shapes_only):
    mark, path = tmp_path / "was here", tmp_path / "weights.pth"
    if way.startswith("pickle"):
        held = Harmful(mark) if way == "pickle" else {**STATE, "x": Harmful(mark)}
        path.write_bytes(pickle.dumps(held))
        # It is a real one: whoever unpickles it runs it.
        pickle.loads(path.read_bytes())
        assert mark.exists()
        mark.unlink()
    else:
        saved(tmp_path, Harmful(mark), _use_new_zipfile_serialization=way == "torch")
        torch.load(path, weights_only=False)
        assert mark.exists()
        mark.unlink()
    assert refused(lambda: read_state(path, shapes_only=shapes_only)) == (
        "weights.pth is no state dict that can be read without running code from it: save the "
        "state dict alone, with torch.save(model.state_dict(), FILE) or as safetensors."
    )
    assert not mark.exists()


def test_a_whole_model_is_refused(tmp_path):
    path = saved(tmp_path, torch.nn.Linear(2, 2))
    assert "without running code" in refused(lambda: read_state(path))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([torch.ones(2)], "holds no state dict"),
        (torch.ones(2), "holds no state dict"),
        ({"epoch": 3, "state_dict": STATE}, "holds epoch, which is no tensor of a layer"),
        ({3: torch.ones(1)}, "holds a key of type int, which is no tensor"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "holds w, which is no tensor of a layer"),
        ({"w": torch.ones(2, 2).to_sparse()}, "holds w, which is no tensor of a layer"),
        ({"a\nb\x1b": 1}, "holds a b�, which is no tensor"),
        ({"x" * 500: 1}, f"holds {'x' * 53}…{'x' * 26}, which"),
    ],
)
def test_what_is_no_state_dict(tmp_path, value, said):
    path = saved(tmp_path, value)
    assert f"weights.pth {said}" in refused(lambda: read_state(path))


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "old.pt"])
@pytest.mark.parametrize("shapes_only", [True, False])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_short(tmp_path, name, shapes_only, share):
    path = tmp_path / name
    if name == "a.safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name != "old.pt")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    sentence = refused(lambda: read_state(path, shapes_only=shapes_only))
    assert sentence.startswith(f"{name} cannot be read: it is damaged or cut short")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("data", [b"hello, this is no weights file", b"\x80\x02.", b"PK\x03\x04"])
def test_something_else_under_the_name_of_weights(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert refused(lambda: read_state(tmp_path / name)).startswith(name)


def test_a_file_that_is_gone(tmp_path):
    assert "cannot be read (No such file" in refused(lambda: read_state(tmp_path / "a.pth"))


def test_what_fits_is_not_told_and_counters_may_be_absent():
    assert check_fit("a.pth", STATE, STATE, 3) is None
    counted = {**STATE, "bn.num_batches_tracked": torch.tensor(0)}
    assert check_fit("a.pth", STATE, counted, 3) is None


def test_other_outputs_than_classes_are_told_as_such():
    expected = {"fc.weight": torch.ones(5, 4), "fc.bias": torch.ones(5)}
    assert refused(lambda: check_fit("a.pth", STATE, expected, 5)) == (
        "a.pth is of a network with 3 outputs, but 5 classes are listed: list one for each output."
    )


def test_what_does_not_fit_is_told_by_the_names_of_layers():
    found = {
        "fc.weight": torch.ones(3, 5),
        "fc.bias": torch.ones(()),
        **{f"module.conv{n}": torch.ones(1) for n in range(5)},
    }
    expected = {**STATE, "conv1": torch.ones(1), "conv2": torch.ones(1)}
    assert refused(lambda: check_fit("a.pth", found, expected, 3)) == (
        "a.pth does not fit the network: fc.weight is 3 × 5, not 3 × 4, fc.bias is a single "
        "number, not 3; missing conv1, conv2; not expected module.conv0, module.conv1, "
        "module.conv2 and 2 more. Check architecture and classes."
    )
