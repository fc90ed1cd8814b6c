"""Calls that the parser refuses."""

import pytest

from core.__main__ import main
from core.cli.parser import make_parser

MAP = ["explain", "a.jpg", "--out", ".", "--method", "lrp"]


@pytest.mark.parametrize("arguments", [[], ["explain", "a.jpg", "--out", "."], ["paint"]])
def test_a_wrong_call_gets_the_parsers_own_message(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: python -m core" in capsys.readouterr().err


def test_a_misspelt_method_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as left:
        main(["explain", "a.jpg", "--out", ".", "--method", "ocllusion"])
    assert left.value.code == 2
    assert (
        'argument --method: There is no method "ocllusion" (did you mean occlusion?): choose one '
    ) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["warm", "--model", "pond"], "--model (did you mean --models?) pond"),
        (["models", "--model", "pond"], "--model (did you mean --models?) pond"),
        (
            ["batch", "pictures", "--out", "out", "--method", "ig"],
            "--method (did you mean --methods?) ig",
        ),
        (
            ["export", "out", "--to", "html", "--out", "a.html", "--shar", "1"],
            "--shar (did you mean --share?) 1",
        ),
        (["predict", "a.jpg", "b.jpg", "--out=o"], "b.jpg --out=o"),
    ],
)
def test_an_option_is_not_taken_for_another_that_begins_like_it(arguments, refused, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    said = capsys.readouterr().err
    assert said.endswith(f" {arguments[0]}: error: unrecognized arguments: {refused}\n")
    assert said.startswith(f"usage: python -m core {arguments[0]} ...; ")
    assert said.count("\n") == 2  # the sentence is not below a list of all options


def test_a_number_may_have_a_fraction():
    numbers = {"stdev": 0.3, "epsilon": 1e-3, "gamma": 0.5, "keep": 0.95}
    given = [text for name, value in numbers.items() for text in (f"--{name}", str(value))]
    found = make_parser("core", {}).parse_args([*MAP, *given, "--masks", "300"])
    assert {name: getattr(found, name) for name in numbers} == numbers
    assert found.masks == 300


def test_what_is_no_number_is_refused_with_what_is_allowed(capsys):
    for given, allowed in [("--epsilon", "a number"), ("--masks", "a whole number")]:
        with pytest.raises(SystemExit):
            main([*MAP, given, "much"])
        assert f"argument {given}: 'much': give {allowed}." in capsys.readouterr().err
