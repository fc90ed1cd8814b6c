"""What the column of labels may say, for each head."""

import pytest

from core.errors import FolderError
from core.folders.expected import reader
from core.folders.listing import list_folder
from core.models.heads import SOFTMAX, Head
from tests.folders import fill

LABELS = ("pneumonia", "effusion", "fracture")
SIGMOID, VALUE = Head("sigmoid"), Head("value")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("effusion", (1,)),
        ("fracture; pneumonia", (0, 2)),
        ("fracture;fracture;", (2,)),
        ("0; Effusion", (0, 1)),
        ("none", ()),
        ("None", ()),
    ],
)
def test_labels_are_separated(text, labels):
    assert reader(LABELS, SIGMOID)(text) == {"labels": labels}


def test_none_may_be_a_label_itself():
    assert reader(("none", "crack"), SIGMOID)("none") == {"labels": (0,)}


@pytest.mark.parametrize(
    ("text", "values"), [("37.2", (37.2,)), ("-3e2", (-300.0,)), (" 4 ;", (4.0,))]
)
def test_values_are_numbers(text, values):
    assert reader(("age",), VALUE)(text) == {"values": values}
    assert reader(("x", "y"), VALUE)(f"{text};1") == {"values": (*values, 1.0)}


@pytest.mark.parametrize(
    ("names", "head", "text", "words"),
    [
        (LABELS, SIGMOID, "effusion; hernia", 'no class "hernia" among its 3'),
        (("age",), VALUE, "old", "'old' is no number: give one with a point"),
        (("age",), VALUE, "nan", "'nan' is no number"),
        (("age",), VALUE, "37,2", "'37,2' is no number"),
        (("age",), VALUE, "1; 2", r"2 expected values, and the model gives 1 \(age\)"),
        (("x", "y"), VALUE, "1", r"1 expected value, and the model gives 2 \(x, y\): give one"),
    ],
)
def test_what_is_wrong_is_said(names, head, text, words):
    with pytest.raises(FolderError, match=words):
        reader(names, head)(text)


def test_a_list_of_labels_and_its_line(tmp_path):
    fill(tmp_path, ["a.png", "b.png", "c.png"])
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\na.png,effusion;fracture\nb.png,none\nc.png,\n")
    folder = list_folder(str(listed), LABELS, SIGMOID)
    assert [entry.labels for entry in folder.entries] == [(1, 2), (), None]
    assert [entry.expected for entry in folder.entries] == [(1, 2), (), None]
    listed.write_text("path,label\na.png,effusion\nb.png,hernia\n")
    with pytest.raises(FolderError, match=r"line 3: This model has no class .hernia"):
        list_folder(str(listed), LABELS, SIGMOID)


def test_sub_folders_name_a_label_but_no_value(tmp_path):
    fill(tmp_path, ["effusion/a.png", "11/b.png"])
    labels = list_folder(str(tmp_path), LABELS, SIGMOID)
    assert [entry.labels for entry in labels.entries] == [None, (1,)]
    assert labels.without_class == ("11",)
    values = list_folder(str(tmp_path), ("age",), VALUE)
    assert [entry.expected for entry in values.entries] == [None, None]
    assert values.without_class == ()


def test_other_labels_are_another_folder(tmp_path):
    fill(tmp_path, ["a.png"])
    digests = set()
    for label in ("effusion", "none", "effusion;fracture", ""):
        (tmp_path / "list.csv").write_text(f"path,label\na.png,{label}\n")
        digests.add(list_folder(str(tmp_path / "list.csv"), LABELS, SIGMOID).digest)
    assert len(digests) == 4
    classes = list_folder(str(tmp_path), LABELS, SOFTMAX)
    assert classes.digest == list_folder(str(tmp_path), LABELS).digest
