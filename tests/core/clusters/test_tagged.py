"""A network that relies on a tag is found out; one that does not is accused of nothing.

The pictures, the networks and their maps are made here: see `tests.tagged`.
"""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.__main__ import main
from core.clusters import words
from core.clusters.choice import choose_rows
from core.clusters.covering import cover_steps
from core.clusters.finding import ClusterSetting, find_clusters, with_column
from core.clusters.reading import Source, methods_in
from core.errors import ModelError, SettingError
from core.explaining.explainer import Explainer
from core.folders.listing import find_folder
from core.folders.results_table import open_results, open_upload
from core.folders.selection import Filters, select
from core.folders.table_export import as_parquet
from core.models import registry
from tests import tagged

DISCS = tagged.EACH
TAGGED = DISCS // 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tagged.explained(tmp_path_factory.mktemp("tagged"), tag=True)


@pytest.fixture
def changed(made, tmp_path):
    """The same results, of whose tagged pictures two were painted red since."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(made.photos, photos)
    shutil.copytree(made.out, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "address": str(photos)}))
    for name in ("disc/0000_tag.png", "disc/0001_tag.png"):
        Image.new("RGB", (tagged.SIDE,) * 2, "red").save(photos / name)
    return tagged.Made(photos, made.models, out)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tagged.explained(tmp_path_factory.mktemp("plain"), tag=False)


@pytest.fixture(scope="module")
def found(made):
    """The clusters of the discs' maps."""
    return clusters(opened(made), label=0)


def use(made):
    registry.allow_factories((), True)
    registry.use_folder(made.models)


def opened(made, method="ig"):
    use(made)
    results = open_results(made.out)
    return Source(results, registry.record("shapes"), method)


def clusters(source, setting=None, **filters):
    steps = list(find_clusters(source, select(source.results, Filters(**filters)), setting))
    assert [step.found for step in steps[:-1]] == [None] * (len(steps) - 1)
    return steps[-1].found


def tags_in(found, cluster):
    paths = found.source.results.table["path"].take(pa.array(cluster.rows)).to_pylist()
    return sum("_tag" in path for path in paths)


def test_another_seed_finds_the_same_cluster(made, found):
    other = clusters(opened(made), ClusterSetting(seed=1), label=0)
    assert sorted(other.clusters[0].rows) == sorted(found.clusters[0].rows)


def test_the_tagged_pictures_are_one_cluster(found):
    assert found.maps == DISCS
    first = found.clusters[0]
    tags = tags_in(found, first)
    assert tags / first.size > 0.9  # purity
    assert tags / TAGGED > 0.9  # and most of them are in it
    assert (first.place, first.number, first.stands_out) == ("upper left corner", 1, True)
    assert first.silhouette > max(0.5, found.chance)
    assert first.border > 0.5
    assert all(first.score >= other.score for other in found.clusters)
    assert sum(each.size for each in found.groups) == DISCS
    assert sum(each.share for each in found.groups) == pytest.approx(1)
    told = words.headline(found)
    assert "out among" in told


def test_without_a_tag_nothing_is_claimed(plain):
    for method in methods_in(opened(plain).results, opened(plain).record, pa.array([0])):
        found = clusters(opened(plain, method), label=0)
        assert found.clusters == ()
        assert found.rest.size == found.maps == DISCS
        assert "nothing is claimed" in words.headline(found)


def covered(made, found, cluster, **options):
    use(made)
    explainer = Explainer()
    classifier = explainer.classifier("shapes", "cpu")
    *before, last = cover_steps(found, cluster, classifier, explainer, **options)
    assert all(step.found is None for step in before)
    assert last.done == last.total
    return last.found


def test_covering_the_tag_changes_most_answers_and_the_controls_few(made, found):
    effect = covered(made, found, found.clusters[0])
    assert effect.inside.whole == found.clusters[0].size
    assert effect.inside.value > 0.5
    assert effect.others.value < 0.2
    assert effect.elsewhere.value < 0.2
    assert effect.depends
    assert effect.answer == "disc"
    assert effect.passes == 3 * effect.inside.whole + 2 * effect.others.whole
    said = words.covered(effect)
    assert f"Without the upper left corner, {effect.inside.part} of {effect.inside.whole} " in said
    assert "no longer called disc" in said


def test_covering_equals_what_the_model_says_of_pictures_painted_over(made, found):
    """The same count by other means: grey is painted into the files, which are predicted again."""
    first = found.clusters[0]
    effect = covered(made, found, first)
    scale = tagged.SIDE // 16
    mask = np.kron(first.region, np.ones((scale, scale), bool))
    classifier = Explainer().classifier("shapes", "cpu")
    changed = 0
    for path in found.source.results.table["path"].take(pa.array(first.rows)).to_pylist():
        pixels = np.asarray(Image.open(made.photos / path)).copy()
        before = classifier.predict(Image.fromarray(pixels))[0].index
        pixels[mask] = 128  # which is 0.5 of 255, the mean, within rounding
        changed += classifier.predict(Image.fromarray(pixels))[0].index != before
    assert abs(changed - effect.inside.part) <= 1


def test_a_value_or_a_table_without_pictures_is_not_covered(made, found):
    with pytest.raises(SettingError, match="no baseline"):
        covered(made, found, found.clusters[0], baseline="pink")
    alone = replace(
        found, source=replace(found.source, results=replace(found.source.results, address=None))
    )
    with pytest.raises(SettingError, match="without its pictures"):
        covered(made, alone, found.clusters[0])


def test_another_model_than_was_explained_is_not_covered(made, found):
    results = found.source.results
    for told in ({**results.manifest, "weights_sha256": "0" * 64}, {}):
        source = replace(found.source, results=replace(results, manifest=told))
        with pytest.raises(ModelError, match="not those that made out"):
            covered(made, replace(found, source=source), found.clusters[0])


def test_a_picture_that_is_another_one_now_is_not_covered(made, found):
    first, results = found.clusters[0], found.source.results
    digests = results.table["sha256"].to_pylist()
    digests[first.rows[0]] = "0" * 64
    place = results.table.schema.get_field_index("sha256")
    table = results.table.set_column(place, "sha256", pa.array(digests))
    source = replace(found.source, results=replace(results, table=table))
    effect = covered(made, replace(found, source=source), first)
    path = results.table["path"][int(first.rows[0])].as_py()
    assert (effect.unreadable, effect.replaced) == (0, (path,))
    assert effect.inside.whole == first.size - 1
    assert f"its file changed since ({path}); it is left out." in words.cost(effect)


REPLACED = (
    "2 pictures are not those of the run: their files changed since "
    "(disc/0000_tag.png, disc/0001_tag.png); "
)


def red(place):
    """How many pixels of a picture are red, as the painted pictures are."""
    with Image.open(place) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return int(((pixels[..., 0] > 200) & (pixels[..., 1:] < 60).all(-1)).sum())


def test_pictures_that_are_other_ones_now_are_not_drawn(made, changed, tmp_path, capsys):
    asked = ("--class", "disc", "--method", "ig")
    assert command(changed, *asked, "--out", str(tmp_path / "new")) == 0
    told = capsys.readouterr()
    assert sorted(told.err.strip().splitlines()) == [f"{REPLACED}they are not drawn."]
    assert command(made, *asked, "--out", str(tmp_path / "old")) == 0
    assert capsys.readouterr().err == ""
    for name in ("new", "old"):
        assert red(tmp_path / name / "cluster_1_nearest.png") == 0
    same = [json.loads((tmp_path / name / "clusters.json").read_text()) for name in ("new", "old")]
    assert same[0]["clusters"] == same[1]["clusters"]  # the maps are still those of the run
    first = clusters(opened(made), label=0).clusters[0]
    paths = opened(made).results.table["path"].take(pa.array(first.rows)).to_pylist()
    shown = [each for each in paths if each not in REPLACED]
    assert len(shown) == len(paths) - 2
    pixels = [np.asarray(Image.open(made.photos / each), np.float64) for each in shown]
    with Image.open(tmp_path / "new" / "cluster_1_mean_picture.png") as mean:
        assert np.abs(np.asarray(mean) - np.mean(pixels, 0)).max() <= 1


def test_without_a_file_to_write_no_picture_is_opened(changed, capsys, monkeypatch):
    def refuse(address, path):
        pytest.fail(f"{path} of {address} is read")

    monkeypatch.setattr("core.folders.run_pictures.read_below", refuse)
    assert command(changed, "--class", "disc", "--method", "ig") == 0
    told = capsys.readouterr()
    assert "Cluster 1, upper left corner:" in told.out
    assert told.err == ""


def test_a_picture_that_is_another_one_now_has_no_share_outside_of_its_mask(changed, tmp_path):
    (tmp_path / "masks" / "disc").mkdir(parents=True)
    for path in (changed.photos / "disc").glob("*.png"):
        mask = Image.new("L", (tagged.SIDE,) * 2, 255)
        mask.save(tmp_path / "masks" / "disc" / path.name)
    masks = find_folder(str(tmp_path / "masks"))
    found = clusters(replace(opened(changed), masks=masks), label=0)
    assert (found.maps, found.unmasked) == (DISCS, 0)
    assert found.replaced == ("disc/0000_tag.png", "disc/0001_tag.png")
    assert f"{REPLACED}not counted in the share outside of the masks." in words.notes(found)


def test_covering_leaves_out_what_was_painted_over(changed):
    found = clusters(opened(changed), label=0)
    effect = covered(changed, found, found.clusters[0])
    assert sorted(effect.replaced) == ["disc/0000_tag.png", "disc/0001_tag.png"]
    assert effect.inside.whole == found.clusters[0].size - 2


def test_answers_that_are_no_longer_those_of_the_table_are_counted(made, found):
    first, results = found.clusters[0], found.source.results
    said = results.table["predicted"].to_pylist()
    said[first.rows[0]] = 2
    place = results.table.schema.get_field_index("predicted")
    table = results.table.set_column(place, "predicted", pa.array(said, pa.int32()))
    source = replace(found.source, results=replace(results, table=table))
    assert covered(made, replace(found, source=source), first).otherwise == 1
    assert covered(made, found, first).otherwise == 0


def test_copies_of_a_picture_count_once(made, found):
    source = opened(made)
    rows = select(source.results, Filters(label=0)).to_pylist()
    copied = [*rows, *rows[:5]]
    table, index = (each.take(copied) for each in (source.results.table, source.results.index))
    results = replace(source.results, table=table, index=index)
    *_, last = find_clusters(replace(source, results=results), pa.array(range(len(copied))))
    assert (last.found.maps, last.found.copies) == (DISCS, 5)
    assert last.found.clusters[0].size == found.clusters[0].size
    assert "5 pictures with the bytes and the map of another: left out." in words.notes(last.found)
    assert with_column(results, last.found)["cluster"].null_count == 5


def test_the_numbers_are_those_of_the_maps(made, found):
    source = found.source
    first = found.clusters[0]
    grids, borders = [], []
    for name in source.results.table["maps"].take(pa.array(first.rows)).to_pylist():
        values = np.maximum(np.load(made.out / name)["ig"], 0).astype(float)
        cells = values.reshape(16, 4, 16, 4).sum((1, 3))
        grids.append(cells / cells.sum())
        borders.append(1 - values[8:56, 8:56].sum() / values.sum())
    np.testing.assert_allclose(first.grid, np.mean(grids, 0), rtol=1e-4, atol=1e-7)
    assert first.border == pytest.approx(np.mean(borders), rel=1e-4)
    rows = source.results.table.take(pa.array(first.rows)).to_pylist()
    assert first.right.part == sum(row["correct"] for row in rows)
    assert first.right.whole == len(rows)
    assert first.score == pytest.approx(first.unlike * first.right.value)


def test_a_mask_says_what_lies_outside(made, found, tmp_path):
    for path in (made.photos / "disc").glob("*.png"):
        mask = np.zeros((tagged.SIDE, tagged.SIDE), np.uint8)
        mask[:, tagged.SIDE // 2 :] = 255
        (tmp_path / "disc").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "disc" / path.name)
    source = opened(made)
    masked = clusters(replace(source, masks=find_folder(str(tmp_path))), label=0)
    first = masked.clusters[0]
    assert first.outside == pytest.approx(first.grid[:, :8].sum(), abs=0.01)
    assert found.clusters[0].outside is None
    assert (masked.unmasked, found.unmasked) == (0, 0)
    next((tmp_path / "disc").glob("*_tag*")).unlink()
    fewer = clusters(replace(source, masks=find_folder(str(tmp_path))), label=0)
    assert fewer.unmasked == 1
    assert f"1 picture of {fewer.maps} without a mask" in " ".join(words.notes(fewer))


def test_a_column_says_which_cluster(found):
    source = found.source
    table = with_column(source.results, found)
    column = table["cluster"].to_pylist()
    for row, (path, label) in enumerate(
        zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True)
    ):
        assert (column[row] is None) == (label != 0)
        if "_tag" in path:
            assert column[row] == 1
    rows = select(source.results, Filters())
    data = as_parquet(replace(source.results, table=table), rows)
    assert open_upload(data, "taken.parquet").table.num_rows == len(rows)


def test_damaged_and_missing_maps_are_counted(made, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(made.out, place)
    rows = [row for row in pq.read_table(place / "results.parquet").to_pylist() if not row["label"]]
    (place / rows[0]["maps"]).write_bytes(b"damaged")
    (place / rows[1]["maps"]).unlink()
    use(made)
    rest = clusters(Source(open_results(place), registry.record("shapes"), "ig"), label=0)
    assert (rest.unreadable, rest.maps) == (2, DISCS - 2)
    assert any("could not be read" in note for note in words.notes(rest))
    other = Source(open_results(place), registry.record("shapes"), "lime")
    assert clusters(other, label=0).maps == 0


def test_rows_are_chosen_by_name(made):
    source = opened(made)
    names = source.record.class_names
    everything = choose_rows(source.results, names)
    assert (len(everything.rows), everything.words) == (3 * DISCS, "")
    one = choose_rows(source.results, names, "disc", "disc")
    assert one.words == "of disc called disc"
    with pytest.raises(SettingError, match="teapot"):
        choose_rows(source.results, names, "teapot")


def command(made, *options):
    return main(["clusters", str(made.out), "--models", str(made.models), "--factories", *options])


def test_the_command_says_it_and_writes_it(made, tmp_path, capsys):
    out = tmp_path / "clusters"
    given = ("--class", "disc", "--method", "ig", "--cover", "--device", "cpu", "--out", str(out))
    assert command(made, *given) == 0
    told = capsys.readouterr().out
    assert "Cluster 1, upper left corner:" in told
    assert "no longer called disc" in told
    assert "hang on the upper left corner" in told
    record = json.loads((out / "clusters.json").read_text())
    first = record["clusters"][0]
    assert first["covered"]["answers_depend_on_it"] is True
    assert np.sum(first["grid"]) == pytest.approx(1, abs=1e-4)
    assert len(first["nearest"]) == 9
    assert all("_tag" in path for path in first["nearest"])
    table = pq.read_table(out / "clusters.parquet")
    assert table["cluster"].to_pylist().count(1) == first["size"]
    assert "cluster" in (out / "clusters.csv").read_text().splitlines()[0]
    with Image.open(out / "cluster_1_mean_map.png") as mean:
        assert mean.size == (tagged.SIDE, tagged.SIDE)
    with Image.open(out / "cluster_1_nearest.png") as sheet:
        assert sheet.size == (3 * tagged.SIDE + 8,) * 2
        assert sheet.getpixel((5, 5))[2] < 60  # yellow
    (out / "cluster_7_mean_map.png").write_bytes(b"of an earlier run")
    assert command(made, *given[:4], "--out", str(out)) == 0
    assert (
        "Of an earlier run, and not of this one: cluster_7_mean_map.png." in capsys.readouterr().err
    )


def test_a_region_can_be_covered_with_another_picture(made, tmp_path, capsys):
    """A black picture covers as black does."""
    found = {}
    Image.new("RGB", (tagged.SIDE, tagged.SIDE)).save(tmp_path / "other.png")
    for name in ("black", f"picture:{tmp_path / 'other.png'}"):
        out = tmp_path / name.partition(":")[0]
        given = ("--class", "disc", "--method", "ig", "--cover", "--device", "cpu")
        assert command(made, *given, "--baseline", name, "--out", str(out)) == 0
        found[out.name] = json.loads((out / "clusters.json").read_text())["clusters"][0]["covered"]
    assert "passes, covered with another picture." in capsys.readouterr().out
    black, other = found["black"], found["picture"]
    assert black.pop("baseline") == "black"
    assert other.pop("baseline").startswith("picture:")
    assert black == other


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--method", "lime"), "has no maps of lime: choose from ig, saliency."),
        (("--method", "salency"), "(did you mean saliency?): choose from ig, saliency."),
        (("--clusters", "1"), "between 2 and 8"),
        (("--seed", "-1"), "Seed"),
        (("--class", "disc", "--confusion", "disc", "cross"), "leave out --class"),
        (("--masks", "nowhere"), "no folder nowhere"),
        (("--baseline", "pink"), "no baseline"),
        (("--confusion", "disc", "square"), "has no pictures of disc called square."),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(made, capsys, options, reason):
    assert command(made, *options) == 2
    told = capsys.readouterr().err
    assert reason in told
    assert "Traceback" not in told
