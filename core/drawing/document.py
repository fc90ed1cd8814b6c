"""A document in one HTML file: no network, no other files, light or dark as its reader likes it."""

from pathlib import Path

from ..text import escape

_HERE = Path(__file__).resolve().parent
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, style: str, body: str, end: str = "", *, scripts: bool = False) -> str:
    """An HTML document that a content security policy keeps from any request.

    Args:
        title: as text.
        style: CSS, after that which all documents share.
        body, end: HTML: what stands in ``main``, and what follows it.
        scripts: whether scripts in ``end`` may run.
    """
    policy = f"{_POLICY}; script-src 'unsafe-inline'" if scripts else _POLICY
    shared = (_HERE / "document.css").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="{policy}">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{shared}
{style}
</style>
</head>
<body>
<main>
{body}
</main>
{end}</body>
</html>
"""
