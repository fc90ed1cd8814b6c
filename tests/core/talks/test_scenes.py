"""A talk: the one that comes along, one of one's own, and each way to get it wrong."""

import shutil
import time

import pytest

from core.errors import TalkError
from core.methods.cam_methods import GradCamSetting
from core.methods.cover_methods import OcclusionSetting, RegionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.pictures.samples import samples
from core.talks.scenes import (
    DEFAULT_TALK,
    AnswerScene,
    BrushScene,
    ContrastScene,
    MapsScene,
    PhotoScene,
    RegionScene,
    TrustScene,
    read_talk,
)

HEAD = """model = "efficientnet_lite0"
[pictures.bird]
file = "bird.jpg"
label = "mute swan"
"""


@pytest.fixture
def write(tmp_path):
    """Writes a talk beside a picture, and gives its path."""
    shutil.copy(samples()["swan"].path, tmp_path / "bird.jpg")

    def call(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return path

    return call


@pytest.fixture
def refused(write):
    def call(text):
        with pytest.raises(TalkError) as caught:
            read_talk(write(text))
        sentence = str(caught.value)
        assert "\n" not in sentence
        return sentence

    return call


def test_the_talk_that_comes_along():
    scenes = read_talk().scenes
    assert [type(scene) for scene in scenes] == [
        AnswerScene,
        AnswerScene,
        MapsScene,
        BrushScene,
        RegionScene,
        ContrastScene,
        TrustScene,
        PhotoScene,
    ]
    penguin, swan = scenes[2].pictures
    assert penguin.right == ("king penguin",)
    assert swan.label == "mute swan"
    assert swan.right == ()  # no such class
    assert swan.picture.from_file
    assert scenes[4].setting == RegionSetting("enough")
    assert scenes[5].against == 99
    assert scenes[5].absent == "mute swan"


def test_a_scene_of_regions_takes_their_methods_alone(write, refused):
    scene = (
        HEAD
        + """[[scenes]]
kind = "region"
title = "Show only this"
picture = "bird"
"""
    )
    (found,) = read_talk(write(scene + 'method = "counterfactual"\nblocks = 8\n')).scenes
    assert found.setting == RegionSetting("counterfactual", blocks=8)
    assert refused(scene + 'method = "saliency"\n') == (
        "mine.toml, line 9: saliency does not fit this scene: choose one of enough, counterfactual."
    )


def test_its_comment_tells_no_result():
    text = DEFAULT_TALK.read_text("utf-8")
    assert "%" not in text


def test_one_of_ones_own(write):
    scenes = read_talk(
        write(
            HEAD
            + """right = ["black swan", "goose"]
            [[scenes]]
            kind = "maps"
            title = "Where?"
            pictures = ["bird"]
            model = "resnet18"
            method = "integrated_gradients"
            steps = "enough"
            baseline = "blur:3"
            [[scenes]]
            kind = "trust"
            title = "Trust?"
            picture = "bird"
            method = "grad_cam"
            [[scenes]]
            kind = "brush"
            title = "Paint"
            picture = "bird"
            baseline = "black"
            [[scenes]]
            kind = "photo"
            title = "Yours"
            """
        )
    ).scenes
    assert scenes[0].model == "resnet18"
    assert scenes[0].setting == IntegratedGradientsSetting("enough", "blur:3")
    assert scenes[0].pictures[0].right == ("black swan", "goose")
    assert (scenes[1].model, scenes[1].setting) == ("efficientnet_lite0", GradCamSetting())
    assert scenes[2].baseline == "black"
    assert scenes[3].setting == OcclusionSetting(15, 8)
    assert scenes[3].pictures == ()


def test_a_label_that_is_a_class_counts_as_right(write):
    text = HEAD.replace("mute swan", "Goose")
    talk = read_talk(write(text + '[[scenes]]\nkind = "answer"\ntitle = "?"\npicture = "bird"\n'))
    assert talk.scenes[0].pictures[0].right == ("goose",)


def test_exact_spelling_tells_the_dog_from_the_jacket(write):
    for name, index in (("Cardigan", 264), ("cardigan", 474)):
        head = HEAD.replace("mute swan", name)
        scenes = read_talk(write(head + CONTRAST.replace("goose", name))).scenes
        assert scenes[0].against == index
        assert scenes[0].pictures[0].right == (name,)


ANSWER = '[[scenes]]\nkind = "answer"\ntitle = "?"\npicture = "bird"\n'  # lines 5 to 8
MAPS = '[[scenes]]\nkind = "maps"\ntitle = "?"\npictures = ["bird"]\n'
CONTRAST = '[[scenes]]\nkind = "contrast"\ntitle = "?"\npicture = "bird"\nagainst = "goose"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "there are no scenes"),
        ("scenes = []", 1, "there are no scenes"),
        ("scenes = 3", 1, "scenes is 3"),
        ("scenes = [3]", 1, "begin each with a line [[scenes]]"),
        (HEAD + ANSWER + "volume = 3\n", 9, "volume is not known here: choose from kind, title"),
        (HEAD + ANSWER + "[[scene]]\n", 9, "scene is not known here"),
        ("modle = 'x'\n" + HEAD + ANSWER, 1, "modle is not known here"),
        (HEAD + "lable = 'x'\n" + ANSWER, 5, "lable is not known here: choose from file, label"),
        (HEAD.replace("bird.jpg", "no.jpg") + ANSWER, 3, "no.jpg cannot be read"),
        (HEAD.replace("bird.jpg", "mine.toml") + ANSWER, 3, "picture"),
        (HEAD.replace("bird.jpg", "/dev/zero") + ANSWER, 3, "no regular file"),
        (HEAD.replace('"bird.jpg"', "3") + ANSWER, 3, "file is 3: give the path"),
        (HEAD.replace("bird.jpg", r"a\u0000b.jpg") + ANSWER, 3, "its name holds a NUL character"),
        (HEAD.replace("bird.jpg", f"{'x' * 5000}.jpg") + ANSWER, 3, "cannot be read"),
        (HEAD.replace("efficientnet_lite0", "alexnet") + ANSWER, 1, 'no model "alexnet"'),
        (HEAD + "right = ['mute swan']\n" + ANSWER, 5, 'no class "mute swan"'),
        (HEAD + "right = 'goose'\n" + ANSWER, 5, "right is 'goose': give a list"),
        (HEAD + ANSWER.replace('"answer"', '"answr"'), 6, 'no scene "answr": choose one of answer'),
        (HEAD + ANSWER.replace('"answer"', "1"), 6, "kind is 1"),
        (HEAD + ANSWER.replace('title = "?"\n', ""), 5, "title is missing here"),
        (HEAD + ANSWER.replace('"?"', "[1]"), 7, "title is [1]"),
        (HEAD + ANSWER.replace("?", 121 * "x"), 7, "give one line of at most 120 characters"),
        (HEAD + ANSWER.replace("?", r"two\nlines"), 7, r"title is 'two\nlines': give one line"),
        (HEAD.replace("mute swan", r"\u202Eswan") + ANSWER, 4, r"label is '\u202eswan': give one"),
        (HEAD + CONTRAST + f'absent = "{121 * "x"}"\n', 10, "give one line of at most 120"),
        (HEAD + ANSWER.replace('"bird"', '"cat"'), 8, 'no picture "cat": give one of bird'),
        (HEAD + ANSWER + 'model = "vgg"\n', 9, 'no model "vgg"'),
        (HEAD + MAPS.replace('["bird"]', "[]"), 8, "0 pictures: give one to three"),
        (HEAD + MAPS.replace('["bird"]', '["bird", "cat"]'), 8, 'no picture "cat"'),
        (HEAD + MAPS + 'method = "occlude"\n', 9, 'no method "occlude": choose one of'),
        (HEAD + MAPS + "window = 300\n", 9, "choose between 1 and 224"),
        (HEAD + MAPS + "window = 20\nstride = 30\n", 9, "choose between 1 and 20"),
        (HEAD + MAPS + "window = true\n", 9, "window is True: give a whole number"),
        (HEAD + MAPS + "steps = 10\n", 9, "steps does not belong to occlusion: it takes window"),
        (HEAD + MAPS + 'baseline = "puce"\n', 9, "puce"),
        (HEAD + MAPS + 'method = "integrated_gradients"\nsteps = 0\n', 10, "between 1 and 1000"),
        (HEAD + MAPS + 'method = "saliency"\nwindow = 3\n', 10, "window does not belong"),
        (HEAD + CONTRAST.replace("goose", "mute swan"), 9, "nearest: black swan"),
        (HEAD + CONTRAST.replace("goose", "CARDIGAN"), 9, '"CARDIGAN" names several classes'),
        (HEAD + "right = ['CARDIGAN']\n" + ANSWER, 5, '"CARDIGAN" names several classes'),
        (HEAD.replace("mute swan", "CARDIGAN") + ANSWER, 4, "write Cardigan (class 264) or"),
        (HEAD + CONTRAST + 'absent = "CARDIGAN"\n', 10, 'the model has a class "CARDIGAN"'),
        (HEAD + CONTRAST + 'absent = "goose"\n', 10, 'the model has a class "goose"'),
        (
            HEAD + '[[scenes]]\nkind = "brush"\ntitle = "?"\npicture = "bird"\nbaseline = "x"',
            9,
            "x",
        ),
        ("pictures = 3\n" + ANSWER, 1, "pictures is 3"),
        ("[pictures]\nbird = 3\n" + ANSWER, 2, "bird is a table"),
        (HEAD + "right = [\n" + ANSWER, 6, "this is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(refused, text, line, words):
    sentence = refused(text)
    assert sentence.startswith(f"mine.toml, line {line}: ")
    assert words in sentence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + 9000 * ANSWER + "volume = 3\n", 4 + 4 * 9000 + 1),
        (HEAD + 400_000 * "#\n" + ANSWER + "volume = 3\n", 400_009),
    ],
    ids=["scenes", "comments"],
)
def test_a_mistake_in_a_long_talk_is_told_soon(refused, text, line):
    started = time.process_time()
    assert refused(text).startswith(f"mine.toml, line {line}: volume is not known here")
    assert time.process_time() - started < 60  # about three; hours where it is not linear


def test_there_is_no_such_talk(tmp_path):
    with pytest.raises(TalkError, match="cannot be read"):
        read_talk(tmp_path / "none.toml")
