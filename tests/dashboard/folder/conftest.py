"""The Folder page without a browser."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.session import tables

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def show(monkeypatch):
    """Opens the page with these results named by its operator."""

    def call(*results, query=None, env=""):
        monkeypatch.setattr(sys, "argv", ["app.py", "--results", *map(str, results)])
        monkeypatch.setenv(tables.RESULTS, env)
        page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
        for key, value in {"view": "folder", **(query or {})}.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception
        return page

    return call
