"""A folder of pictures, by the real model: what is said of each, and that nothing is ever lost."""

import hashlib
import itertools
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.explaining.explainer import Explainer
from core.files import checksums
from core.folders import job, results
from core.folders.listing import Entry
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import classifiers
from core.pictures.picture import picture_from_file
from tests.core.files.test_atomic import no_file_above
from tests.folders import (  # noqa: F401 - fixtures
    COARSE,
    all_but_seconds,
    fill,
    load_once,
    png,
    rows,
    run,
    table,
    threads_as_before,
)

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "sample_images"


@pytest.fixture
def small_parts(monkeypatch):
    """Four pictures a part, so that a few pictures make several."""
    monkeypatch.setattr(job, "PART", 4)


@pytest.fixture
def photos(tmp_path):
    """King penguins: one is, one is taken for one; and a picture that cannot be read."""
    folder = tmp_path / "in"
    for name in ("king_penguin/penguin.jpg", "goose/swan.jpg", "other/swan.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((SAMPLES / Path(name).name).read_bytes())
    (folder / "goose" / "bad.jpg").write_bytes(b"no picture")
    return folder


def test_each_picture_is_told_as_the_model_tells_it_alone(photos, tmp_path, capsys):
    assert run(photos, tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert err.startswith("4 pictures, 3 with a label; these folders name no class of the model: o")
    assert out.endswith("4 pictures, 1 of 3 labelled ones right, 1 with an error.\n")
    found = rows(tmp_path / "out")
    assert list(found) == ["goose/bad.jpg", "goose/swan.jpg", *sorted(found)[2:]]
    swan, classifier = found["goose/swan.jpg"], classifiers.load("efficientnet_lite0", "cpu")
    picture = picture_from_file(SAMPLES / "swan.jpg")
    logits = classifier.logits(classifier.preprocess(picture.image))[0].double()
    top = classifier.ranking(logits)
    assert swan["sha256"] == picture.sha256
    assert (swan["label"], swan["label_name"]) == (99, "goose")
    assert (swan["predicted"], swan["predicted_name"]) == (145, "king penguin")
    assert swan["correct"] is False
    assert swan["top5_index"] == [score.index for score in top]
    assert swan["top5_name"] == [score.name for score in top]
    assert swan["top5_probability"] == pytest.approx([c.probability for c in top], rel=1e-4)
    assert swan["probability"] == swan["top5_probability"][0]
    assert swan["margin"] == pytest.approx(top[0].probability - top[1].probability, rel=1e-4)
    logs = logits.log_softmax(0)
    assert swan["entropy"] == pytest.approx(float(-(logs.exp() * logs).sum()), rel=1e-4)
    assert swan["loss"] == pytest.approx(float(-logs[99]), rel=1e-4)
    assert 0 < swan["seconds"] < 60
    assert swan["error"] is swan["maps"] is None
    penguin = found["king_penguin/penguin.jpg"]
    assert penguin["correct"] is True
    assert penguin["loss"] == pytest.approx(-math.log(penguin["probability"]))
    other = found["other/swan.jpg"]
    assert [other[name] for name in ("label", "label_name", "correct", "loss")] == [None] * 4
    bad = found["goose/bad.jpg"]
    assert bad["error"].startswith("The file is not a picture of a known format")
    assert bad["label"] == 99
    assert {bad[name] for name in ("predicted", "top5_index", "correct", "loss", "maps")} == {None}


def maps_in(out, row):
    with np.load(out / row["maps"], allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays}


def test_maps_are_those_of_the_explainer(photos, tmp_path):
    out = tmp_path / "out"
    assert run(photos, out, "--methods", "occlusion,ig", *COARSE[2:], "--steps", "3") == 0
    found = rows(out)
    swan = maps_in(out, found["goose/swan.jpg"])
    assert {name: (a.shape, a.dtype) for name, a in swan.items() if name != "manifest"} == {
        "occlusion": ((224, 224), np.float32),
        "ig": ((224, 224), np.float32),
    }
    made = Explainer().attribution(
        classifiers.load("efficientnet_lite0", "cpu"),
        picture_from_file(SAMPLES / "swan.jpg"),
        OcclusionSetting(112, 112),
        Question(145),
    )
    assert np.array_equal(swan["occlusion"], made.values)
    told = json.loads(bytes(swan["manifest"]))
    assert (told["target_name"], told["contrast"], told["kind"]) == ("king penguin", None, "logit")
    assert told["methods"]["ig"] == {
        "method": "integrated_gradients",
        "steps": 3,
        "baseline": "grey",
    }
    assert told["maps"]["occlusion"]["units"] == "logits"
    assert told["picture_sha256"] == found["goose/swan.jpg"]["sha256"]
    assert found["other/swan.jpg"]["maps"] == found["goose/swan.jpg"]["maps"]  # one picture
    assert len(list(out.glob("maps/*/*"))) == 2


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (("--only", "wrong"), {"goose/swan.jpg": (145, None)}),
        (
            ("--target", "label"),
            {"goose/swan.jpg": (99, None), "king_penguin/penguin.jpg": (145, None)},
        ),
        (
            ("--target", "contrast", "--score", "probability"),
            {
                "goose/swan.jpg": (145, 99),
                "king_penguin/penguin.jpg": (145, 99),  # right: less the second class
                "other/swan.jpg": (145, 99),  # without a label likewise
            },
        ),
    ],
)
def test_which_are_explained_and_for_which_class(photos, tmp_path, options, asked):
    out = tmp_path / "out"
    assert run(photos, out, *COARSE, *options) == 0
    told = {
        path: json.loads(bytes(maps_in(out, row)["manifest"]))
        for path, row in rows(out).items()
        if row["maps"]
    }
    assert {path: (one["target"], one["contrast"]) for path, one in told.items()} == asked
    assert {one["kind"] for one in told.values()} == {
        options[-1] if "--score" in options else "logit"
    }


def test_copies_with_different_labels_have_maps_of_their_own(tmp_path):
    folder = tmp_path / "in"
    for name in ("goose/a.png", "drake/a.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(png(0))
    assert run(folder, tmp_path / "out", *COARSE, "--target", "label") == 0
    found = rows(tmp_path / "out")
    one, other = (maps_in(tmp_path / "out", found[name]) for name in sorted(found))
    assert not np.array_equal(one["occlusion"], other["occlusion"])


def test_a_csv_in_place_of_a_folder(photos, tmp_path):
    (photos / "list.csv").write_text("path,label\ngoose/swan.jpg,n02056570\nnowhere.jpg,goose\n")
    assert run(photos / "list.csv", tmp_path / "out") == 0
    found = rows(tmp_path / "out")
    assert found["goose/swan.jpg"]["correct"] is True
    assert found["nowhere.jpg"]["error"].startswith("nowhere.jpg cannot be read (No such file")
    assert found["nowhere.jpg"]["sha256"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((*COARSE, "--only", "wrong"), "--only wrong needs labels, and "),
        ((*COARSE, "--target", "label"), "--target label needs labels, and "),
        (("--methods", "ig", "--window", "3"), "--window does not belong to integrated_gradients"),
        ((*COARSE[:3], "500"), "window"),
        (("--model", "nothing"), 'There is no model "nothing"'),
        (("--methods", "grad_cam", "--layer", "nowhere"), 'There is no layer "nowhere"'),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, capsys, options, sentence):
    fill(tmp_path / "in", ["a.png"])
    assert run(tmp_path / "in", tmp_path / "out", *options) == 2
    err = capsys.readouterr().err
    assert sentence.lower() in err.lower()
    assert "Traceback" not in err
    assert "to go on" not in err  # it would end in the same way


def test_another_picture_can_be_the_baseline(tmp_path, capsys):
    """A black one gives the maps of black; it is read once, and its digest tells runs apart."""
    folder, out = fill(tmp_path / "in", ["a.png", "b.png"]), tmp_path / "out"
    Image.new("RGB", (64, 64)).save(tmp_path / "other.png")
    given = (*COARSE, "--baseline", f"picture:{tmp_path / 'other.png'}")
    assert run(folder, out, *given) == 0
    assert run(folder, tmp_path / "black", *COARSE, "--baseline", "black") == 0
    for name, row in rows(out).items():
        mine, theirs = (np.load(each / row["maps"]) for each in (out, tmp_path / "black"))
        assert np.array_equal(mine["occlusion"], theirs["occlusion"]), name
    told = json.loads((out / "manifest.json").read_text())["settings"]["methods"]["occlusion"]
    first = hashlib.sha256((tmp_path / "other.png").read_bytes()).hexdigest()
    assert told["baseline"] == f"picture:{first}"
    assert run(folder, out, *given) == 0
    assert "is complete; nothing was left to do" in capsys.readouterr().out
    Image.new("RGB", (64, 64), "white").save(tmp_path / "other.png")
    assert run(folder, out, *given) == 2
    second = hashlib.sha256((tmp_path / "other.png").read_bytes()).hexdigest()
    assert (
        f"{out} was begun with other settings (baseline of occlusion: was picture:{first[:12]}, "
        f"now picture:{second[:12]}): give the same again, choose another --out, or begin --again."
    ) in capsys.readouterr().err
    assert run(folder, out, *COARSE, "--baseline", "picture:nowhere.png") == 2
    assert "nowhere.png cannot be read" in capsys.readouterr().err
    np.save(tmp_path / "five.npy", np.zeros((9, 9, 5), np.uint8))
    five = ("--baseline", f"picture:{tmp_path / 'five.npy'}")
    assert run(folder, tmp_path / "five", *COARSE, *five) == 2
    assert (
        "The picture of --baseline cannot be a baseline of this model. The picture has 5 channels, "
        "and the model takes 3"
    ) in capsys.readouterr().err


def test_other_settings_or_pictures_are_not_mixed_in(tmp_path, capsys):
    folder, out = fill(tmp_path / "in", ["a.png", "b.png"]), tmp_path / "out"
    assert run(folder, out) == 0
    before = all_but_seconds(out)
    assert run(folder, out) == 0
    assert "is complete; nothing was left to do" in capsys.readouterr().out
    assert run(folder, out, *COARSE) == 2
    assert (
        "out was begun with other settings (methods: was none, now occlusion): give"
        in capsys.readouterr().err
    )
    fill(folder, ["a.png", "b.png", "c.png"])
    assert run(folder, out) == 2
    assert "when the folder held other pictures or labels" in capsys.readouterr().err
    assert all_but_seconds(out) == before
    assert run(folder, out, *COARSE, "--again") == 0
    assert table(out).num_rows == 3
    assert len(list(out.glob("maps/*/*"))) == 3


@pytest.mark.usefixtures("small_parts")
def test_a_run_that_fails_at_any_write_goes_on_to_the_same_result(tmp_path, monkeypatch, capsys):
    folder = fill(tmp_path / "in", [f"{n}.png" for n in range(6)])
    (folder / "3.png").write_bytes(b"bad")
    assert run(folder, tmp_path / "whole", *COARSE) == 0
    whole, out = all_but_seconds(tmp_path / "whole"), tmp_path / "out"
    places = ((results, "write_whole"), (checksums, "write_whole"), (checksums.Sums, "note"))
    for fails in itertools.count():
        writes = itertools.count()

        def failing(real, fails=fails, writes=writes):
            def write(*arguments):
                if next(writes) != fails:
                    return real(*arguments)
                if fails % 2:  # half of the failures come when the file is there already
                    real(*arguments)
                raise KeyboardInterrupt

            return write

        with monkeypatch.context() as patch:
            for place, name in places:
                patch.setattr(place, name, failing(getattr(place, name)))
            code = run(folder, out, *COARSE)
        if code == 0:
            break
        assert code == 130
        assert run(folder, out, *COARSE) == 0
        assert all_but_seconds(out) == whole
        shutil.rmtree(out)
    # A manifest twice, 5 maps, 2 parts and the table, each with its digest; all digests twice.
    assert fails == 22
    capsys.readouterr()


def killed(command, out, when):
    """Start a run and kill it, so that it can do nothing more, once ``when`` is true of ``out``."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    try:
        while not when(out):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < end
            time.sleep(0.001)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


def test_kill_9_and_go_on(tmp_path):
    folder, out = fill(tmp_path / "in", [f"goose/{n:02}.png" for n in range(40)]), tmp_path / "out"
    (folder / "goose" / "07.png").write_bytes(b"bad")
    assert run(folder, tmp_path / "whole", *COARSE) == 0
    command = (sys.executable, "-m", "core", "batch", str(folder), "--out", str(out))
    command += ("--device", "cpu", "--threads", "1", *COARSE)
    for maps in (5, 35):  # in the first part, and in the second
        killed(command, out, lambda out, maps=maps: len(list(out.glob("maps/*/*.npz"))) >= maps)
        assert not (out / "results.parquet").exists()
    assert len(list(out.glob("parts/*.parquet"))) == 1
    kept = {path: path.stat().st_mtime_ns for path in out.glob("maps/*/*.npz")}
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    assert all_but_seconds(out) == all_but_seconds(tmp_path / "whole")
    again = {path for path, then in kept.items() if path.stat().st_mtime_ns != then}
    assert not again  # what was there was not made a second time
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "SHA256SUMS",
        "manifest.json",
        "maps",
        "results.parquet",
    ]


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """Pictures, what a whole run makes of them, and what one that was interrupted leaves."""
    place = tmp_path_factory.mktemp("unfinished")
    folder = fill(place / "in", [f"{n}.png" for n in range(7)])
    (folder / "3.png").write_bytes(b"bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "PART", 4)
        assert run(folder, place / "whole", *COARSE) == 0
        real, maps = results.Results.write_maps, itertools.count(1)

        def write(self, name, data):
            real(self, name, data)
            if next(maps) == 5:  # three in the first part, two in the second
                raise KeyboardInterrupt

        patch.setattr(results.Results, "write_maps", write)
        assert run(folder, place / "out", *COARSE) == 130
    return place


def flip(path):
    data = bytearray(path.read_bytes() or b"x")
    data[int(0.9 * len(data))] ^= 4
    path.write_bytes(data)


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


HARMS = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "junk": lambda path: path.write_bytes(b"PK\3\4 PAR1 {"),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "gone": Path.unlink,
}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("begun", ["out", "whole"])
def test_what_is_damaged_is_made_again(unfinished, tmp_path, capsys, begun, harm):
    """Each file of an unfinished run and of a finished one: a table, a part, maps, digests, ..."""
    for name in files_in(unfinished / begun):
        out = tmp_path / name.replace("/", "_")
        shutil.copytree(unfinished / begun, out)
        HARMS[harm](out / name)
        assert run(unfinished / "in", out, *COARSE) == 0, name
        assert all_but_seconds(out) == all_but_seconds(unfinished / "whole")
        assert files_in(out) == files_in(unfinished / "whole")
        assert run(unfinished / "in", out, *COARSE) == 0
        said = capsys.readouterr()
        assert "is complete; nothing was left to do" in said.out
        assert "Traceback" not in said.err
        if harm == "flipped" and name not in (".lock", "SHA256SUMS"):
            assert f"1 files in {out} are not as they were written: {name}. What is" in said.err


@pytest.mark.usefixtures("small_parts")
def test_what_is_not_damaged_is_not_made_again(unfinished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(unfinished / "whole", out)
    maps = sorted(out.glob("maps/*/*"))
    before, rows_before = [path.stat().st_ino for path in maps], rows(out)
    flip(maps[2])
    assert run(unfinished / "in", out, *COARSE) == 0
    again = [path for path, row in rows(out).items() if row != rows_before[path]]
    assert 0 < len(again) <= 4  # those of one part took other times
    now = [path.stat().st_ino for path in maps]
    assert [one == other for one, other in zip(before, now, strict=True)] == [
        number != 2 for number in range(len(maps))
    ]


@pytest.mark.usefixtures("small_parts")
def test_a_lost_manifest_is_written_again_by_the_same_command_only(unfinished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(unfinished / "out", out)
    (out / "manifest.json").unlink()
    assert run(unfinished / "in", out) == 2
    assert "manifest.json is lost or damaged: give that command" in capsys.readouterr().err
    assert run(unfinished / "in", out, *COARSE) == 0
    assert all_but_seconds(out) == all_but_seconds(unfinished / "whole")


@pytest.mark.usefixtures("small_parts")
def test_again_removes_what_it_wrote_and_nothing_else(unfinished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(unfinished / "out", out)
    mine = out / "maps" / "holiday.jpg"
    mine.write_bytes(b"mine")
    assert run(unfinished / "in", out, "--again") == 0
    assert f"{out} holds other files in maps or parts: they are left" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"
    assert [path.name for path in (out / "maps").iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "settings",
            {"volume": 3},
            "was begun with other settings (volume: was 3, now none): give the same again",
        ),
        ("settings", {"batch": 3}, "other settings (batch: was 3, now 4)"),
        ("model", "resnet18", "(model: was resnet18, now efficientnet_lite0)"),
        ("weights_sha256", "w", "(digest of the weights: was w, now "),
        ("versions", {"torch": "0"}, "(torch: was 0, now "),
    ],
)
def test_what_another_run_was_asked_differently_is_said(tmp_path, capsys, key, value, words):
    folder, out = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    assert run(folder, out, "--batch", "4") == 0
    manifest = json.loads((out / "manifest.json").read_text())
    manifest[key] = {**manifest[key], **value} if key == "settings" else value
    manifest["run"] = results.run_of(manifest)
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert run(folder, out, "--batch", "4") == 2
    assert words in capsys.readouterr().err


def test_again_leaves_a_folder_of_something_else_alone(tmp_path, capsys):
    folder, out = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    (out / "maps").mkdir(parents=True)
    for name in ("maps/holiday.jpg", "results.parquet"):
        (out / name).write_bytes(b"mine")
    (out / "manifest.json").write_text('{"settings": {}}')
    assert run(folder, out, "--again") == 2
    assert "holds manifest.json of something else" in capsys.readouterr().err
    assert (out / "maps/holiday.jpg").read_bytes() == b"mine"
    assert (out / "results.parquet").read_bytes() == b"mine"


@pytest.mark.usefixtures("small_parts")
def test_a_full_disk_is_said_and_leaves_a_table(tmp_path, capsys):
    folder, out = fill(tmp_path / "in", [f"{n}.png" for n in range(6)]), tmp_path / "out"
    for n in range(4):
        (folder / f"{n}.png").write_bytes(b"bad")
    options = ("--methods", "ig", "--steps", "1")
    with no_file_above(50_000):
        assert run(folder, out, *options) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("There is no room for ")
    assert f"4 of 6 pictures are in {out / 'results.parquet'}: run the same command again" in said
    assert list(rows(out)) == ["0.png", "1.png", "2.png", "3.png"]
    assert run(folder, out, *options) == 0
    assert run(folder, tmp_path / "whole", *options) == 0
    assert all_but_seconds(out) == all_but_seconds(tmp_path / "whole")


@pytest.mark.usefixtures("small_parts")
def test_when_not_even_a_table_fits_the_parts_can_be_read(tmp_path, capsys, monkeypatch):
    folder, out = fill(tmp_path / "in", [f"{n}.png" for n in range(6)]), tmp_path / "out"
    real, writes = results.write_whole, itertools.count()

    def write(*arguments):
        if next(writes) < 2:
            return real(*arguments)
        with no_file_above(100):
            return real(*arguments)

    monkeypatch.setattr(results, "write_whole", write)
    assert run(folder, out) == 2
    assert f"can be read in {out / 'parts'}: make room" in capsys.readouterr().err
    assert results.pq.read_table(out / "parts").num_rows == 4


@pytest.mark.usefixtures("small_parts")
def test_memory_does_not_grow_with_the_pictures(tmp_path):
    from core.engine.remembered import memory

    folder = fill(tmp_path / "in", [f"{n}.png" for n in range(5)])
    assert run(folder, tmp_path / "out", *COARSE) == 0
    assert not memory._scores


def test_a_model_whose_scores_are_no_numbers_gives_a_row_with_that(tmp_path, monkeypatch):
    folder = fill(tmp_path / "in", ["a.png", "b.png"])
    classifier = classifiers.load("efficientnet_lite0", "cpu")
    from core.engine.incremental import IncrementalNetwork
    from core.folders.batch import Worker

    real = IncrementalNetwork.dense

    def dense(self, batch):
        logits = real(self, batch)
        logits[0, 5] = torch.nan
        return logits

    monkeypatch.setattr(IncrementalNetwork, "dense", dense)
    wanted = job.Job(str(folder), "efficientnet_lite0", "cpu")
    part = [Entry("a.png", 3), Entry("b.png", 3)]
    first, second = (made.row for made in Worker(wanted, classifier).work([(0, part)]))
    assert "not finite numbers" in first["error"]
    assert "predicted" not in first
    assert second.get("error") is None
    assert second["correct"] is False
