"""BibTeX of the methods used, of all of them, and of no others."""

import re

import pytest

from core.bundle.citations import bibtex, keys
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting, SmoothSetting
from core.methods.registry import METHODS


def cited(*settings):
    return re.findall(r"@\w+\{(\w+),", bibtex(settings))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_its_entries(method):
    setting = METHODS[method].setting
    text = bibtex([setting])
    assert cited(setting) == list(keys(setting))
    assert text.count("{") == text.count("}")
    for entry in text.strip().split("\n\n"):
        assert re.search(r"title = \{.+\},", entry, re.DOTALL)
        assert re.search(r"author = \{.+\},", entry, re.DOTALL)
        assert re.search(r"year = \{(19|20)\d\d\}", entry)


def test_each_once_and_in_order():
    occlusion, gradients = OcclusionSetting(15, 8), IntegratedGradientsSetting()
    found = cited(gradients, occlusion, IntegratedGradientsSetting(3), SmoothSetting(gradients))
    assert found == ["sundararajan2017axiomatic", "zeiler2014visualizing", "hooker2019benchmark"]


def test_a_smoothed_method_cites_both():
    setting = SmoothSetting(GradientSetting("saliency"), "vargrad")
    assert cited(setting) == ["adebayo2018local", "simonyan2014deep"]
