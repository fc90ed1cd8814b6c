"""The summary: what it says, what it may not do, and that it stays small."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from core.exports.album import MOST_BYTES, Album, strongest
from core.exports.cases import spread, worst
from core.exports.measures import measured
from core.exports.rows import record_for
from core.exports.summary import summary
from core.folders.mean_maps import read_maps
from core.folders.results_schema import columns_of, schema_of
from core.models import registry
from tests import tables
from tests.core.exports.conftest import CLASSES, HOSTILE, OCCLUSION, Made
from tests.core.folders.test_trust_means import BAD, GOOD, cells
from tests.folders import run

pytestmark = pytest.mark.usefixtures("one_thread")
NO_MAPS = "The table names no maps."


class Page(HTMLParser):
    """Elements, attributes and visible text of a document."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.words, self.styled = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.images.append(dict(attrs))
        self.styled = tag == "style"

    def handle_data(self, data):
        if not self.styled:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split()).replace("\xa0", " ")


def page_of(made, record=None):
    return Page(summary(made.results, record or record_for(made.results)))


def headings(page):
    return [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]


def check_document(page):
    """What holds of every summary."""
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "form", "base"}
    allowed = {"src", "href", "content", "style", "alt", "class", "id", "width", "height", "scope"}
    allowed |= {"lang", "charset", "name", "http-equiv", "rel", "aria-hidden"}
    for tag, attributes in page.tags:
        assert set(attributes) <= allowed, tag
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
        assert "url(" not in attributes.get("style", "")
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    levels = headings(page)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for image in page.images:
        assert image["alt"].strip()
        data = base64.b64decode(image["src"].removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (int(image["width"]), int(image["height"]))


def test_classes(made):
    found = made("birds")
    page = page_of(found)
    check_document(page)
    table = found.results.table
    judged = [each for each in table["correct"].to_pylist() if each is not None]
    wrong = judged.count(False)
    assert f"The model is wrong on {wrong} of {len(judged)} labelled pictures." in page.text
    assert f"weights {found.results.manifest['weights_sha256'][:12]}" in page.text
    assert found.results.manifest["weights_sha256"] in page.text
    assert "window 32, stride 32" in page.text
    for row in table.to_pylist():
        if row["correct"] is False:
            names = (row["label_name"], row["predicted_name"])
            assert "{}, called {}".format(*names) in page.text
    assert "What failed broken.png: The file is not a picture" in page.text
    assert any("Occlusion of" in image["alt"] for image in page.images)
    assert any(re.search(r"from −[\d.]+ to [\d.]+ logits", i["alt"]) for i in page.images)


def test_names_stay_text(made):
    found = made("birds")
    text = summary(found.results, record_for(found.results))
    assert "<script" not in text
    assert "onerror=alert(1)" in text.replace("&lt;img src=x ", "")  # as text, that is
    assert "<img src=x" not in text
    assert CLASSES[1] not in text
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in text
    assert HOSTILE in Page(text).text


def test_what_a_manifest_and_a_table_say_stays_text(made):
    found = made("birds")
    bad = "</style><script>alert(3)</script>"
    row = {**found.results.table.to_pylist()[0], "path": f"{bad}.png", "error": bad}
    schema = found.results.table.schema
    results = tables.opened(pa.Table.from_pylist([row], schema))
    settings = {"methods": {bad: {bad: bad}}, bad: [bad]}
    manifest = {"settings": settings, "versions": {bad: bad}, "run": bad}
    results = replace(results, name=bad, model=bad, manifest=manifest)
    page = Page(summary(results, bad))
    check_document(page)
    assert "alert(3)" in page.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pond", "labels missed"),
        ("age", "The model is off by"),
        ("point", "y coordinate: the largest errors"),
        ("crack", "labelled pictures"),
        ("bands", "without a label to judge by"),
    ],
)
def test_other_kinds(made, name, words):
    page = page_of(made(name))
    check_document(page)
    assert words in page.text
    assert any("Occlusion of" in image["alt"] for image in page.images)


@pytest.mark.parametrize(
    ("methods", "reading"),
    [
        ("saliency", "The deeper the red, the more a place counts; none of them shows evidence"),
        (
            "ig,saliency",
            "blue against it; each map has a scale of its own. Where a scale begins at 0",
        ),
    ],
)
def test_maps_without_a_sign_begin_at_zero(made, tmp_path, methods, reading):
    found = made("birds")
    out = tmp_path / "out"
    given = ("--models", str(found.models), "--model", "birds", "--methods", methods)
    assert run(found.pictures / "birds.csv", out, *given) == 0
    page = page_of(Made(out, found.pictures, found.models))
    check_document(page)
    assert reading in page.text.replace(" ,", ",").replace(" ;", ";")
    for image in page.images:
        if "Saliency" in image["alt"]:
            assert "from 0 to" in image["alt"]
            assert "evidence" not in image["alt"]
        elif "Integrated" in image["alt"]:
            assert "from −" in image["alt"]
    assert any("Saliency" in image["alt"] for image in page.images)


def test_a_table_without_a_mistake_says_how_its_maps_are_read(made):
    found = made("birds")
    results = found.results
    place = results.table.schema.get_field_index("correct")
    right = pa.array(
        [None if each is None else True for each in results.table["correct"].to_pylist()]
    )
    results = replace(results, table=results.table.set_column(place, "correct", right))
    page = Page(summary(results, record_for(results)))
    check_document(page)
    assert "None: no answer differs" in page.text
    assert "Red is evidence for the answer that is explained" in page.text


def test_missing_pictures_are_said_to_be_missing(made, moved):
    found = moved(made("birds"))
    page = page_of(found)
    check_document(page)
    assert "No picture. The file is not there any more." in page.text
    assert str(found.pictures) not in page.text  # whoever reads it need not know where
    assert any("Occlusion of" in image["alt"] for image in page.images)


def test_a_picture_that_is_another_one_now_is_not_shown_under_its_map(made, changed):
    found = made("birds")
    before = Page(summary(found.results, record_for(found.results)))
    other, told = changed(found, "tall/b.png"), []
    page = Page(summary(other.results, record_for(other.results), tell=told.append))
    check_document(page)
    words = (
        "1 picture is not that of the run: its file changed since (tall/b.png); it is not shown."
    )
    assert told == [words]
    assert words in page.text
    assert "No picture. The file is not that of the run" in page.text
    photos = [[i["src"] for i in p.images if i["alt"].startswith("b.png")] for p in (before, page)]
    assert photos[0]
    assert not photos[1]
    assert "not that of the run" not in before.text


def test_without_its_maps(made, tmp_path):
    found = made("birds")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("manifest.json", "results.parquet"):
        (out / name).write_bytes((found.out / name).read_bytes())
    page = page_of(Made(out, found.pictures, found.models))
    check_document(page)
    assert "No map. The file is not there any more." in page.text


def test_damaged_maps_are_counted(made, tmp_path):
    """One is gone, and one is that of another picture: a map, and not the one that was written."""
    found, out = made("birds"), tmp_path / "out"
    assert "files of maps" not in page_of(found).text
    shutil.copytree(found.out, out)
    first, second, third, *_ = [name for name in found.results.table["maps"].to_pylist() if name]
    (out / first).unlink()
    (out / second).write_bytes((out / third).read_bytes())
    damaged = Made(out, found.pictures, found.models)
    sentence = "2 of 4 files of maps are missing, or not as written by the run: `python -m core"
    assert sentence in page_of(damaged).text
    (out / "SHA256SUMS").unlink()
    assert (
        "1 of 4 files of maps is missing, or not as written by the run: " in page_of(damaged).text
    )


def test_only_the_given_map_of_a_picture_failed(made):
    """The picture has an answer, which its caption says, and its frame says why it has no map."""
    found = made("birds")
    cells = next(row for row in found.results.table.to_pylist() if row["maps"])
    why = "given: There is no map of it. Its file is missing."
    row = {**cells, "maps": None, "error": why, "correct": False, "label": 1, "label_name": "b"}
    table = pa.Table.from_pylist([row, cells], found.results.table.schema)
    results = replace(found.results, table=table, index=found.results.index.slice(0, 2))
    text = Page(summary(results, record_for(results))).text
    assert f"It was not explained. {why}" in text
    assert "an error" not in text.replace("with an error", "")


def test_no_rows(empty):
    page = page_of(empty, NO_MAPS)
    check_document(page)
    assert "The table is empty." in page.text
    assert page.images == []


def test_a_table_by_itself():
    results = tables.opened(tables.table(tables.columns(500)))
    page = Page(summary(results, NO_MAPS))
    check_document(page)
    assert "The table came without its pictures." in page.text
    assert NO_MAPS in page.text
    wrong = results.table["correct"].to_pylist().count(False)
    assert f"{wrong} of 500" in page.text


def test_a_large_table_makes_no_larger_a_file():
    sizes = [
        len(summary(tables.opened(tables.table(tables.columns(count, classes))), NO_MAPS))
        for count, classes in ((2000, 50), (50_000, 2000))
    ]
    assert max(sizes) < 60_000
    assert abs(sizes[0] - sizes[1]) < 4000


def test_the_pictures_of_a_file_are_bounded():
    album, noise = Album(200_000), np.random.default_rng(0)
    html = ""
    for _ in range(40):
        pixels = noise.integers(0, 256, (208, 208, 3), dtype=np.uint8)
        html += album.picture(Image.fromarray(pixels), "noise", "")
    assert 100_000 < sum(map(len, re.findall(r'src="([^"]*)"', html))) <= 200_000
    assert "Left out, so that this file stays under 5 MB." in html
    assert MOST_BYTES <= 4_000_000


def test_means_are_of_rows_with_maps_evenly_over_the_table(made):
    results = made("birds").results
    rows = pa.array(range(results.table.num_rows), pa.uint64())
    having = [n for n, maps in enumerate(results.table["maps"].to_pylist()) if maps]
    assert spread(results, rows).to_pylist() == having
    assert spread(results, rows, 2).to_pylist() == [having[0], having[-1]]


def test_the_maps_of_a_mean_are_those_of_its_case(made):
    results = made("birds").results
    size = registry.record("birds").preprocessing.size
    for case in worst(results):
        rows = results.table.take(case.rows).to_pylist()
        assert len({(row["label"], row["predicted"]) for row in rows}) == 1
        assert all(row["correct"] is False for row in rows)
        chances = [row["probability"] for row in rows]
        assert chances == sorted(chances, reverse=True)
        assert all("occlusion" in read_maps(results, row["maps"], size) for row in rows)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, 0), "upper left"),
        ((0, 1), "upper part"),
        ((1, 1), "middle"),
        ((2, 2), "lower right"),
        ((1, 0), "left"),
    ],
)
def test_where_the_evidence_is(place, words):
    values = np.zeros((9, 9), np.float32)
    values[3 * place[0] : 3 * place[0] + 3, 3 * place[1] : 3 * place[1] + 3] = 1
    assert strongest(values, signed=True) == f"highest in the {words}"
    assert strongest(values, signed=False) == f"strongest in the {words}"
    assert strongest(-values, signed=True) == "nowhere positive"


def test_measures_by_hand():
    rows = [
        {"path": "a", "label": 0, "predicted": 0, "correct": True, "label_name": "a"},
        {"path": "b", "label": 0, "predicted": 1, "correct": False, "label_name": "a"},
        {"path": "c", "label": 1, "predicted": 1, "correct": True, "label_name": "b"},
        {"path": "d", "label": 0, "predicted": 2, "correct": False, "label_name": "a"},
    ]
    found = measured(tables.opened(tables.table(rows)))
    assert found.sentence == "The model is wrong on 2 of 4 labelled pictures."
    assert dict(found.figures)["top-1"] == "50 %"
    (table,) = found.tables
    assert table.rows == (("a", "3", "1", "33 %"),)


def test_a_run_that_was_resumed_has_the_same_summary(made, tmp_path):
    found, out = made("birds"), tmp_path / "birds"
    given = ("--models", str(found.models), "--model", "birds", *OCCLUSION)
    assert run(found.pictures / "birds.csv", out, *given) == 0
    next(out.glob("maps/*/*")).unlink()
    assert run(found.pictures / "birds.csv", out, *given) == 0
    again = Made(out, found.pictures, found.models)
    first, second = (summary(each.results, record_for(each.results)) for each in (found, again))
    assert first == second


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    """A summary in a file whose name a browser opens."""
    found = made("birds")
    place = tmp_path_factory.mktemp("summary") / "summary.html"
    place.write_text(summary(found.results, record_for(found.results)), "utf-8")
    return place


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (320, "light")])
def test_in_a_browser_without_a_network(browser, written, width, scheme):
    context = browser.new_context(
        offline=True, viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(written.as_uri())
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [url for url in asked if not url.startswith("data:")] == [written.as_uri()]
        assert complaints == []
        for image in page.locator("img").all():
            assert image.evaluate("image => image.complete && image.naturalWidth") == 208
        ratios = page.evaluate(CONTRAST)
        assert min(ratios) >= 4.5  # WCAG 2, level AA
        assert len(ratios) > 40
        page.emulate_media(media="print")
        columns = page.locator(".shots").first.evaluate(
            "each => getComputedStyle(each).gridTemplateColumns.split(' ').length"
        )
        assert columns == 6
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    finally:
        context.close()


CONTRAST = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255);
  const light = colour => parts(colour).map(c => c <= 0.03928 ? c / 12.92
    : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = each => {
    const colour = getComputedStyle(each).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' ? ground(each.parentElement) : colour;
  };
  return [...document.querySelectorAll('h1, h2, h3, h4, p, li b, li span, td, th, figcaption')]
    .map(each => [light(getComputedStyle(each).color), light(ground(each))])
    .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
}"""


def test_checks_that_the_maps_pass_are_counted():
    columns = schema_of(columns_of("classes", judged=["ig", "given"]))
    rows = [
        {"path": "a", **cells("ig", GOOD)},
        {"path": "b", **cells("ig", BAD), **cells("given", {**GOOD, "complete": None})},
    ]
    found = measured(tables.opened(pa.Table.from_pylist(rows, columns)))
    assert [(each.header[:3], each.rows) for each in found.tables] == [
        (
            ("Method", "Faithful", "Complete"),
            (
                ("Integrated Gradients", "1 of 2", "1 of 2", "0 of 2", "2 of 2", "2 of 2"),
                ("Map made elsewhere", "1 of 1", "–", "0 of 1", "1 of 1", "1 of 1"),
            ),
        )
    ]
