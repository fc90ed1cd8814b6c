"""A map is frozen, and says everything that is needed to make it again."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from core.methods.attribution import Attribution, Provenance, Step, versions
from core.methods.scores import Question


def made(**changes):
    arguments = {
        "values": np.arange(6.0).reshape(2, 3),
        "method": "occlusion",
        "question": Question(3, 1, "probability"),
        "parameters": {"window": 15, "stride": 8, "baseline": "grey"},
        "forward_passes": 784,
        "seconds": 1.23456,
        "change": 14.75,
        "provenance": Provenance("resnet18", "f37072fd", "0123", "cpu"),
    }
    return Attribution(**{**arguments, **changes})


def test_values_are_a_private_read_only_float32_copy():
    source = np.arange(6.0).reshape(2, 3)
    attribution = made(values=source)
    source[:] = -1
    assert attribution.values.dtype == np.float32
    assert attribution.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="read-only"):
        attribution.values[0, 0] = 7


def test_nothing_else_can_be_changed_either():
    parameters = {"window": 15}
    attribution = made(parameters=parameters)
    parameters["window"] = 16
    assert attribution.parameters["window"] == 15
    with pytest.raises(TypeError):
        attribution.parameters["window"] = 17
    with pytest.raises(FrozenInstanceError):
        attribution.method = "another"
    with pytest.raises(FrozenInstanceError):
        attribution.provenance.model = "another"


@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), ()])
def test_only_height_by_width(shape):
    with pytest.raises(ValueError, match=r"An attribution is \(H, W\); this one has shape"):
        made(values=np.zeros(shape))


@pytest.mark.parametrize(
    ("kind", "units"),
    [("logit", "logits"), ("probability", "probability"), ("log_probability", "nats")],
)
def test_what_was_explained(kind, units):
    attribution = made(question=Question(3, 1, kind))
    assert (attribution.target, attribution.contrast, attribution.score) == (3, 1, kind)
    assert attribution.units == units


def test_the_gap_is_what_the_values_add_up_to_less_the_change():
    assert made(change=14.75).gap == 0.25
    assert made(change=0.0).gap == 15
    assert made(change=None).gap is None
    # Summed in double precision: in single, the ones would be lost beside the large value.
    values = np.array([[2.0**25, *[1.0] * 64]])
    assert made(values=values, change=2.0**25).gap == 64


@pytest.mark.parametrize(
    ("method", "units"),
    [
        ("integrated_gradients", "nats"),
        ("saliency", "nats per unit of input"),
        ("vargrad", "squared nats"),
        ("grad_cam", "weighted activation"),
        ("guided_grad_cam", "no unit"),
    ],
)
def test_units_of_methods(method, units):
    assert made(method=method, question=Question(3, 1, "log_probability")).units == units


def test_a_smoothed_map_has_the_unit_of_the_method_that_is_smoothed():
    for method, of, units in [
        ("smoothgrad", "saliency", "logits per unit of input"),
        ("smoothgrad", "integrated_gradients", "logits"),
        ("vargrad", "saliency", "squared logits per unit of input"),
        ("smoothgrad_sq", "integrated_gradients", "squared logits"),
    ]:
        found = made(method=method, parameters={"method": of}, question=Question(3))
        assert found.units == units


def test_settings_are_json_and_complete():
    settings = made().settings()
    assert json.loads(json.dumps(settings, allow_nan=False)) == settings
    assert settings.pop("versions") == versions()
    assert settings == {
        "method": "occlusion",
        "target": 3,
        "contrast": 1,
        "kind": "probability",
        "parameters": {"window": 15, "stride": 8, "baseline": "grey"},
        "units": "probability",
        "forward_passes": 784,
        "seconds": 1.235,
        "score_change": 14.75,
        "found": {},
        "completeness_gap": 0.25,
        "agreement": None,
        "provenance": {
            "model": "resnet18",
            "weights_sha256": "f37072fd",
            "image_sha256": "0123",
            "device": "cpu",
            "region": None,
        },
    }


def test_the_region_that_the_model_saw_is_told():
    provenance = Provenance("resnet18", "f3", "01", "cpu", (1.0, 2.0, 33.5, 34.5))
    told = made(provenance=provenance).settings()["provenance"]["region"]
    assert json.loads(json.dumps(told)) == [1, 2, 33.5, 34.5]


def test_settings_without_a_model():
    settings = made(provenance=None, change=None).settings()
    assert settings["provenance"] is None
    assert settings["score_change"] is settings["completeness_gap"] is None
    json.dumps(settings)


def test_versions_are_those_that_run():
    import captum
    import torch

    found = versions()
    assert set(found) == {"python", "torch", "torchvision", "captum", "pillow", "numpy"}
    assert found["numpy"] == np.__version__
    assert found["captum"] == captum.__version__
    assert torch.__version__.startswith(found["torch"].split("+")[0])


def test_a_step_gives_its_map_when_asked():
    attribution = made()
    step = Step(3, 9, lambda: attribution)
    assert (step.done, step.total) == (3, 9)
    assert step.snapshot() is attribution
