"""ONNX programs: each operation gives the numbers of onnxruntime, and so do whole programs."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from core.__main__ import main
from core.engine.black_box import BlackBox
from core.errors import ModelError, SettingError
from core.methods.availability import why_not
from core.methods.gradient_methods import GradientSetting
from core.methods.gradients import gradient_steps
from core.methods.occlusion import OcclusionSurvey
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.survey import survey_steps
from core.models import classifiers, registry
from core.models.onnx_network import OnnxNetwork
from core.models.onnx_operations import LINEAR, OPERATIONS
from core.pictures.samples import samples
from core.trust.randomisation import stages_of
from tests.programs import SIDE

FLOAT, INT = np.float32, np.int64
IR = 10  # of files that every onnxruntime of late reads


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.allow_factories()


def model(nodes, shape, constants=(), outputs=("y",), opset=17, kind=TensorProto.FLOAT, more=()):
    """A program of some nodes, from x to y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, shape), *more],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in dict(constants).items()
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = IR
    return made


def both(made, x):
    """What onnxruntime makes of an input, and what torch does."""
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (expected,) = session.run(["y"], {"x": x})
    network = OnnxNetwork(made.graph, made.opset_import[0].version, "y")
    return expected, network(torch.from_numpy(x)).numpy()


RNG = np.random.default_rng(0)
PICTURE = (2, 4, 9, 8)


def drawn(*shape):
    return RNG.standard_normal(shape).astype(FLOAT)


def ints(*values):
    return np.array(values, INT)


# Operation, attributes, constants that follow x; where they are others, the shape of x and opset.
CASES = [
    *[
        (kind, {}, ())
        for kind in (
            *("Abs", "Ceil", "Elu", "Erf", "Exp", "Flatten", "Floor", "GlobalAveragePool"),
            *("GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "LogSoftmax"),
            *("Neg", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu"),
            *("Selu", "Sigmoid", "Softmax", "Softplus", "Tanh", "Transpose", "Dropout"),
        )
    ],
    ("Mish", {}, (), PICTURE, 18),
    ("Gelu", {"approximate": "tanh"}, (), PICTURE, 20),
    ("Gelu", {}, (), PICTURE, 20),
    *[(kind, {}, (drawn(4, 1, 1),)) for kind in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum")],
    ("Mul", {}, (np.array(0.5, FLOAT),)),
    ("Pow", {}, (np.array(2.0, FLOAT),)),
    ("PRelu", {}, (drawn(4, 1, 1),)),
    ("Conv", {"pads": [1, 1, 1, 1], "strides": [2, 1]}, (drawn(6, 4, 3, 3), drawn(6))),
    ("Conv", {"pads": [0, 1, 2, 0], "group": 2}, (drawn(6, 2, 3, 3),)),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (drawn(6, 4, 3, 3),)),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (drawn(6, 4, 2, 2),)),
    ("Conv", {"auto_pad": "VALID", "dilations": [2, 2]}, (drawn(6, 4, 2, 2),)),
    ("BatchNormalization", {}, (drawn(4), drawn(4), drawn(4), drawn(4) ** 2 + 0.1)),
    ("InstanceNormalization", {}, (drawn(4), drawn(4))),
    ("LayerNormalization", {"axis": -1}, (drawn(8), drawn(8))),
    ("LRN", {"size": 3}, ()),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, ()),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]}, ()),
    ("MaxPool", {"kernel_shape": [3, 2], "ceil_mode": 1, "strides": [2, 2]}, ()),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, ()),
    (
        "AveragePool",
        {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1},
        (),
    ),
    ("Gemm", {"transB": 1}, (drawn(5, 7), drawn(5)), (2, 7)),
    ("Gemm", {"alpha": 0.5, "beta": 2.0}, (drawn(7, 5), drawn(5)), (2, 7)),
    ("Gemm", {}, (drawn(7, 5), drawn(2, 5)), (2, 7)),
    ("MatMul", {}, (drawn(8, 3),)),
    ("MatMul", {}, (drawn(2, 4, 8, 3),)),
    ("Softmax", {}, (), PICTURE, 11),
    ("Softmax", {"axis": 3}, (), PICTURE, 11),
    ("LogSoftmax", {"axis": 1}, ()),
    ("Clip", {}, (np.array(0, FLOAT), np.array(6, FLOAT))),
    ("Clip", {}, (np.array(-0.5, FLOAT),)),
    ("Clip", {"min": 0.0}, (), PICTURE, 7),
    ("HardSigmoid", {"alpha": 1 / 6}, ()),
    ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, ()),
    ("ReduceMean", {}, (ints(-1),), PICTURE, 18),
    ("ReduceSum", {"keepdims": 0}, (ints(1),)),
    ("ReduceSum", {"noop_with_empty_axes": 1}, ()),
    ("Flatten", {"axis": 2}, ()),
    ("Reshape", {}, (ints(0, -1, 8),)),
    ("Transpose", {"perm": [0, 2, 3, 1]}, ()),
    ("Squeeze", {}, (ints(1),), (2, 1, 3)),
    ("Squeeze", {"axes": [1]}, (), (2, 1, 3), 11),
    ("Unsqueeze", {}, (ints(1, -1),)),
    ("Slice", {}, (ints(1, 0), ints(9223372036854775807, 6), ints(1, 3), ints(1, 2))),
    ("Slice", {}, (ints(1), ints(-1))),
    ("Slice", {"starts": [1], "ends": [3], "axes": [1]}, (), PICTURE, 9),
    ("Gather", {"axis": 1}, (np.array(-1, INT),)),
    ("Gather", {"axis": 1}, (ints(2, -1),)),
    ("Gather", {"axis": 1}, (ints(2, 0).reshape(2, 1),)),
    ("Expand", {}, (ints(3, 1, 4, 9, 8),), (4, 1, 8)),
    ("Pad", {}, (ints(0, 0, 1, 2, 0, 0, 0, 1), np.array(0.5, FLOAT))),
    ("Pad", {"mode": "reflect"}, (ints(0, 0, 1, 2, 0, 0, 0, 1),)),
    ("Pad", {"mode": "edge"}, (ints(0, 0, 1, 2, 0, 0, 0, 1),)),
    ("Pad", {"pads": [0, 1, 0, 0, 0, 0, 0, 2]}, (), PICTURE, 9),
    ("Concat", {"axis": 1}, (drawn(2, 3, 9, 8),)),
    ("Cast", {"to": TensorProto.FLOAT}, ()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operation_gives_the_numbers_of_onnxruntime(case):
    kind, attributes, constants, *more = case
    shape, opset = (*more, *(PICTURE, 17)[len(more) :])
    names = [f"c{number}" for number in range(len(constants))]
    node = helper.make_node(kind, ["x", *names], ["y"], **attributes)
    made = model([node], shape, zip(names, constants, strict=True), opset=opset)
    expected, found = both(made, drawn(*shape))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_positive_numbers():
    for kind in ("Log", "Sqrt"):
        expected, found = both(model([helper.make_node(kind, ["x"], ["y"])], (3,)), drawn(3) ** 2)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_split_and_its_parts():
    for opset, attributes, parts in (
        (17, {"axis": 1}, {"p": ints(1, 3)}),
        (11, {"axis": 1, "split": [1, 3]}, {}),
        (18, {"axis": 1, "num_outputs": 2}, {}),
    ):
        nodes = [
            helper.make_node("Split", ["x", *parts], ["a", "b"], **attributes),
            helper.make_node("ReduceMax", ["a"], ["c"]),
            helper.make_node("Mul", ["b", "c"], ["y"]),
        ]
        expected, found = both(model(nodes, PICTURE, parts, opset=opset), drawn(*PICTURE))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sizes_are_computed_beside_the_picture():
    """As exporters write x.view(len(x), -1) and more."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axis"], ["u"]),
        helper.make_node("Slice", ["s", "two", "four"], ["hw"]),
        helper.make_node("ReduceProd", ["hw"], ["area"]),
        helper.make_node("Div", ["area", "half"], ["part"]),
        helper.make_node("Cast", ["part"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Equal", ["whole", "half"], ["is"]),
        helper.make_node("Where", ["is", "half", "whole"], ["chosen"]),
        helper.make_node("Concat", ["u", "chosen", "minus"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["r"]),
        helper.make_node(
            "ConstantOfShape", ["t2"], ["ones"], value=numpy_helper.from_array(ints(1))
        ),
        helper.make_node("Expand", ["r", "ones"], ["e"]),
        helper.make_node("Range", ["zero", "last", "one"], ["places"]),
        helper.make_node("Gather", ["e", "places"], ["y"], axis=2),
    ]
    constants = {
        "zero": np.array(0, INT), "axis": ints(0), "two": ints(2), "four": ints(4), "half": ints(2),
        "minus": ints(-1), "t2": ints(3), "last": np.array(3, INT), "one": np.array(1, INT),
    }  # fmt: skip
    expected, found = both(model(nodes, PICTURE, constants), drawn(*PICTURE))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (2, 36, 3)


def test_every_operation_is_compared():
    tested = {case[0] for case in CASES}
    beside = {
        "Log", "Sqrt", "Split", "Shape", "ReduceProd", "Equal", "Where", "ConstantOfShape", "Range",
        LINEAR,  # of Gemm and MatMul
        "Einsum", "And", "Greater", "Less", "Mod", "Not",  # below
    }  # fmt: skip
    assert set(OPERATIONS) == tested | beside


def test_logic_and_remainders():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Mod", ["s", "three"], ["m"]),
        helper.make_node("Greater", ["s", "zero"], ["g"]),
        helper.make_node("Less", ["m", "one"], ["l"]),
        helper.make_node("Not", ["l"], ["n"]),
        helper.make_node("And", ["g", "n"], ["a"]),
        helper.make_node("Where", ["a", "two", "three"], ["w"]),
        helper.make_node("Expand", ["x", "w"], ["e"]),
        helper.make_node("Einsum", ["e", "e"], ["y"], equation="ij,kj->ik"),
    ]
    constants = {"zero": ints(0), "one": ints(1), "two": ints(2), "three": ints(3)}
    expected, found = both(model(nodes, (1, 1), constants), drawn(1, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.shape == (2, 2)


def saved(made, folder, name="net.onnx"):
    onnx.save(made, folder / name)
    return folder / name


def record(path):
    registry.allow_factories([str(path)])
    return registry.record(str(path))


def refused(path):
    with pytest.raises(ModelError) as caught:
        record(path)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def classifier(shape, *, nodes=(), outputs=("y",), layout="NCHW", opset=17):
    """Nodes before a convolution, a mean and a linear layer."""
    first = "x"
    before = list(nodes)
    if layout == "NHWC":
        before.append(helper.make_node("Transpose", [first], ["t"], perm=[0, 3, 1, 2]))
        first = "t"
    elif before:
        first = before[-1].output[0]
    rest = [
        helper.make_node("Conv", [first, "w", "b"], ["c"], name="/first/Conv", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"], name="/first/Relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["y"], transB=1),
    ]
    rng = np.random.default_rng(1)
    constants = {
        name: rng.standard_normal(sides).astype(FLOAT)
        for name, sides in (("w", (6, 3, 3, 3)), ("b", (6,)), ("g", (4, 6)))
    }
    return model([*before, *rest], shape, constants, outputs, opset)


def test_channels_last_are_seen_and_told(tmp_path):
    path = saved(classifier(("n", SIDE, SIDE + 8, 3), layout="NHWC"), tmp_path)
    found = record(path)
    assert found.preprocessing.size == (SIDE, SIDE + 8)
    assert "net.onnx takes the channels last (NHWC)." in found.notes
    x = torch.randn(2, 3, SIDE, SIDE + 8)
    session = onnxruntime.InferenceSession(str(path))
    (expected,) = session.run(None, {"x": x.permute(0, 2, 3, 1).contiguous().numpy()})
    made = classifiers.load(str(path), "cpu")
    np.testing.assert_allclose(made.logits(x).numpy(), expected, atol=1e-5)
    assert why_not(made.module, x[:1], "grad_cam") is None


def test_a_layout_that_the_shape_leaves_open(tmp_path):
    path = saved(classifier(("n", "h", "w", "c"), layout="NHWC"), tmp_path)
    assert "give its size and layout in a model.toml beside it" in refused(path)
    (tmp_path / "model.toml").write_text('title = "Last"\nlayout = "NHWC"\n')
    assert record(path).network.layout == "NHWC"
    (tmp_path / "model.toml").write_text('title = "Last"\nlayout = "last"\n')
    assert "layout is 'last': give NCHW (channels first) or NHWC" in refused(path)


def test_any_height_and_width(tmp_path):
    path = saved(classifier(("n", 3, "h", "w")), tmp_path)
    assert record(path).preprocessing.size == (224, 224)
    toml = 'title = "Wide"\n[preprocessing]\nsize = [32, 64]\n'
    (tmp_path / "model.toml").write_text(toml)
    assert record(path).preprocessing.size == (32, 64)
    fixed = saved(classifier(("n", 3, 48, 48)), tmp_path, "fixed.onnx")
    assert "fixed.onnx takes 3 × 48 × 48 (CHW), and the preprocessing gives 3 × 32 × 64" in refused(
        fixed
    )


def test_numbers_in_a_file_beside_it(tmp_path):
    path = tmp_path / "net.onnx"
    made = classifier((1, 3, SIDE, SIDE))
    inside = saved(made, tmp_path, "inside.onnx")
    onnx.save(made, path, save_as_external_data=True, location="net.data", size_threshold=0)
    found = classifiers.load(*allowed(path), "cpu")
    x = torch.randn(1, 3, SIDE, SIDE)
    assert torch.equal(found.logits(x), classifiers.load(*allowed(inside), "cpu").logits(x))
    first = found.weights_sha256
    data = tmp_path / "net.data"
    held = bytearray(data.read_bytes())
    held[3] ^= 1
    data.write_bytes(held)
    assert classifiers.load(*allowed(path), "cpu").weights_sha256 != first
    data.unlink()
    path.touch()
    assert refused(path) == (
        "net.onnx keeps its numbers in net.data, which is not beside it: copy both files into one "
        "folder."
    )


def allowed(path):
    registry.allow_factories([str(path)])
    return (str(path),)


def test_inputs_and_outputs(tmp_path):
    two = classifier((1, 3, SIDE, SIDE), outputs=("y", "f"))
    assert refused(saved(two, tmp_path)) == (
        "net.onnx returns 2 outputs (y, f): export the scores alone, or call them logits."
    )
    two.graph.output[1].name = two.graph.node[3].output[0] = two.graph.node[4].input[0] = "out"
    assert len(record(saved(two, tmp_path, "named.onnx")).class_names) == 6
    more = [helper.make_tensor_value_info("z", TensorProto.FLOAT, (1,))]
    nodes = [helper.make_node("Mul", ["x", "z"], ["y"])]
    assert "net2.onnx takes 2 inputs" in refused(
        saved(model(nodes, (1, 3, 32, 32), more=more), tmp_path, "net2.onnx")
    )
    whole = model(
        [helper.make_node("Cast", ["x"], ["y"], to=1)], (1, 3, 32, 32), kind=TensorProto.UINT8
    )
    assert "takes an input of type uint8" in refused(saved(whole, tmp_path, "whole.onnx"))
    flat = model([helper.make_node("Identity", ["x"], ["y"])], (1, 100))
    assert "takes an input of 2 axes, and pictures have 4" in refused(
        saved(flat, tmp_path, "flat.onnx")
    )
    maps = model([helper.make_node("Identity", ["x"], ["y"])], (1, 3, 32, 32))
    assert "scores of shape (N, 3, 32, 32)" in refused(saved(maps, tmp_path, "maps.onnx"))


@pytest.fixture
def black_box(tmp_path):
    """A program with an operation that has no derivative here, for one picture."""
    node = helper.make_node("CumSum", ["x", "axis"], ["s"])
    made = classifier((1, 3, SIDE, SIDE), nodes=[node])
    made.graph.initializer.append(numpy_helper.from_array(np.array(3, INT), "axis"))
    return saved(made, tmp_path)


def test_a_black_box_has_what_asks_for_scores_alone(black_box):
    found = classifiers.load(*allowed(black_box), "cpu")
    assert any(isinstance(part, BlackBox) for part in found.module.modules())
    reason = (
        "onnxruntime computes net.onnx, which gives no gradients (there is no derivative here for "
        "CumSum)"
    )
    assert f"O{reason[1:]}." in found.record.notes
    x = torch.randn(1, 3, SIDE, SIDE)
    missing = {name: why_not(found.module, x, name) for name in METHODS}
    assert {name for name, why in missing.items() if why is None} == {
        name for name, method in METHODS.items() if method.group in ("cover", "black_box")
    }
    assert {why for why in missing.values() if why} == {reason}
    with pytest.raises(SettingError) as caught:
        next(gradient_steps(found.module, x, Question(1), GradientSetting("saliency")))
    assert str(caught.value) == (
        f"Saliency is not available for this model, since {reason}: choose Occlusion, which needs "
        "no gradients."
    )
    session = onnxruntime.InferenceSession(str(black_box))
    survey = OcclusionSurvey(found.module, x, window=24, stride=24)
    for step in survey_steps(survey, Question(1)):
        last = step
    assert "cannot be exported (onnxruntime computes net.onnx" in survey.fallback
    (clean,) = session.run(None, {"x": x.numpy()})
    for top, left in ((0, 0), (0, 24), (24, 0), (24, 24)):
        covered = x.clone()
        covered[:, :, top : top + 24, left : left + 24] = 0
        (scores,) = session.run(None, {"x": covered.numpy()})
        fall = last.snapshot().values[top : top + 24, left : left + 24]
        np.testing.assert_allclose(fall, clean[0, 1] - scores[0, 1], atol=1e-4)


def test_weights_that_are_not_known_are_not_randomised(black_box, tmp_path, capsys):
    assert stages_of(classifiers.load(*allowed(black_box), "cpu").module) == ()
    ways = ("--method", "occlusion", "--window", "24", "--stride", "24", "--device", "cpu")
    picture = str(samples()["swan"].path)
    asked = ["trust", picture, "--model", str(black_box), *ways, "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "Weights were not randomised: those of this model are not known here." in said


def test_a_program_is_opened_without_what_nobody_has(tmp_path, monkeypatch):
    path = saved(classifier((1, 3, SIDE, SIDE)), tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert refused(path) == (
        "For this model onnxruntime is needed, which is not installed: install it with `pip "
        "install -r requirements-models.txt`."
    )
