"""Weights from files: what is read, what is refused, and what is said when they do not fit."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import ModelError
from core.models.checkpoints import INSIDE, Checkpoint, fitted
from core.models.pickle_scan import NAMESPACES, scan
from core.models.state_dicts import read_state

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


def fit(found, expected, classes=3):
    return fitted("a.pth", Checkpoint(found), expected, classes)


def saved(folder, value, name="weights.pth", **options):
    torch.save(value, folder / name, **options)
    return folder / name


@pytest.mark.parametrize(
    "name",
    ["a.safetensors", "a.pth", "a.pt", "old.pt", "a.ckpt", "pytorch_model.bin", "best.pth.tar"],
)
def test_a_state_dict_comes_back_with_or_without_its_numbers(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name != "old.pt")
    found = read_state(path).state
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)
    shapes = read_state(path, shapes_only=True).state
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
        "state dict alone, with torch.save(model.state_dict(), FILE) or as safetensors, or the "
        "whole network with torch.export.save."
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
        ({"epoch": 3, "weights": STATE}, "holds epoch, which is no tensor of a layer"),
        ({"epoch": 3, "model": {"w": 1}}, "holds, under model, w, which is no tensor of a layer"),
        (
            {"model": {"model": {"model": {"model": STATE}}}},
            "holds, under model.model.model, model,",
        ),
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
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
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
    assert fit(STATE, STATE) == Checkpoint(STATE)
    counted = {**STATE, "bn.num_batches_tracked": torch.tensor(0)}
    assert fit(STATE, counted) == Checkpoint(STATE)
    assert fit(counted, STATE) == Checkpoint(STATE)


def test_other_outputs_than_classes_are_told_as_such():
    expected = {"fc.weight": torch.ones(5, 4), "fc.bias": torch.ones(5)}
    assert refused(lambda: fit(STATE, expected, 5)) == (
        "a.pth is of a network with 3 outputs, but 5 classes are listed: list one for each output."
    )


def test_what_does_not_fit_is_told_by_the_names_of_layers():
    found = {
        "fc.weight": torch.ones(3, 5),
        "fc.bias": torch.ones(()),
        **{f"module.conv{n}": torch.ones(1) for n in range(5)},
    }
    expected = {**STATE, "conv1": torch.ones(1), "conv2": torch.ones(1)}
    assert refused(lambda: fit(found, expected)) == (
        "a.pth does not fit the network: fc.weight is 3 × 5, not 3 × 4, fc.bias is a single "
        "number, not 3; missing conv1, conv2; not expected module.conv0, module.conv1, "
        "module.conv2 and 2 more. Check architecture and classes."
    )


LIGHTNING = {
    "epoch": 3,
    "global_step": 100,
    "pytorch-lightning_version": "2.6.0",
    "state_dict": {f"model.{name}": value for name, value in STATE.items()},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}],
    "hyper_parameters": {"lr": 0.1, "name": "resnet", "betas": (0.9, 0.99)},
}


@pytest.mark.parametrize("shapes_only", [True, False])
@pytest.mark.parametrize("new", [True, False])
def test_a_checkpoint_of_lightning(tmp_path, shapes_only, new):
    path = saved(tmp_path, LIGHTNING, "last.ckpt", _use_new_zipfile_serialization=new)
    found = read_state(path, shapes_only=shapes_only)
    assert found.notes == ("last.ckpt holds the weights under state_dict.",)
    made = fitted("last.ckpt", found, STATE, 3)
    assert made.state.keys() == STATE.keys()
    assert made.notes == (
        "last.ckpt holds the weights under state_dict.",
        "last.ckpt: the names of all layers begin with model., which is left out.",
    )


@pytest.mark.parametrize("key", INSIDE)
def test_every_place_where_programs_put_weights(tmp_path, key):
    assert read_state(saved(tmp_path, {key: STATE, "epoch": 1})).state.keys() == STATE.keys()
    (note,) = read_state(saved(tmp_path, {key: STATE})).notes
    assert note == f"weights.pth holds the weights under {key}."


def test_weights_before_their_running_mean_which_is_told(tmp_path):
    mean = {name: value + 1 for name, value in STATE.items()}
    found = read_state(saved(tmp_path, {"model_ema": mean, "model": STATE}))
    assert torch.equal(found.state["fc.bias"], STATE["fc.bias"])
    assert found.notes == (
        "weights.pth holds the weights under model; model_ema beside it is left out.",
    )


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "backbone.", "a.b.c.", "module._orig_mod."]
)
def test_a_prefix_that_all_names_share(prefix):
    found = {f"{prefix}{name}": value for name, value in STATE.items()}
    made = fit(found, STATE)
    assert made.state == STATE
    assert made.notes == (
        f"a.pth: the names of all layers begin with {prefix}, which is left out.",
    )
    profiled = {**found, "total_ops": torch.ones(1), f"{prefix}fc.total_params": torch.ones(1)}
    assert fit(profiled, STATE).state == STATE
    assert fit(found, found) == Checkpoint(found)  # the network has it too


def test_profilers_and_auxiliary_heads_are_left():
    riding = {"fc.total_ops": torch.ones(1), "AuxLogits.fc.bias": torch.ones(2)}
    made = fit({**STATE, **riding}, STATE)
    assert made.state == STATE
    (note,) = made.notes
    assert note == (
        "a.pth: fc.total_ops, AuxLogits.fc.bias are no part of the network's pass and are left out."
    )
    both = {**STATE, **riding}
    assert "missing AuxLogits.fc.weight" in refused(
        lambda: fit(both, {**both, "AuxLogits.fc.weight": torch.ones(1)})
    )


def test_what_does_not_fit_without_its_prefix_either():
    found = {f"backbone.{name}": value for name, value in STATE.items()}
    assert refused(lambda: fit(found, {**STATE, "conv": torch.ones(1)})) == (
        "a.pth does not fit the network: its names begin with backbone., and without that: "
        "missing conv. Check architecture and classes."
    )
    other = {"fc.weight": torch.ones(5, 4), "fc.bias": torch.ones(5)}
    assert "with 3 outputs, but 5 classes" in refused(lambda: fit(found, other, 5))
    foreign = {"encoder.a": torch.ones(1), "decoder.b": torch.ones(1), "scale": torch.ones(1)}
    assert refused(lambda: fit(foreign, STATE)) == (
        "a.pth does not fit the network: its names begin with encoder., decoder., scale, the "
        "network's with fc.; missing fc.weight, fc.bias; not expected encoder.a, decoder.b, scale. "
        "Check architecture and classes."
    )


def behind(prefix, state=STATE):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"criterion.weight": torch.ones(3)}, "criterion.weight is"),
        ({"n_averaged": torch.tensor(2)}, "n_averaged is"),
        (
            {"train_acc.tp": torch.ones(3), "val_acc.tp": torch.ones(3)},
            "train_acc.tp, val_acc.tp are",
        ),
        # Another network, whose last layer has other outputs, is not meant.
        (behind("teacher.", {**STATE, "fc.bias": torch.ones(7)}), "teacher.fc.weight, teacher.fc."),
    ],
)
def test_a_whole_network_beside_other_things(beside, told):
    made = fit({**behind("model."), **beside}, STATE)
    assert made.state.keys() == STATE.keys()
    assert all(torch.equal(made.state[name], STATE[name]) for name in STATE)
    first, second = made.notes
    assert first == (
        "a.pth: the names of the network's layers begin with model., which is left out."
    )
    assert second.startswith(f"a.pth: {told}")
    assert "no part of the network and" in second


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        ("teacher.", "student.", "student. and teacher."),
        ("model.", "ema_model.", "ema_model. and model."),
        ("", "ema.", "no prefix and ema."),
        ("model.", "model.ema.", "model. and model.ema."),
    ],
)
def test_two_networks_that_fit_are_refused(one, other, named):
    assert refused(lambda: fit({**behind(one), **behind(other)}, STATE)) == (
        f"a.pth holds 2 networks that fit, whose names begin with {named}: save the state dict of "
        "the one to explain alone."
    )


def test_a_part_of_a_network_is_never_taken():
    beside = {"criterion.weight": torch.ones(3)}
    part = {**behind("model.", {"fc.weight": STATE["fc.weight"]}), **beside}
    assert "missing fc.weight, fc.bias" in refused(lambda: fit(part, STATE))
    more = {**behind("model."), "model.neck.weight": torch.ones(2), **beside}
    assert "not expected neck.weight" in refused(lambda: fit(more, STATE))
    split = {"a.fc.weight": STATE["fc.weight"], "b.fc.bias": STATE["fc.bias"]}
    assert "does not fit" in refused(lambda: fit(split, STATE))
    bare = {**STATE, **beside}  # a network of one's own may have used it
    assert "not expected criterion.weight" in refused(lambda: fit(bare, STATE))
    outputs = {"fc.weight": torch.ones(5, 4), "fc.bias": torch.ones(5)}
    assert "with 3 outputs, but 5 classes" in refused(
        lambda: fit({**behind("model."), **beside}, outputs, 5)
    )


@pytest.mark.parametrize("shapes_only", [True, False])
@pytest.mark.parametrize("new", [True, False])
def test_a_checkpoint_of_timm_with_its_options(tmp_path, shapes_only, new):
    options = argparse.Namespace(lr=0.1, model="resnet18", mean=None, sizes=[1, 2])
    held = {"epoch": 1, "arch": "x", "state_dict": STATE, "args": options, "version": 2}
    path = saved(tmp_path, held, "best.pth.tar", _use_new_zipfile_serialization=new)
    before = torch.serialization.get_safe_globals()
    found = read_state(path, shapes_only=shapes_only)
    assert found.state.keys() == STATE.keys()
    assert shapes_only or torch.equal(found.state["fc.bias"], STATE["fc.bias"])
    # What torch itself takes is as before.
    assert set(torch.serialization.get_safe_globals()) == set(before)
    with pytest.raises(pickle.UnpicklingError, match=r"argparse\.Namespace"):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize("new", [True, False])
def test_options_cannot_hold_code(tmp_path, new):
    mark = tmp_path / "was here"
    held = {"state_dict": STATE, "args": argparse.Namespace(x=Harmful(mark))}
    path = saved(tmp_path, held, _use_new_zipfile_serialization=new)
    assert "without running code" in refused(lambda: read_state(path))
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize(
    "state",
    [
        {"__class__": torch.FloatStorage, "__reduce__": 1, "__dict__": {}},
        (None, {"__class__": torch.FloatStorage, "__setstate__": 2}),
        (None, {"__init__": torch.Size}),
        [1, 2, 3],
    ],
)
def test_no_attribute_of_options_is_ever_set(tmp_path, state):
    options = argparse.Namespace()
    options.__class__ = type("Namespace", (argparse.Namespace,), {"__getstate__": lambda _: state})
    type(options).__module__, type(options).__qualname__ = "argparse", "Namespace"
    kept, argparse.Namespace = argparse.Namespace, type(options)
    try:
        path = saved(tmp_path, {"state_dict": STATE, "args": options})
    finally:
        argparse.Namespace = kept
    with path.open("rb") as file:
        assert scan(file)[0] == NAMESPACES
    assert read_state(path).state.keys() == STATE.keys()
    assert not vars(argparse.Namespace()), "the class is as before"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".ckpt", ".bin"])
def test_an_empty_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert refused(lambda: read_state(path)) == (
        f"a{suffix} is empty (0 bytes): it holds neither a network nor weights; copy or save it "
        "again."
    )
