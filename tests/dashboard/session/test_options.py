"""What whoever starts the page decides: which models its visitors may name."""

import subprocess
import sys

import pytest
import streamlit as st
import torch
from safetensors.torch import save_file

from core.errors import ModelError
from core.models import registry
from dashboard.session import options


@pytest.fixture
def started(monkeypatch):
    """Starts the page, as it were, with arguments of its own and at an address."""

    def start(*arguments, address="127.0.0.1"):
        monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        known = st.get_option
        monkeypatch.setattr(
            st, "get_option", lambda name: address if name == "server.address" else known(name)
        )

    return start


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_on_this_machine_others_may_be_named(started, address):
    started(address=address)
    assert options.may_download()
    started("--no-downloads", address=address)
    assert not options.may_download()


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "192.168.1.7", "look.example.org"])
def test_on_a_network_only_where_it_is_allowed(started, address):
    started(address=address)
    assert not options.may_download()
    started("--downloads", address=address)
    assert options.may_download()


def test_behind_a_proxy_only_where_it_is_allowed(started, monkeypatch):
    monkeypatch.setattr(
        st, "get_option", {"server.address": "127.0.0.1", "server.allowedHosts": ["a.org"]}.get
    )
    assert not options.may_download()
    started("--downloads")
    assert options.may_download()


def test_a_model_of_the_list_is_always_accepted(started):
    started("--no-downloads")
    options.check_model("resnet18")
    with pytest.raises(ModelError, match="is not on the list: choose a model of the list"):
        options.check_model("timm:resnet18")


@pytest.mark.parametrize("name", ["timm:resnet18.a1_in1k", "hf:microsoft/resnet-18"])
def test_what_may_be_named(started, name):
    started()
    options.check_model(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "resnet19",
            "os:getcwd",
            "nets:build",
            "hf:/etc/passwd",
            "hf:../models",
            "hf:resnet",
            "hf:a",
        ),
        *("timm:", "timm:../x", "timm:a b", "mine.pt2", "hf:a/b/c", "hf:core/models"),
    ],
)
def test_no_code_and_no_file_of_this_machine_can_be_named(started, name):
    started()
    with pytest.raises(ModelError, match="is no model's name"):
        options.check_model(name)


def test_functions_of_the_folder_are_run_only_where_whoever_starts_the_page_allows_it(
    started, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "nets_of_the_page.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))\n"
    )
    folder = tmp_path / "mine" / "pond"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(
        'title = "Pond"\narchitecture = "nets_of_the_page:build"\nclasses = ["goose", "duck"]\n'
    )
    layer = torch.nn.Linear(3, 2)
    save_file(
        {f"2.{key}": value for key, value in layer.state_dict().items()}, folder / "w.safetensors"
    )
    try:
        started("--models", str(folder.parent))
        (sentence,) = options.offer_models()
        assert "allow it with --factories" in sentence
        with pytest.raises(
            ModelError, match=r"^pond of the folder of models cannot be used: .*--fac"
        ):
            options.check_model("pond")  # as an address may name it
        started("--models", str(folder.parent), "--factories")
        assert options.offer_models() == []
        assert "pond" in registry.records()
    finally:
        started()
        options.offer_models()


def test_a_folder_of_models_that_is_not_there_is_said_before_the_server_starts(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "dashboard", "--", "--models", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("The folder")
    assert run.stderr.count("\n") == 1
