"""A hub on this machine: repositories as folders, served as the Hugging Face hub serves files."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants as constants

from benchmarks.random_models import COMMIT

_TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"


@contextlib.contextmanager
def served(root, status=None):
    """Serve the files of ``root/ORG/NAME/``; yields the address and the list of what was asked.

    Args:
        root: the folder.
        status: an answer to everything, with headers, in place of files.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            asked.append(f"{self.command} {self.path}")
            if status is not None:
                return self.refuse(*status)
            org, name, kind, _, *rest = self.path.strip("/").split("/")
            place = Path(root) / org / name
            if kind != "resolve" or not place.is_dir():
                return self.refuse(404, {"X-Error-Code": "RepoNotFound"})
            file = place.joinpath(*rest)
            if not file.is_file():
                missing = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
                return self.refuse(404, missing)
            data = file.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)
            return None

        def refuse(self, code, headers):
            self.send_response(code)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def use(monkeypatch, cache, address="http://127.0.0.1:9"):
    """Let huggingface_hub use this cache and address; by default nobody answers there."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + _TEMPLATE)
