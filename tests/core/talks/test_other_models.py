"""Talks of models of libraries, of folders and of other heads: read, made ready, on the stage."""

import json
import re
import sys
from pathlib import Path

import pytest
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from benchmarks.random_models import keep
from core.__main__ import main
from core.errors import TalkError
from core.models import registry
from core.pictures.samples import samples
from core.talks.scenes import read_talk
from dashboard.session import state
from tests import hub, own
from tests.core.models.test_hf_models import saved
from tests.core.models.test_timm_models import weights

ROOT = Path(__file__).resolve().parents[3]
SWAN = samples()["swan"].path
TIMM = "mobilenetv3_small_050.lamb_in1k"
TALK = """
model = {model}
[pictures.swan]
file = {swan}
label = "swan"
[[scenes]]
kind = "answer"
title = "What is it?"
picture = "swan"
[[scenes]]
kind = "maps"
title = "Where?"
pictures = ["swan"]
method = "saliency"
[[scenes]]
kind = "brush"
title = "Paint"
picture = "swan"
"""
HEADS = {
    "labels": (("swan", "water", "boat"), 'head = "sigmoid"\nthreshold = [0.0, 0.0, 1.0]\n'),
    "age": (("age",), 'head = "value"\nunit = "years"\n'),
}


@pytest.fixture
def models(tmp_path, monkeypatch):
    """One of each source; the hub's cache is of this test."""
    cache = tmp_path / "hub"
    cache.mkdir()
    hub.use(monkeypatch, cache)
    keep(cache, f"timm/{TIMM}", {"model.safetensors": save(weights(TIMM))})
    saved(tmp_path / "mine-hf")
    for seed, (name, (classes, more)) in enumerate(HEADS.items()):
        text = own.DESCRIPTION.replace("Pond birds", name.title())
        text = text.replace(json.dumps(own.CLASSES), json.dumps(classes))
        text = text.replace("\n[preprocessing]", f"{more}\n[preprocessing]")
        own.make(tmp_path / "own", name, text, own.state(classes=len(classes), seed=seed))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "kept"))
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path / "own"))
    registry.use_folder(tmp_path / "own")
    state.explainer.clear()
    yield tmp_path
    registry.use_folder(None)
    state.explainer.clear()


def talk(place, model):
    file = place / "talk.toml"
    file.write_text(TALK.format(model=json.dumps(model), swan=json.dumps(str(SWAN))), "utf-8")
    return file


def stage(monkeypatch, file, number):
    monkeypatch.setattr(sys, "argv", ["app.py", "--talk", str(file)])
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    page.query_params["view"], page.query_params["scene"] = "talk", str(number)
    page.run()
    assert not page.exception
    return "\n".join(element.proto.body for element in page.get("html"))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (f"timm:{TIMM}", r'class="share">(\d+|under 0|\d\.\d)[^<]*&nbsp;%'),
        ("hf:mine-hf", r'class="share">\d+&nbsp;%'),
        ("labels", r'class="name">(swan|water)</p>'),
        ("age", r'class="share">−?\d+\.\d+&nbsp;years'),
    ],
)
def test_a_talk_is_read_made_ready_and_shown(models, monkeypatch, capsys, model, says):
    file = talk(models, model)
    assert {scene.model for scene in read_talk(file).scenes} == {model}
    assert main(["warm", "--talk", str(file)]) == 0, capsys.readouterr().err
    text = stage(monkeypatch, file, 1)
    assert re.search(says, text), text[-3000:]
    assert "Something went wrong" not in text
    text = stage(monkeypatch, file, 2)
    assert 'class="over"' in text
    assert "passes" not in text  # it was there


@pytest.mark.parametrize(("threshold", "said"), [(0.0, "right"), (1.0, "wrong")])
def test_a_label_is_the_answer_where_it_holds(models, monkeypatch, threshold, said):
    text = models / "own" / "labels" / "model.toml"
    text.write_text(text.read_text().replace("[0.0, 0.0, 1.0]", str(threshold)))
    registry._read.cache_clear()
    shown = stage(monkeypatch, talk(models, "labels"), 1)
    assert f'class="verdict {said}"' in shown
    assert ('class="name">no label</p>' in shown) == (said == "wrong")


def test_what_a_talk_may_not_name_is_one_sentence_with_its_line(models):
    for model, words in (
        ("my_nets:build", "would run code of that name: it is run only where the command line"),
        ("timm:no_such_model", "timm has no model"),
        ("hf:absent-folder", "absent-folder"),
    ):
        with pytest.raises(TalkError, match=rf"talk\.toml, line 2: .*{words}"):
            read_talk(talk(models, model))
