"""`explain --bundle` and `verify` on the command line, with the real model."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.__main__ import main
from core.models import classifiers
from tests.bundles import PENGUIN, SWAN, contents, manifest_of, with_manifest, zipped
from tests.core.files.test_io import put

ROOT = Path(__file__).resolve().parents[3]
COARSE = ("--method", "occlusion", "--window", "112", "--stride", "112")  # 4 windows


@pytest.fixture(autouse=True, scope="module")
def load_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "load", functools.cache(classifiers.load))
        yield


@pytest.fixture
def run(capsys):
    """Runs a command on the CPU: gives exit code, lines of stdout, text of stderr."""

    def call(*arguments):
        code = main([*map(str, arguments), "--device", "cpu"])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


def test_two_pictures_and_two_methods_in_one_bundle_that_is_equal(run, tmp_path):
    place = tmp_path / "made" / "both.zip"
    code, lines, err = run(
        "explain", PENGUIN, SWAN, *COARSE, "--method", "ig", "--steps", 2, "--bundle", place,
        "--link", "http://127.0.0.1:8501/",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert lines[0].startswith(f"Wrote {place}, ")
    manifest = manifest_of(place.read_bytes())
    assert [each["picture"]["name"] for each in manifest["exhibits"]] == [
        "penguin.jpg",
        "swan.jpg",
    ]
    for each in manifest["exhibits"]:
        assert [(made["title"], made["method"]) for made in each["maps"]] == [
            ("Occlusion 112/112", "occlusion"),
            ("Integrated Gradients", "integrated_gradients"),
        ]
    assert manifest["address"] == "http://127.0.0.1:8501/"
    code, lines, err = run("verify", place)
    assert (code, err) == (0, "")
    assert lines[-1] == "Equal."
    assert len(lines) == 2 * (2 + 2) + 1
    code, lines, err = run("verify", place, "--passes", "11")
    assert (code, lines) == (2, [])
    assert "passes through its networks, and 11 are made unasked: allow them with --passes" in err


def test_verify_as_a_process_finds_one_changed_number(run, tmp_path):
    place = tmp_path / "swan.zip"
    assert run("explain", SWAN, *COARSE, "--bundle", place)[0] == 0

    def change(manifest):
        manifest["exhibits"][0]["top"][0]["logit"] += 0.01

    changed = tmp_path / "changed.zip"
    changed.write_bytes(with_manifest(place.read_bytes(), change))
    for file, code in ((place, 0), (changed, 1)):
        found = subprocess.run(
            [sys.executable, "-W", "error", "-m", "core", "verify", str(file), "--device", "cpu"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert (found.returncode, found.stderr) == (code, "")
    assert "exhibits/1/top" in found.stdout
    assert "the logit of king penguin is 8.06" in found.stdout
    assert found.stdout.splitlines()[-1] == "Not equal: 2 differences."


def test_files_and_bundle_at_once(run, tmp_path):
    code, lines, _ = run(
        "explain", SWAN, *COARSE, "--out", tmp_path / "out", "--bundle", tmp_path / "b.zip"
    )
    assert code == 0
    assert (tmp_path / "out" / "swan_occlusion_112-112.json").is_file()
    assert (tmp_path / "b.zip").is_file()
    record = json.loads((tmp_path / "out" / "swan_occlusion_112-112.json").read_text("utf-8"))
    assert record["forward_passes"] == 4
    assert lines[-1].startswith("Wrote")


def test_the_photo_is_left_out_or_taken_as_it_is(run, tmp_path):
    place = tmp_path / "b.zip"
    assert run("explain", SWAN, *COARSE, "--bundle", place, "--no-photo")[0] == 0
    assert not any(name.startswith(("photo", "orig")) for name in contents(place.read_bytes()))
    code, lines, _ = run("verify", place)
    assert code == 0
    assert any("--image" in line for line in lines)
    assert run("verify", place, "--image", SWAN)[0] == 0
    code, lines, _ = run("verify", place, "--image", PENGUIN)
    assert code == 1
    assert lines[-2] == "The given picture is none of those that the bundle is of."
    assert run("explain", SWAN, *COARSE, "--bundle", place, "--original")[0] == 0
    files = contents(place.read_bytes())
    assert files["original-e5955f64.jpg"] == SWAN.read_bytes()
    assert run("verify", place)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("explain", SWAN, *COARSE), "nowhere to write to"),
        (("explain", SWAN, *COARSE, "--engine", "captum", "--bundle", "x.zip"), "--engine is for"),
        (("explain", SWAN, *COARSE, "--steps", "3", "--bundle", "x.zip"), "--steps does not"),
        (("explain", SWAN, *COARSE, "--bundle", "x.zip", "--link", "ftp://x"), "http"),
        (("explain", "gone.jpg", *COARSE, "--bundle", "x.zip"), "gone.jpg cannot be read"),
        (("explain", SWAN, *COARSE, "--bundle", "x.zip", "--link", "http://["), "http"),
        (("explain", SWAN, *COARSE, "--bundle", "."), "is a folder, and only a regular file"),
        (("explain", SWAN, *COARSE, "--bundle", "x" * 300), "File name too long"),
        (("explain", "/dev/zero", *COARSE, "--bundle", "x.zip"), "no regular file"),
        (("verify", "gone.zip"), "gone.zip cannot be read"),
        (("verify", "/dev/zero"), "/dev/zero cannot be read (it is no regular file)"),
        (("verify", SWAN, "--image", "/dev/zero"), "/dev/zero cannot be read (it is no regular"),
        (("verify", SWAN), "not a zip"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    code, lines, err = run(*arguments)
    assert code == 2
    assert lines == []
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_refused(run, tmp_path):
    place = tmp_path / "b.zip"
    assert run("explain", SWAN, *COARSE, "--bundle", place)[0] == 0
    place.write_bytes(zipped({**contents(place.read_bytes()), "run.sh": b"rm -rf /"}))
    code, lines, err = run("verify", place)
    assert (code, lines) == (2, [])
    assert "'run.sh', which its manifest does not list" in err


def test_a_gigantic_file_is_not_read(run, tmp_path):
    place = tmp_path / "b.zip"
    with place.open("wb") as file:
        file.truncate(400_000_000)  # sparse: takes no space
    code, _, err = run("verify", place)
    assert code == 2
    assert "larger than a bundle can be" in err


def test_a_bundle_says_how_far_to_trust_its_maps(run, tmp_path):
    place = tmp_path / "swan.zip"
    code, _, err = run("explain", SWAN, *COARSE, "--trust", "--bundle", place)
    assert (code, err) == (0, "")
    (exhibit,) = manifest_of(place.read_bytes())["exhibits"]
    found = exhibit["maps"][0]["trust"]
    assert {"curves", "infidelity", "randomisation", "sensitivity", "sentences"} <= found.keys()
    assert found["sentences"][0] in contents(place.read_bytes())["report.html"].decode()


def test_trust_needs_a_bundle(run, tmp_path):
    code, _, err = run("explain", SWAN, *COARSE, "--trust", "--out", tmp_path)
    assert code == 2
    assert "add --bundle FILE, or use the command trust" in err


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs, links and devices")
@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_a_bundle_replaces_no_device_pipe_or_link(run, tmp_path, monkeypatch, kind):
    def computed(*_):
        raise AssertionError("computed in vain")

    monkeypatch.setattr(classifiers, "load", computed)
    place = put(tmp_path / "full", kind)
    before = place.lstat()
    code, lines, err = run("explain", SWAN, *COARSE, "--bundle", place)
    assert (code, lines) == (2, [])
    assert f"(full is a {kind}, and only a regular file is replaced)" in err
    assert (place.lstat().st_mode, place.lstat().st_ino) == (before.st_mode, before.st_ino)
