"""Which part of the house may use which package, read from the source of every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "core").rglob("*.py"))
DASHBOARD = sorted((ROOT / "dashboard").rglob("*.py"))


def name_of(path):
    return str(path.relative_to(ROOT))


def imported(source):
    """First parts of the names of all imported modules, wherever in a file they are imported."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in ("__import__", "import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(node.args[0].value.split(".")[0])
    return found


def test_the_reader_of_imports_sees_every_form():
    source = (
        "import a.b, c as d\nfrom e.f import g\nfrom . import h\n"
        "def late():\n    import i\n    importlib.import_module('j.k')\n    __import__('l')\n"
    )
    assert imported(source) == {"a", "c", "e", "i", "j", "l"}


def test_there_are_files_to_read():
    assert ROOT / "core" / "occlusion.py" in CORE
    assert ROOT / "dashboard" / "app.py" in DASHBOARD


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_core_never_imports_streamlit_or_the_dashboard(path):
    assert not imported(path.read_text("utf-8")) & {"streamlit", "dashboard", "plotly"}


@pytest.mark.parametrize("path", DASHBOARD, ids=name_of)
def test_the_dashboard_holds_no_maths(path):
    forbidden = {"torch", "torchvision", "captum", "numpy", "scipy"}
    assert not imported(path.read_text("utf-8")) & forbidden


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_every_core_module_says_what_it_is_for(path):
    assert (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()


def test_torchvision_is_imported_in_one_place_and_by_the_script_that_stands_alone():
    importers = {name_of(p) for p in CORE + DASHBOARD if "torchvision" in imported(p.read_text())}
    assert importers == {"core/torchvision_compat.py", "core/plain_captum.py"}


def test_the_script_in_bundles_imports_nothing_of_ours():
    source = (ROOT / "core" / "plain_captum.py").read_text("utf-8")
    assert not imported(source) & {"core", "dashboard", "tests", "benchmarks"}


def test_ray_is_imported_only_by_modules_that_no_other_imports_at_its_start():
    importers = {name_of(p) for p in CORE + DASHBOARD if "ray" in imported(p.read_text("utf-8"))}
    modules = {Path(name).stem for name in importers}
    assert importers == {f"core/{name}.py" for name in modules}
    assert all(name.startswith("ray_") for name in modules)
    for path in CORE + DASHBOARD:
        if path.stem not in modules:
            at_start = ast.parse(path.read_text("utf-8")).body
            names = {node.module for node in at_start if isinstance(node, ast.ImportFrom)}
            assert not names & {f"core.{name}" for name in modules}, path


TEXT, CONSOLE = ROOT / "core" / "text.py", ROOT / "core" / "console.py"
ALONE = ROOT / "core" / "plain_captum.py"  # lies in bundles, and may import nothing of ours


@pytest.mark.parametrize("path", [p for p in CORE + DASHBOARD if p != TEXT], ids=name_of)
def test_only_one_module_makes_foreign_text_safe(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not imported(path.read_text("utf-8")) & {"html", "unicodedata"}
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", None))
        assert name not in ("isprintable", "quoteattr", "backslashreplace"), node.lineno
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not {"&lt;", "&amp;", "\\u003c"} & {node.value}, node.lineno


@pytest.mark.parametrize(
    "path", [p for p in CORE + DASHBOARD if p not in (CONSOLE, ALONE)], ids=name_of
)
def test_only_the_console_prints(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not (isinstance(node, ast.Name) and node.id == "print"), node.lineno
        if isinstance(node, ast.Attribute) and node.attr == "stderr":
            assert not (isinstance(node.value, ast.Name) and node.value.id == "sys"), node.lineno


# Elements of Streamlit that read Markdown, with the place of the text among their arguments.
READS_MARKDOWN = {
    **dict.fromkeys(("error", "warning", "info", "success", "caption", "markdown", "write"), 0),
    **dict.fromkeys(("button", "download_button", "link_button", "checkbox", "toggle"), 0),
    **dict.fromkeys(("expander", "popover", "title", "header", "subheader", "toast", "radio"), 0),
    **{"metric": 0, "spinner": 0, "badge": 0, "segmented_control": 0, "pills": 0, "progress": 1},
}


NO_ELEMENTS = ("_log", "baselines", "export")  # they have functions of these names


def is_safe(node):
    """Whether Markdown's text is written in the source, or made by ``markdown(...)``."""
    if isinstance(node, ast.IfExp):
        return is_safe(node.body) and is_safe(node.orelse)
    if isinstance(node, ast.JoinedStr):  # a word in bold; anything else would touch what is made
        return all(
            is_safe(part.value) if isinstance(part, ast.FormattedValue) else part.value == "**"
            for part in node.values
        )
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "markdown"
    return isinstance(node, ast.Constant)


def unsafe(source):
    """Lines on which an element reads as Markdown what may be foreign."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        place, on = READS_MARKDOWN.get(node.func.attr), node.func.value
        if place is None or (isinstance(on, ast.Name) and on.id in NO_ELEMENTS):
            continue
        named = [each.value for each in node.keywords if each.arg in ("body", "label", "text")]
        texts = [*node.args[place : place + 1], *named]
        if not all(map(is_safe, texts)):
            yield node.lineno


def test_the_reader_of_markdown_sees_what_is_foreign():
    source = (
        'st.error("ours")\nst.error(theirs)\nplace.caption(f"{theirs}.")\nst.error(str(error))\n'
        "bar.progress(0.5, markdown(theirs))\nbar.progress(0.5, theirs)\n_log.error(theirs)\n"
        'st.markdown(f"**{markdown(theirs)}**")\nst.caption("a" if b else theirs)\n'
        'st.markdown(f"www{markdown(theirs)}")\nst.button(label, key="x")\n'
    )
    assert list(unsafe(source)) == [2, 3, 4, 6, 9, 10, 11]


@pytest.mark.parametrize("path", DASHBOARD, ids=name_of)
def test_streamlit_reads_no_foreign_text_as_markdown(path):
    assert list(unsafe(path.read_text("utf-8"))) == []


# What these open lies beside them, or belongs to the system: nobody else has named it.
OPEN_THEIR_OWN = {
    *(
        "bundle",
        "catalogue",
        "components",
        "files",
        "free_memory",
        "plain_captum",
        "report",
        "stored",
        "frame",
        "skeleton",
    ),
    "wordnet",
}
READING = {"open", "read_bytes", "read_text"}


def reads_by_name(source):
    """Lines on which a file is opened for reading by its name, other than through `core.files`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        writes = any(isinstance(word, str) and set(word) & set("wxa") for word in words[:2])
        match node.func:
            case ast.Name("open") if not writes:
                yield node.lineno
            case ast.Attribute(owner, name) if name in READING and not writes:
                if ast.unparse(owner) not in ("os", "system", "Image", "archive"):
                    yield node.lineno


def test_the_reader_of_openings_sees_every_form():
    source = (
        "open(a)\nopen(a, 'rb')\nPath(a).read_bytes()\nb.read_text('utf-8')\nb.open()\n"
        "read_bytes(a, 3)\nopen(a, 'wb')\nb.open('xb')\nsystem.open(a, 'rb')\n"
    )
    assert sorted(reads_by_name(source)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("path", CORE + DASHBOARD, ids=name_of)
def test_files_are_opened_by_name_in_one_place(path):
    assert path.stem in OPEN_THEIR_OWN or not list(reads_by_name(path.read_text("utf-8")))


# Who but `core.teams` may do what to threads. Passes through a network run on the threads of
# `core.teams`: elsewhere nobody could leave them, and they would take torch's threads from others.
THREADS = {
    "set_num_threads": {"batch", "ray_workers"},  # as their processes begin
    "ThreadPoolExecutor": {"memory", "paused", "batch"},
    "Thread": {"ray_workers", "loading"},
    "side_by_side": {"covering", "integration", "occlusion", "superpixels"},
    "alone": {
        *("grad_cam", "gradient_shap", "gradients", "methods", "occlusion", "predictor"),
        "superpixels",
    },
    "awaited": {"memory", "paused"},
    "heed": {"asking", "passes"},
    "heeding": {"app"},
}
OF_THREADS = ("core.teams", "concurrent.futures", "threading", "torch")


def of_threads(source):
    """What a file takes from the modules that have to do with threads."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in OF_THREADS:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "core":
            assert "teams" not in {alias.name for alias in node.names}, "take its functions"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in OF_THREADS:
            found.add(node.attr)
    return found


def test_the_reader_of_threads_sees_every_form():
    source = (
        "from core.teams import heed as h\nimport torch\ntorch.set_num_threads(1)\n"
        "threading.Thread(target=work)\nself.alone\nnetwork.awaited()\n"
    )
    assert of_threads(source) == {"heed", "set_num_threads", "Thread"}


@pytest.mark.parametrize("name", THREADS)
def test_who_may_do_what_to_threads(name):
    users = {path.stem for path in CORE + DASHBOARD if name in of_threads(path.read_text("utf-8"))}
    assert users - {"teams"} == THREADS[name]
