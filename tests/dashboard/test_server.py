"""The server as it is shipped, started and asked: who reaches it, and what it gives away."""

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.browser import ROOT

FOREIGN = "https://elsewhere.example"
SCRIPT = """
import streamlit as st
st.write("the page")
st.file_uploader("a file", key="file")
raise RuntimeError("only for the log")
"""
APP = ROOT / "dashboard" / "app.py"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def served(script, log, *options, port=None):
    """A server with nothing but the project's configuration, a port and `options`."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += ["--server.port", str(port), "--server.headless", "true", *options]
    env = {k: v for k, v in os.environ.items() if not k.startswith("STREAMLIT_")}
    return run_server(command, port, log, cwd=ROOT, env=env)


@contextmanager
def run_server(command, port, log, *, cwd, env):
    """Run `command` until it is not needed any more."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=out)
        here = SimpleNamespace(port=port, process=process, log=log, url=f"127.0.0.1:{port}")
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and process.poll() is None:
                with suppress(OSError):
                    if ask(here, "GET", "/_stcore/health").status == 200:
                        break
                time.sleep(0.1)
            else:
                pytest.fail(f"the server did not start:\n{log.read_text('utf-8')[-2000:]}")
            yield here
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "script.py").write_text(SCRIPT)
    with served(folder / "script.py", folder / "log") as here:
        yield here


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer
    finally:
        connection.close()


def join(server, origin=None, host=None):
    """A WebSocket as a browser opens it from a page of `origin`, asking for `host`."""
    return connect(
        f"ws://{host or '127.0.0.1'}:{server.port}/_stcore/stream",
        sock=socket.create_connection(("127.0.0.1", server.port), timeout=30),
        subprotocols=["streamlit"],
        origin=origin,
        open_timeout=30,
        max_size=None,
    )


def shown(server, seconds=60, until=None):
    """What a new session is sent until its script has run, or until a text has come."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    received = b""
    with join(server, f"http://{server.url}") as channel:
        channel.send(message.SerializeToString())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            part = channel.recv(timeout=seconds)
            received += part
            if message_kind(part) == "script_finished" or (until and until.encode() in received):
                return received
    pytest.fail("the script did not end")
    return b""


def message_kind(part):
    return ForwardMsg.FromString(part).WhichOneof("type")


def test_it_listens_on_this_machine_only(server):
    processes = [psutil.Process(server.process.pid)]
    processes += processes[0].children(recursive=True)
    listening = [c for p in processes for c in p.net_connections("inet") if c.status == "LISTEN"]
    assert {(c.laddr.ip, c.laddr.port) for c in listening} == {("127.0.0.1", server.port)}


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config", "/media/none"])
def test_pages_of_other_origins_read_nothing(server, path):
    answer = ask(server, "GET", path, Origin=FOREIGN)
    assert answer.getheader("Access-Control-Allow-Origin") not in ("*", FOREIGN)


def test_an_upload_needs_the_token_of_the_page(server):
    path = "/_stcore/upload_file/no-session/no-file"
    assert ask(server, "PUT", path, b"x").status == 403
    token = ask(server, "GET", "/_stcore/health").getheader("Set-Cookie").split("=", 1)[1]
    token = token.split(";")[0]
    cookie = {"Cookie": f"_streamlit_xsrf={token}"}
    assert ask(server, "PUT", path, b"x", **cookie).status == 403
    assert ask(server, "PUT", path, b"x", **cookie, X_Xsrftoken="2|1|2|3").status == 403
    assert ask(server, "PUT", path, b"x", **cookie, X_Xsrftoken=token).status == 400  # no session
    asked = ask(server, "OPTIONS", path, Origin=FOREIGN)
    assert asked.getheader("Access-Control-Allow-Origin") not in ("*", FOREIGN)


def test_a_page_of_another_origin_opens_no_session(server):
    with pytest.raises(InvalidStatus) as refused:
        join(server, FOREIGN)
    assert refused.value.response.status_code == 403
    with join(server, f"http://{server.url}") as channel:
        assert channel.response.status_code == 101


def test_no_other_name_leads_here(server):
    """DNS rebinding: the foreign name is both the origin and the host."""
    with pytest.raises(InvalidStatus) as refused:
        join(server, f"http://elsewhere.example:{server.port}", host="elsewhere.example")
    assert refused.value.response.status_code == 403


def test_an_error_is_told_to_the_log_and_not_to_the_page(server):
    received = shown(server)
    assert b"the page" in received
    for secret in (b"only for the log", b"RuntimeError", b"Traceback", b'script.py", line'):
        assert secret not in received
    assert b"only for the log" in server.log.read_bytes()


def test_the_agent_interface_and_folders_are_shut(server):
    assert ask(server, "POST", "/_stcore/agent/interact", b"{}").status in (403, 404, 405)
    for path in ("/app/static/app.py", "/static/../../dashboard/app.py", "/%2e%2e/README.md"):
        answer = ask(server, "GET", path)
        assert answer.status != 200 or b"Where It Looked" not in answer.body


@pytest.mark.parametrize(("megabytes", "taken"), [(1, True), (51, False)])
def test_what_is_sent_at_once_is_limited(server, megabytes, taken):
    message = BackMsg()
    message.rerun_script.query_string = "q" * (megabytes * 1_000_000)
    with join(server, f"http://{server.url}") as channel:
        with suppress(ConnectionClosed):  # while it is sent
            channel.send(message.SerializeToString())
        if taken:
            assert message_kind(channel.recv(timeout=30)) == "new_session"
        else:
            with pytest.raises(ConnectionClosed):
                channel.recv(timeout=30)


AUTH = """
[auth]
redirect_uri = "http://127.0.0.1:8501/oauth2callback"
cookie_secret = "not a secret, a test"
client_id = "page"
client_secret = "not a secret either"
server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"
"""


def test_where_a_login_is_configured_nothing_is_shown_before_it(tmp_path):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(AUTH)
    with served(APP, tmp_path / "log", "--secrets.files", str(secrets)) as server:
        received = shown(server)
        assert b"Log in to use this page" in received
        assert b"The model says" not in received
        assert b"uploader" not in received


def test_secrets_that_cannot_be_read_open_nothing(tmp_path):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(AUTH + "\nthis is no TOML")
    with served(APP, tmp_path / "log", "--secrets.files", str(secrets)) as server:
        received = shown(server)
        assert b"The model says" not in received
        assert b"uploader" not in received
        assert b"not a secret" not in received
