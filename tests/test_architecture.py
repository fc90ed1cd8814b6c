"""Which room may use which, and which package, read from the source of every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "core").rglob("*.py"))
DASHBOARD = sorted((ROOT / "dashboard").rglob("*.py"))

# The rooms, each with those that it may use. `core.errors` and `core.text` are for all; what lies
# at the top of core and dashboard (command line, notebook, entry of the page) may use every room.
MAY_USE = {
    "core.files": "",
    "core.pictures": "files",
    "core.engine": "",
    "core.models": "files pictures engine",
    "core.methods": "pictures engine models",
    "core.drawing": "models methods",
    "core.trust": "pictures engine models methods drawing",
    "core.workers": "files engine models methods trust",
    "core.explaining": "files pictures engine models methods trust workers",
    "core.bundle": "files pictures engine models methods drawing explaining",
    "core.folders": "files pictures engine models methods trust workers explaining bundle",
    "core.clusters": "pictures models methods drawing explaining folders",
    "core.exports": "files pictures models methods drawing folders clusters",
    "core.talks": "files pictures models methods drawing trust explaining",
    "core.cli": (
        "files pictures engine models methods drawing trust explaining bundle folders clusters "
        "exports talks"
    ),
    "dashboard.browser": "",
    "dashboard.drawing": "",
    "dashboard.session": "browser",
    "dashboard.explain": "browser drawing session",
    "dashboard.folder": "browser drawing session explain",
    "dashboard.talk": "browser drawing session",
}
FOR_ALL = ("core", "core.errors", "core.text")
FORMER = [f"core/{name}.py" for name in ("images", "occlusion", "gradients", "attribution")]


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


def imports_of_ours(path):
    """(package or module, name) of everything of ours that a file imports, by full names."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        above = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join((*above, *filter(None, [node.module])))
        if module.split(".")[0] in ("core", "dashboard"):
            for alias in node.names:
                inner = ROOT.joinpath(*module.split("."), alias.name)
                if inner.is_dir() or inner.with_suffix(".py").is_file():
                    yield f"{module}.{alias.name}", ""
                else:
                    yield module, alias.name


def room_of(module):
    """``core.engine`` for what lies in it; None for what lies in no room."""
    parts = module.split(".")
    room = ".".join(parts[:2])
    return room if room in MAY_USE else None


def test_the_table_names_every_room_once():
    found = {
        f"{top}.{folder.name}"
        for top in ("core", "dashboard")
        for folder in (ROOT / top).iterdir()
        if (folder / "__init__.py").is_file()
    }
    assert found == set(MAY_USE)


def test_rooms_use_only_what_stands_above_them():
    order = list(MAY_USE)
    for place, (room, others) in enumerate(MAY_USE.items()):
        assert {f"{room.split('.')[0]}.{other}" for other in others.split()} <= set(
            order[:place]
        ), room


def of_rooms():
    """(path, its room, imported module, imported name), for imports that leave a room."""
    for path in CORE + DASHBOARD:
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module, name in imports_of_ours(path):
            if own is None or room_of(module) != own:
                yield path, own, module, name


def test_a_room_uses_only_what_it_may():
    used = {}
    for path, own, module, _ in of_rooms():
        other = room_of(module)
        if own is None:
            continue
        if other is None:
            assert module in FOR_ALL, f"{name_of(path)} imports {module}"
        elif own.split(".")[0] == other.split(".")[0]:
            assert other.split(".")[1] in MAY_USE[own].split(), f"{name_of(path)} imports {module}"
            used.setdefault(own, set()).add(other.split(".")[1])
        else:
            assert own.startswith("dashboard."), f"{name_of(path)} imports {module}"
    for room, others in MAY_USE.items():
        assert used.get(room, set()) == set(others.split()), f"what {room} may use, and uses"


def exported(room):
    """(module, name) of all that the stub of a room exports; a module of its own has no name."""
    folder = ROOT.joinpath(*room.split("."))
    for node in ast.parse((folder / "__init__.pyi").read_text("utf-8")).body:
        for alias in node.names:
            if node.module is None:
                yield f"{room}.{alias.name}", ""
            else:
                yield f"{room}.{node.module}", alias.name


def through_packages():
    """What is used as ``models.load``, after ``from .. import models``, as `of_rooms` gives it."""
    for path in CORE + DASHBOARD:
        rooms = {module for module, name in imports_of_ours(path) if not name and module in MAY_USE}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                for room in rooms:
                    if room.split(".")[1] == node.value.id:
                        yield room, node.attr


def test_a_room_exports_what_others_use_and_no_more():
    for room in MAY_USE:
        exports = set(exported(room))
        modules = {module for module, name in exports if not name}
        names = {name for _, name in exports}
        reached = {name for where, name in through_packages() if where == room}
        assert reached <= names, f"{room} exports what is used as its attribute"
        wanted = {
            (module, name)
            for path, _, module, name in of_rooms()
            if room_of(module) == room and module != room and name_of(path) not in FORMER
        } | {each for each in exported("core") if room_of(each[0]) == room}
        assert {each for each in wanted if each[0] not in modules} <= exports, room
        used = {module for module, _ in wanted}
        for module, name in exports:
            assert (module, name) in wanted or name in reached or (not name and module in used)


def test_a_room_says_what_it_is_for():
    for room in MAY_USE:
        source = ROOT.joinpath(*room.split("."), "__init__.py").read_text("utf-8")
        assert ast.get_docstring(ast.parse(source)), room


def test_core_imports_itself_by_relative_names():
    for path in CORE:
        assert "core" not in imported(path.read_text("utf-8")), name_of(path)


def test_tests_lie_in_the_rooms_of_what_they_test():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parent
        assert (ROOT / folder).is_dir(), name_of(path)


def test_the_reader_of_imports_sees_every_form():
    source = (
        "import a.b, c as d\nfrom e.f import g\nfrom . import h\n"
        "def late():\n    import i\n    importlib.import_module('j.k')\n    __import__('l')\n"
    )
    assert imported(source) == {"a", "c", "e", "i", "j", "l"}


def test_there_are_files_to_read():
    assert ROOT / "core" / "methods" / "occlusion.py" in CORE
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
    assert importers == {"core/models/torchvision_compat.py", "core/bundle/plain_captum.py"}


def test_the_script_in_bundles_imports_nothing_of_ours():
    source = (ROOT / "core" / "bundle" / "plain_captum.py").read_text("utf-8")
    assert not imported(source) & {"core", "dashboard", "tests", "benchmarks"}


def test_ray_is_imported_only_by_modules_that_no_other_imports_at_its_start():
    importers = {name_of(p) for p in CORE + DASHBOARD if "ray" in imported(p.read_text("utf-8"))}
    assert all(Path(name).stem.startswith("ray_") for name in importers)
    for path in CORE + DASHBOARD:
        if name_of(path) in importers:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                words = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                assert not any(word.startswith("ray_") for word in words), name_of(path)


TEXT, CONSOLE = ROOT / "core" / "text.py", ROOT / "core" / "cli" / "console.py"
ALONE = (
    ROOT / "core" / "bundle" / "plain_captum.py"
)  # lies in bundles, and may import nothing of ours


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
        "archive",
        "catalogue",
        "components",
        "io",
        "free_memory",
        "plain_captum",
        "report",
        "document",
        "summary",
        "persistence",
        "frame",
        "skeleton",
    ),
    "wordnet",
}
READING = {"open", "read_bytes", "read_text"}


def reads_by_name(source):
    """Lines on which a file is opened for reading by its name, other than by `core.files.io`."""
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


# Who but `core.engine.teams` may do what to threads. Passes through a network run on the threads of
# `core.engine.teams`: elsewhere nobody could leave them, and they would take torch's threads from
# others.
THREADS = {
    "set_num_threads": {"batch", "ray_workers"},  # as their processes begin
    "ThreadPoolExecutor": {"remembered", "resumable", "batch", "reading"},
    "Thread": {"ray_workers", "loading", "hub"},
    "side_by_side": {"masked", "integration", "survey"},
    "alone": {
        *("grad_cam", "gradient_shap", "gradients", "availability", "predictor"),
        *("survey", "one_pass", "rollout", "legrad", "lrp", "channel_cams", "regions", "given"),
    },
    "awaited": {"remembered", "resumable"},
    "heed": {"request", "passes", "watched_layers", "lrp", "imputation"},
    "heeding": {"app"},
}
OF_THREADS = ("concurrent.futures", "threading", "torch")


def of_threads(source):
    """What a file takes from the modules that have to do with threads."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in OF_THREADS or (node.module or "").split(".")[-1] == "teams":
                found |= names
            elif (node.module or "").split(".")[-1] == "engine" or node.module is None:
                assert "teams" not in names, "take its functions"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in OF_THREADS:
            found.add(node.attr)
    return found


def test_the_reader_of_threads_sees_every_form():
    source = (
        "from ..engine.teams import heed as h\nimport torch\ntorch.set_num_threads(1)\n"
        "threading.Thread(target=work)\nself.alone\nnetwork.awaited()\n"
    )
    assert of_threads(source) == {"heed", "set_num_threads", "Thread"}


@pytest.mark.parametrize("name", THREADS)
def test_who_may_do_what_to_threads(name):
    users = {path.stem for path in CORE + DASHBOARD if name in of_threads(path.read_text("utf-8"))}
    assert users - {"teams"} == THREADS[name]


def test_only_what_a_person_typed_is_allowed_to_run():
    """Command line and Python allow functions and files; no page, talk or bundle does."""
    allowing = {"allow_model", "allow_described", "allow_factories", "take_over"}
    found = set()
    for path in CORE + DASHBOARD:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                found |= {(name_of(path), called)} if called in allowing else set()
    assert {each for each in found if each[0] != "core/models/registry.py"} == {
        ("core/__main__.py", "allow_factories"),
        ("core/models/named_in_code.py", "allow_described"),
        ("core/models/named_in_code.py", "allow_model"),
        ("core/notebook_inputs.py", "allow_model"),
        ("core/workers/loading.py", "take_over"),  # what the process that asks was allowed
        ("dashboard/session/options.py", "allow_factories"),  # those of the operator's folder
    }
    using = {path for path in CORE + DASHBOARD if "named_in_code" in path.read_text("utf-8")}
    assert using == set()  # but the stubs: `core.load`
