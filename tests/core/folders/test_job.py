"""What can be asked, and what cannot."""

import pytest

from core.errors import SettingError
from core.folders.job import PART, Job, methods_of, parts_of
from core.folders.listing import Entry
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting


def test_an_option_goes_to_every_method_that_has_it():
    chosen = methods_of(
        "occlusion, integrated_gradients,ig", {"window": 30, "steps": 5, "baseline": "black"}
    )
    assert chosen == (
        ("occlusion", OcclusionSetting(30, 8, "black")),
        ("ig", IntegratedGradientsSetting(5, "black")),
    )
    assert methods_of("", {}) == ()


@pytest.mark.parametrize(
    ("wanted", "given", "sentence"),
    [
        ("pink", {}, 'There is no method "pink": choose from ig, integrated_gradients, occlusion'),
        ("ocllusion", {}, r'method "ocllusion" \(did you mean occlusion\?\): choose from ig, '),
        ("ig", {"window": 3}, "--window does not belong to integrated_gradients, but to occlusion"),
        ("", {"window": 3}, "--window belongs to a method: give --methods too"),
        ("ig", {"steps": 0}, "steps: 0; choose between 1 and 1000"),
    ],
)
def test_what_cannot_be_asked_is_said(wanted, given, sentence):
    with pytest.raises(SettingError, match=sentence):
        methods_of(wanted, given)


@pytest.mark.parametrize("count", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
def test_parts_hold_every_picture_once_in_order(count):
    entries = [Entry(str(number)) for number in range(count)]
    parts = parts_of(entries)
    assert [entry for part in parts for entry in part] == entries
    assert all(len(part) == PART for part in parts[:-1])


@pytest.mark.parametrize("name", ["batch", "threads"])
@pytest.mark.parametrize("number", [0, -1, 1025, 3_000_000_000])
def test_numbers_that_no_machine_is_made_for(name, number):
    with pytest.raises(SettingError, match=rf"{number:,}; choose between 1 and 1,024\.$"):
        Job(".", "resnet18", "cpu", **{name: number})
