"""Maps made elsewhere in a notebook: an array in, a trust line out."""

import numpy as np
import pytest
import torch

import core
from core import notebook, notebook_explanation
from core.errors import MapError, SettingError
from tests.core.test_notebook import SMALL, SWAN
from tests.toys import network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def own_explainer():
    """What one test has computed is new to the next."""
    for each in (notebook.explainer, notebook_explanation.judge):
        each.cache_clear()
    yield
    for each in (notebook.explainer, notebook_explanation.judge):
        each.cache_clear()


def small(method, **given):
    """An explanation by a network of four classes that looks at 28 pixels a side."""
    return core.explain(SWAN, network("residual"), method, preprocessing=SMALL, **given)


def test_our_own_map_given_back_has_our_trust_line(tmp_path):
    ours = small("integrated_gradients", steps=3)
    back = small(ours.values, sign="signed", unit="score", adds_up=True, title="back")
    assert np.array_equal(back.values, ours.values)
    assert back.attribution.gap == ours.attribution.gap
    expected, found = ours.trust(), back.trust()
    for part in ("curves", "infidelity"):
        assert found.record[part] == expected.record[part]
    assert repr(found) == found.summary
    assert found.summary.endswith("Not measurable: weight randomisation, noise stability.")
    assert "Not measurable" not in expected.summary
    assert len(found.sentences) == len(expected.sentences)
    assert found.sentences[0] in found._repr_html_()
    assert "made elsewhere" in back._repr_html_()
    back.save(tmp_path / "back.npz")
    again = small(tmp_path / "back.npz", sign="signed", unit="score")
    assert np.array_equal(again.values, ours.values)
    with pytest.raises(MapError, match="this map was made elsewhere: save"):
        back.save(tmp_path / "back.zip")


def test_a_tensor_with_channels():
    tensor = torch.randn(1, 3, 28, 28, requires_grad=True)
    found = small(tensor, sign="unsigned", unit="none", channels="absolute")
    assert found.values == pytest.approx(tensor[0].detach().abs().sum(0).numpy(), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Say what the map's sign means with sign=: signed"),
        ({"sign": "signed"}, "Say what the map's values count with unit=: score"),
        ({"sign": "signed", "unit": "none", "steps": 3}, "There is no option steps= of a map made"),
        ({"sign": "signed", "unit": "none", "channels": "mean"}, "channels= is 'mean': choose"),
        ({"sign": "signed", "unit": "none", "channels": ["sum"]}, "channels= is ['sum']: choose"),
    ],
)
def test_what_has_to_be_said(given, sentence):
    with pytest.raises(SettingError) as refused:
        small(np.eye(28), **given)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "of", [lambda each: each.bfloat16(), lambda each: each.half(), torch._neg_view]
)
def test_tensors_of_any_kind_of_number(of):
    tensor = of(torch.arange(784.0).view(28, 28))
    found = small(tensor, sign="signed", unit="none")
    assert found.values.tolist() == tensor.float().tolist()


@pytest.mark.parametrize("tensor", [torch.eye(28).to_sparse(), torch.empty(28, 28, device="meta")])
def test_a_tensor_without_numbers_is_refused(tensor):
    with pytest.raises(MapError, match=r"The map is a tensor of torch.float32 \(.* cannot be read"):
        small(tensor, sign="signed", unit="none")
