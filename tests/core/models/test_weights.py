"""Weight files, from a real server on this machine that behaves well, and in all the bad ways."""

import contextlib
import hashlib
import io
import logging
import os
import pickle
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from core.errors import ModelError
from core.models.weights import Progress, WeightsFile
from tests import unprivileged
from tests.core.files.test_io import put

SENTENCE = r"^[A-Z][^\n]*\.$"


def torch_file(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


# Larger than one piece of a download, so that there is something between begin and end.
STATE = {"weight": torch.arange(800_000.0), "bias": torch.ones(3)}
BODY = torch_file(STATE)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.close_connection = True
        answer = getattr(self, self.path.split("/")[1], None)
        if answer is None:
            self.send_error(404)
        else:
            answer()

    def begin(self, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def good(self):
        self.begin(Content_Length=len(BODY))
        self.wfile.write(BODY)

    def without_length(self):
        self.begin(Connection="close")
        self.wfile.write(BODY)

    def cut(self):
        self.begin(Content_Length=len(BODY))
        self.wfile.write(BODY[: len(BODY) // 2])

    def cut_chunks(self):
        self.begin(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n" % len(BODY) + BODY[: len(BODY) // 2])

    def nonsense(self):
        self.wfile.write(b"please log in to the hotel's network\r\n\r\n")

    def longer(self):
        self.begin(Content_Length=len(BODY) + 1)
        self.wfile.write(BODY + b"!")

    def endless(self):
        self.begin(Connection="close")
        with contextlib.suppress(OSError):  # until the other end has had enough
            while True:
                self.wfile.write(BODY)


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def weights(folder, url, prefix=SHA256[:8]):
    return WeightsFile(folder / "cache" / f"toy-{prefix}.pth", prefix, len(BODY) / 1e6, url)


def left_behind(folder):
    return [p for p in folder.rglob("*") if p != folder / "cache"]


def refused(file):
    with pytest.raises(ModelError, match=SENTENCE) as error:
        list(file.download())
    assert not file.present
    assert not left_behind(file.path.parent.parent)
    return str(error.value)


@pytest.mark.parametrize("answer", ["good", "without_length"])
def test_a_download_tells_its_progress_and_is_there_in_the_end(tmp_path, server, answer):
    file = weights(tmp_path, f"{server}/{answer}")
    assert not file.present
    progress = []
    for step in file.download():
        progress.append(step)
        assert not file.present, "it may have its name only when it is complete"
    assert len(progress) >= 3
    done = [step.done for step in progress]
    assert done == sorted(set(done))
    assert progress[-1] == Progress(len(BODY), len(BODY))
    assert {step.total for step in progress} == {len(BODY)}
    assert file.present
    assert left_behind(tmp_path) == [file.path]
    checkpoint, sha256 = file.load()
    assert sha256 == SHA256
    assert torch.equal(checkpoint.state["weight"], STATE["weight"])


def test_a_wrong_hash(tmp_path, server):
    file = weights(tmp_path, f"{server}/longer")
    wrong = hashlib.sha256(BODY + b"!").hexdigest()[:8]
    assert refused(file) == (
        f"The weights {file.path.name} are damaged or were replaced (sha256 begins with {wrong}, "
        f"expected {SHA256[:8]}): delete {file.path} and try again."
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("absent", "(the server answered 404)"),
        ("cut", "(the connection was lost half way)"),
        ("cut_chunks", "could not be downloaded"),
        ("endless", "(the server sends more than the file has)"),
        pytest.param(
            "nonsense",
            "could not be downloaded",
            # Python's own HTTP client leaves this connection to the garbage collector.
            marks=pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
        ),
    ],
)
def test_servers_that_fail(tmp_path, server, answer, reason):
    sentence = refused(weights(tmp_path, f"{server}/{answer}"))
    assert sentence.startswith(f"The weights toy-{SHA256[:8]}.pth (3 MB) could not be downloaded")
    assert reason in sentence


def test_nobody_there(tmp_path, caplog):
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        sentence = refused(weights(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/good"))
    assert "(the server cannot be reached): check the network" in sentence
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_a_name_that_does_not_exist(tmp_path):
    assert "(the server cannot be reached)" in refused(
        weights(tmp_path, "http://no-such-host.invalid/good")
    )


def test_a_folder_that_cannot_be_made(tmp_path, server):
    (tmp_path / "cache").write_text("a file where the folder should be")
    file = weights(tmp_path, f"{server}/good")
    with pytest.raises(ModelError, match=SENTENCE, check=lambda e: "file exists" in str(e)):
        list(file.download())


def test_given_up_half_way(tmp_path, server):
    file = weights(tmp_path, f"{server}/good")
    download = file.download()
    assert 0 < next(download).done < len(BODY)
    assert left_behind(tmp_path), "what has come so far lies beside the place it is meant for"
    download.close()
    assert not file.present
    assert not left_behind(tmp_path)


def test_a_failed_download_can_be_repeated(tmp_path, server):
    refused(weights(tmp_path, f"{server}/cut"))
    file = weights(tmp_path, f"{server}/good")
    list(file.download())
    assert file.load()[1] == SHA256


def test_two_downloads_at_once(tmp_path, server):
    first, second = (weights(tmp_path, f"{server}/good").download() for _ in range(2))
    next(first)
    list(second)
    list(first)
    file = weights(tmp_path, None)
    assert left_behind(tmp_path) == [file.path]
    assert file.load()[1] == SHA256


class Malice:
    """Runs code when it is unpickled, as any pickle may."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_weight_file_is_not_run(tmp_path):
    victim = tmp_path / "victim"
    body = torch_file({"weight": Malice(victim)})
    path = tmp_path / "toy.pth"
    path.write_bytes(body)
    # Its hash is as it should be: this is the last line of defence.
    file = WeightsFile(path, hashlib.sha256(body).hexdigest()[:8], 0.1)
    with pytest.raises((ModelError, pickle.UnpicklingError)):
        file.load()
    assert not victim.exists()
    torch.load(io.BytesIO(body), weights_only=False)
    assert victim.exists(), "the file is harmless, so this test shows nothing"


def test_a_truncated_file(tmp_path):
    file = weights(tmp_path, None)
    file.path.parent.mkdir()
    file.path.write_bytes(BODY[:-1000])
    with pytest.raises(ModelError, match=SENTENCE, check=lambda e: "are damaged" in str(e)):
        file.load()
    assert file.present, "a file that we did not write is not ours to delete"


def test_a_file_that_is_not_here(tmp_path):
    file = weights(tmp_path, None)
    with pytest.raises(ModelError) as error:
        file.load()
    assert str(error.value) == f"The weights {file.path.name} are not on this machine."
    with pytest.raises(ModelError) as error:
        list(file.download())
    assert str(error.value) == (
        f"The weights {file.path.name} are gone from {file.path.parent}: put the file back, or "
        "install the requirements again if it came with them."
    )


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
@pytest.mark.parametrize("kind", ["link to nothing", "pipe"])
def test_a_download_replaces_no_link_and_no_pipe(tmp_path, server, kind):
    file = weights(tmp_path, f"{server}/good")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    odd = put(file.path, kind)
    assert not file.present
    with pytest.raises(ModelError, match=f"is a {kind.split()[0]}, and only a regular file"):
        list(file.download())
    assert not odd.is_file()
    with pytest.raises(ModelError, match="are not on this machine"):
        file.load()


def test_a_folder_that_must_not_be_read_holds_no_weights():
    imports = "from core.models.registry import records"
    code = "print([record.weights.present for record in records().values()][3:])"
    with unprivileged.place() as folder:
        (folder / "shut").mkdir(mode=0)
        found = unprivileged.run(imports, code, TORCH_HOME=folder / "shut")
    assert set(found.stdout.strip("[]\n").split(", ")) == {"False"}, found.stderr
