"""Clusters of maps on the Folder page: found, drawn, covered, and in the table's download."""

import json
import re
import shutil

import pytest
from PIL import Image

from tests import tagged
from tests.dashboard.folder.test_page import html
from tests.said import said


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tagged.explained(tmp_path_factory.mktemp("tagged"), tag=True)


def test_a_picture_that_is_another_one_now_is_not_drawn_and_is_named(show, made, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "changed"
    shutil.copytree(made.photos, photos)
    shutil.copytree(made.out, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "address": str(photos)}))
    Image.new("RGB", (tagged.SIDE,) * 2, "red").save(photos / "disc" / "0000_tag.png")
    asked = {"true": "disc", "called": "disc", "clusters": "true"}
    page = show(out, "--models", made.models, "--factories", query=asked)
    text = html(page)
    named = "1 picture is not that of the run: its file changed since (disc/0000_tag.png); it is "
    assert f"{named}not drawn." in text  # of the clusters
    assert f"{named}not in the mean picture." in text  # of the mean maps
    assert "The file is not that of the run, as it changed since" in text  # in the gallery


@pytest.fixture
def shown(show, made):
    """Opens the page with the discs, and what is asked of them."""
    options = (made.out, "--models", made.models, "--factories")
    return lambda **query: show(*options, query={"true": "disc", **query})


def test_they_wait_to_be_asked_for(shown):
    page = shown()
    assert "Clusters of maps" in html(page)
    assert "Nearest to its middle" not in html(page)
    assert not page.toggle(key="clusters").value


def test_they_are_in_the_address_with_their_answers(shown):
    page = shown(clusters="true", cover_1="true")
    text = html(page)
    assert "Cluster 1 · upper left corner" in text
    assert "Nearest to its middle" in text
    cards = re.findall(r'<section class="wil-cluster">.*?</section>', text, re.DOTALL)
    assert len(cards) == 2  # and the rest
    assert all(card.count('class="wil-scale"') == 1 for card in cards)  # of the mean map
    assert "no longer called disc" in text
    assert "hang on the upper left corner" in text
    assert page.toggle(key="cover_1").value
    page.toggle(key="clusters").set_value(False).run()
    assert not page.exception
    assert "Cluster 1" not in html(page)


def test_pictures_without_maps_or_with_few_say_so(shown):
    text = html(shown(clusters="true", in_path="0001"))
    assert "too few to look for clusters" in text


@pytest.mark.parametrize("name", ["saliency", "Saliency"])
def test_an_address_names_a_method_by_its_name_or_title(shown, name):
    page = shown(clusters="true", maps_of=name)
    assert page.selectbox(key="maps_of").value == "saliency"
    assert "which is not possible" not in html(page)
    assert page.query_params["maps_of"] in ("Saliency", ["Saliency"])


@pytest.mark.parametrize("name", ["ig", "integrated_gradients"])
def test_an_address_may_name_the_first_method_too(shown, name):
    page = shown(clusters="true", maps_of=name)
    assert page.selectbox(key="maps_of").value == "ig"
    assert not page.warning


def test_an_address_that_names_no_method_of_the_table_is_told(shown):
    page = shown(clusters="true", maps_of="occlusion")
    assert page.selectbox(key="maps_of").value == "ig"
    assert any("maps_of" in words and "occlusion" in words for words in said(page.warning))
