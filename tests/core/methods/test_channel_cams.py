"""Score-CAM and Ablation-CAM: known by hand, beside two packages, and as surveys."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.engine.positions import Places
from core.errors import SettingError
from core.methods.cam_methods import ChannelCamSetting
from core.methods.channel_cams import survey
from core.methods.masked import WHOLE_PICTURES
from core.methods.scores import Question
from core.methods.survey import survey_steps
from tests.core.engine.test_libraries import network as library
from tests.core.engine.test_libraries import seen_by
from tests.core.methods.test_cam_weightings import (
    VALUES,
    LinearHead,
    Sloped,
    by_pytorch_grad_cam,
    by_torchcam,
    stretched,
)
from tests.core.methods.test_grad_cam import enlarged, stages
from tests.toys import Untraceable, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ["score_cam", "ablation_cam"]


def begun(module, inputs, kind, layer=None, baseline=0.0, **options):
    setting = ChannelCamSetting(layer, kind, **options)
    return survey(setting, module, inputs, baseline, lambda _: None)


def explained(module, inputs, kind, question, layer=None, **options):
    *_, last = survey_steps(begun(module, inputs, kind, layer, **options), question)
    assert last.done == last.total
    return last.snapshot()


SHARE = 1 / (1 + np.exp(-5.5))  # of scores 1.5 and -4 in a softmax
KNOWN = {
    # Shown through the channels' values over 2; of the negative score, the shares change places.
    "score_cam": (
        SHARE * VALUES[0] + (1 - SHARE) * VALUES[1],
        (2 * SHARE - 1) * (VALUES[0] - VALUES[1]),
    ),
    # The score falls by 3 without the first channel, and rises by 5 without the second.
    "ablation_cam": ([[3, 1], [0, 0]], [[3, 1], [-10, -2]]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_known_by_hand(kind):
    module, inputs = Sloped(), VALUES.float()[None]
    for signed, expected in enumerate(KNOWN[kind]):
        found = explained(module, inputs, kind, Question(0), "maps", signed=bool(signed))
        np.testing.assert_allclose(found.values, expected, atol=1e-5)
        assert found.method == kind
        assert found.units == "weighted activation"
        assert found.forward_passes == (0 if signed else 2)
        assert found.agreement.windows == 1


def test_score_cam_as_two_packages_say():
    """At a layer of the picture's size, where nothing is enlarged; that they do differently."""
    module, inputs = seeded(LinearHead).eval(), picture()
    before = state(module)
    for target in range(4):
        found = explained(module, inputs, "score_cam", Question(target), "maps").values
        assert state(module) == before
        theirs = by_pytorch_grad_cam("ScoreCAM", module, module.maps, inputs, target)
        np.testing.assert_allclose(found, theirs, atol=1e-5 * theirs.max())
        np.testing.assert_allclose(stretched(found), stretched(theirs), atol=1e-5)
        (other,) = by_torchcam("ScoreCAM", module, "maps", inputs, target)
        np.testing.assert_allclose(found, other, atol=1e-4 * theirs.max())


def test_ablation_cam_as_pytorch_grad_cam_says():
    """Behind a ReLU, and for positive scores, by which it divides."""
    module, inputs = stages(), picture(16, 12)
    scores = module(inputs)[0].tolist()
    assert max(scores) > 0
    some = 0
    for target, score in enumerate(scores):
        found = explained(module, inputs, "ablation_cam", Question(target), "deep").values
        if score > 0:
            theirs = by_pytorch_grad_cam("AblationCAM", module, module.deep, inputs, target)
            expected = enlarged(theirs * score, (16, 12))
            np.testing.assert_allclose(found, expected, atol=1e-5 * (expected.max() or 1))
            some += expected.max() > 0
    assert some


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_are_those_behind_the_relu_that_alone_reads_the_layer(kind):
    module, inputs = stages(), picture(16, 12)
    before, behind = (
        explained(module, inputs, kind, Question(1), layer, signed=True).values
        for layer in ("middle.1", "middle.2")
    )
    np.testing.assert_allclose(before, behind, atol=1e-5)
    assert before.any()


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_score_and_contrast_from_one_run(kind):
    module, inputs = stages(), picture(16, 12)
    first = explained(module, inputs, kind, Question(1), "deep")
    assert first.forward_passes == 8
    again = begun(module, inputs, kind, "deep", signed=True)
    for question in (Question(2), Question(0, 3), Question(1, None, "probability")):
        (step,) = survey_steps(again, question)
        assert step.snapshot().forward_passes == 0
    one, other = (again.values(Question(*pair)) for pair in ((0, 3), (3, 0)))
    np.testing.assert_allclose(one, -other, atol=1e-9)
    assert one.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_survey_that_was_left_goes_on_and_ends_the_same(kind, monkeypatch):
    monkeypatch.setitem(WHOLE_PICTURES, "cpu", 2)
    monkeypatch.setattr("core.methods.channel_cams._REST_BATCH", 2)
    module, inputs = stages(), picture(16, 12)
    steps = survey_steps(begun(module, inputs, kind, "deep"), Question(1))
    next(steps)
    step = next(steps)
    assert 0 < step.done < step.total == 8
    assert step.snapshot().values.shape == (16, 12)
    steps.close()
    rest = explained(module, inputs, kind, Question(1), "deep")
    assert rest.forward_passes < 8
    whole = explained(stages(), inputs, kind, Question(1), "deep")
    np.testing.assert_allclose(rest.values, whole.values, atol=1e-6)


def by_hooks(module, inputs, layer, places):
    """A layer's maps, and the logits with each channel of its places set to zero."""
    held = []
    part = module.get_submodule(layer)

    def logits(change):
        def hook(_, __, values):
            held.append(values)
            return change(values.clone())

        handle = part.register_forward_hook(hook)
        found = module(inputs)
        handle.remove()
        return found[0].detach()

    clean = logits(lambda values: values)
    without = []
    for channel in range(places.map(held[0]).shape[1]):

        def silenced(values, channel=channel):
            places.map(values)[:, channel] = 0
            return values

        without.append(logits(silenced))
    return places.map(held[0])[0].detach(), clean, torch.stack(without)


LAYERS = {
    "timm ViT": ("blocks.2.norm1", Places("NTC", (4, 4), 1)),
    "timm Swin": ("norm", Places("NHWC", (8, 8))),
    "timm ConvNeXt": ("stages.1.blocks.0.norm", Places("NHWC", (4, 4))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_channels_last_and_tokens(name):
    module, inputs = library(name), seen_by(name)
    for key, values in module.named_parameters():
        if key.endswith("gamma"):
            torch.nn.init.ones_(values)  # ConvNeXt begins with 1e-6
    layer, places = LAYERS[name]
    with torch.no_grad():
        maps, clean, without = by_hooks(module, inputs, layer, places)
        drops = (clean - without)[:, 1]
        expected = torch.einsum("chw,c->hw", maps, drops).relu()
    found = explained(module, inputs, "ablation_cam", Question(1), layer)
    expected = enlarged(expected.tolist(), inputs.shape[2:])
    np.testing.assert_allclose(found.values, expected, atol=1e-4 * expected.max())
    assert expected.max() > 0
    assert found.agreement.windows

    large = F.interpolate(maps[:, None], inputs.shape[2:], mode="bilinear")
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    with torch.no_grad():
        shown = torch.cat(
            [module(each) for each in (inputs * (large - low) / (high - low)).split(1)]
        )
    expected = torch.einsum("chw,c->hw", maps, shown[:, 1].softmax(0)).relu()
    found = explained(module, inputs, "score_cam", Question(1), layer).values
    expected = enlarged(expected.tolist(), inputs.shape[2:])
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_a_layer_that_returns_more_than_a_tensor():
    """The network itself is asked through it, too."""
    module, inputs = library("transformers ResNet"), seen_by("transformers ResNet")
    found = begun(module, inputs, "ablation_cam", "resnet.encoder").run()
    assert found.agreement.windows == 1
    assert found.agreement.difference < 1e-4
    assert found.fallback is None
    assert found.values(Question(1)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_cannot_be_exported(kind):
    module, inputs = seeded(Untraceable).eval(), picture()
    found = explained(module, inputs, kind, Question(1))
    assert found.values.max() > 0
    assert found.agreement.windows


def test_a_channel_that_is_the_same_everywhere_shows_nothing():
    flat = torch.cat([torch.ones(1, 1, 2, 2), VALUES.float()[None, :1]], 1)
    found = begun(Sloped(), flat, "score_cam", "maps", baseline=5.0)
    masks = found.masks(np.array([0, 1]))
    np.testing.assert_allclose(masks[:, 0], [np.zeros((2, 2)), VALUES[0] / 2])
    np.testing.assert_allclose(found._pictures(np.array([0]))[0], np.full((2, 2, 2), 5.0))


def test_a_quick_survey_takes_the_most_active_channels():
    """What is known of them is known to a survey of all."""
    module, inputs = stages(), picture(16, 12)
    some = begun(module, inputs, "ablation_cam", "deep", channels=3).run()
    assert (some.count, some.forward_passes) == (3, 3)
    every = begun(module, inputs, "ablation_cam", "deep")
    maps = module.deep(module.middle(module.pool(F.relu(module.stem(inputs)))))[0]
    most = sorted(maps.mean((1, 2)).topk(3).indices.tolist())
    assert np.flatnonzero(every.known).tolist() == most
    every.run()
    assert (every.count, every.forward_passes) == (8, 5)
    torch.testing.assert_close(every.scores[most], some.scores)
    assert ChannelCamSetting("deep").quick() == ChannelCamSetting("deep", channels=64)


def test_what_cannot_be_asked():
    for options, words in (
        ({"layer": "all"}, 'score_cam looks at one layer, and not at "all"'),
        ({"layer": "a,b"}, 'score_cam looks at one layer, and not at "a,b"'),
        ({"kind": "tree_cam"}, 'There is no CAM "tree_cam"'),
        ({"baseline": "plaid"}, "plaid"),
    ):
        with pytest.raises(SettingError, match=words):
            ChannelCamSetting(**options)
    with pytest.raises(SettingError, match='There is no layer "nowhere"'):
        begun(stages(), picture(16, 12), "score_cam", "nowhere")


def test_the_network_is_left_as_it_was():
    module = stages()
    before = state(module)
    for kind in KINDS:
        begun(module, picture(16, 12), kind).run()
    assert state(module) == before


class WithAList(torch.nn.Module):
    """A body that returns a map and a pooled list beside it, as transformers' do."""

    class Body(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            x = self.conv(x).relu()
            return x, x.mean((2, 3))

    def __init__(self):
        super().__init__()
        self.body, self.last = self.Body(), torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.body(x)[0].amax((2, 3)))


def test_what_a_layer_returns_beside_its_map_is_left():
    module, inputs = seeded(WithAList).eval(), picture()
    found = explained(module, inputs, "ablation_cam", Question(1), "body")
    inner = explained(module, inputs, "ablation_cam", Question(1), "body.conv")
    assert found.values.any()
    assert found.agreement.windows
    assert inner.values.shape == found.values.shape


@pytest.mark.parametrize("kind", KINDS)
def test_layers_may_be_of_half_precision(kind):
    inputs = picture(16, 12)

    class Half(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module.bfloat16()

        def forward(self, x):
            return self.module(x.bfloat16()).float()

    whole = explained(seeded(stages), inputs, kind, Question(1)).values
    half = explained(Half(seeded(stages)), inputs, kind, Question(1)).values
    np.testing.assert_allclose(half, whole, atol=0.1 * np.abs(whole).max())
