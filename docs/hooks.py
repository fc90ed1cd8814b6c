"""Puts files onto the site that its pages link to, but that lie outside docs/."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
PLACE = "repository"
_LINK = re.compile(r"\]\(\.\./([\w./-]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add each such file under `PLACE`, at its path in the repository."""
    wanted = {name for page in files.documentation_pages() for name in _LINK.findall(text_of(page))}
    for name in sorted(wanted):
        if (ROOT / name).is_file():  # else mkdocs reports the link
            where = f"{PLACE}/{name}"
            files.append(File.generated(config, where, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let links lead to where the files are on the site."""
    if not page.file.src_uri.startswith(f"{PLACE}/"):
        return _LINK.sub(rf"]({PLACE}/\1", markdown)
    up = "../" * page.file.src_uri.count("/")
    return re.sub(r"\]\(docs/", f"]({up}", markdown)


def text_of(page: Any) -> str:
    """A page's Markdown."""
    return Path(page.abs_src_path).read_text("utf-8")
