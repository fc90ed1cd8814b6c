"""What a bundle shows: computed once, on scales that can be compared."""

import numpy as np
import pytest

from core.bundle.exhibits import MOST_EXHIBITS, MOST_MAPS, gather
from core.bundle.figure import figure
from core.bundle.figure_caption import figure_caption, letters, says
from core.drawing.rendering import Display, scale
from core.engine.positions import Places
from core.errors import SettingError
from core.methods.cam_methods import GradCamSetting
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.scores import Question
from tests.bundles import ASKED, GOOSE, KING_PENGUIN, MAPS, PENGUIN, classifier, exhibit, explainer

COARSE = {"Occlusion": (OcclusionSetting(112, 112), ASKED)}
TWO = {**COARSE, "Larger": (OcclusionSetting(224, 224), ASKED)}


def gathered(*exhibits, same_scale=False, display=None):
    return gather(explainer(), exhibits, display or Display(), same_scale)


def ends(shown):
    return [[plate.ends for plate in each.plates] for each in shown]


def test_one_exhibit_has_a_scale_for_each_map():
    (shown,) = gathered(exhibit(maps=TWO))
    for plate in shown.plates:
        assert plate.ends == scale([plate.attribution.values], Display())
    assert shown.plates[0].ends != shown.plates[1].ends
    assert [score.index for score in shown.ranking[:2]] == [KING_PENGUIN, GOOSE]


def test_two_exhibits_are_locked_title_by_title():
    (one, two) = ends(gathered(exhibit(maps=TWO), exhibit(PENGUIN, TWO)))
    assert one == two
    assert one[0] != one[1]


def test_one_scale_for_all_in_the_same_units():
    maps = {**TWO, "p": (OcclusionSetting(112, 112), Question(KING_PENGUIN, kind="probability"))}
    ((first, second, other),) = ends(gathered(exhibit(maps=maps), same_scale=True))
    assert first == second != other
    assert other[1] <= 1


def test_what_it_takes_to_make_a_map_again():
    name = explainer().as_baseline(exhibit(PENGUIN).picture)
    maps = {
        "patches": (SuperpixelSetting(6), ASKED),
        "cam": (GradCamSetting(), ASKED),
        "other": (OcclusionSetting(112, 112, name), ASKED),
    }
    (shown,) = gathered(exhibit(maps=maps))
    patches, cam, other = shown.plates
    assert patches.patches.shape == (224, 224)
    assert len(np.unique(patches.patches)) == patches.attribution.parameters["patches"]
    last = explainer().layers(classifier(), exhibit().picture)[-1]
    assert {name: layer.places for name, layer in cam.layers.items()} == {
        last: Places("NCHW", (7, 7))
    }
    seen = classifier().record.preprocessing.picture(exhibit(PENGUIN).picture.image)
    assert (np.asarray(other.baseline) == np.asarray(seen)).all()
    assert cam.patches is patches.baseline is None


@pytest.mark.parametrize(
    "exhibits",
    [
        lambda: [],
        lambda: [exhibit(maps=COARSE)] * (MOST_EXHIBITS + 1),
        lambda: [exhibit(maps={str(n): COARSE["Occlusion"] for n in range(MOST_MAPS + 1)})],
    ],
)
def test_nothing_and_too_much_are_refused(exhibits):
    with pytest.raises(SettingError, match="A bundle holds 1 to 8"):
        gathered(*exhibits())


def test_a_caption_in_plain_words():
    shown = gathered(exhibit(maps=MAPS))
    text = figure_caption(shown, Display(), same_scale=False)
    assert text.startswith("EfficientNet-Lite0 (75.1 % top-1 on ImageNet-1k) says king penguin, 53")
    assert "(a) Occlusion, window 112, stride 80, baseline grey" in text
    assert "(b) Integrated Gradients, 4 steps, baseline black" in text
    assert "the logit of king penguin minus that of goose" in text
    assert "Red is evidence for the class, blue against it." in text
    assert "; completeness: sum " in text
    assert "  " not in text
    assert "\n" not in text


def test_a_single_map_has_no_letter():
    (shown,) = gathered(exhibit(maps=COARSE))
    assert letters([shown]) == {"1-1-occlusion": ""}
    assert "(a)" not in figure_caption([shown], Display(sign="positive"), same_scale=False)
    assert says(shown) == "EfficientNet-Lite0 says king penguin, 53 %"


def test_the_figure_grows_with_what_it_shows():
    sizes = {}
    for name, exhibits in {
        "one": [exhibit(maps=COARSE)],
        "two": [exhibit(maps=TWO)],
        "rows": [exhibit(maps=COARSE), exhibit(PENGUIN, COARSE)],
    }.items():
        files = figure(gathered(*exhibits), Display())
        assert set(files) == {"png", "svg", "pdf"}
        sizes[name] = int.from_bytes(files["png"][16:20]), int.from_bytes(files["png"][20:24])
    assert sizes["two"][0] > sizes["one"][0]
    assert sizes["two"][1] == sizes["one"][1]
    assert sizes["rows"][0] == sizes["one"][0]
    assert sizes["rows"][1] > 1.8 * sizes["one"][1]
