"""Logging in at an OpenID provider of the tests' own, in a real browser."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.browser import open_page
from tests.dashboard.test_server import APP, free_port, served


@contextmanager
def provider():
    """A provider to whom everybody is Ada; yields its address."""
    key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    nonces = {}

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def tell(self, what):
            body = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/keys":
                self.tell({"keys": [key.as_dict(private=False)]})
            elif url.path == "/authorise":
                nonces["code"] = asked.get("nonce")
                back = urlencode({"code": "code", "state": asked["state"]})
                self.send_response(302)
                self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.tell(
                    {
                        "issuer": address,
                        "authorization_endpoint": f"{address}/authorise",
                        "token_endpoint": f"{address}/token",
                        "jwks_uri": f"{address}/keys",
                        "response_types_supported": ["code"],
                        "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                    }
                )

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            now = int(time.time())
            claims = {"iss": address, "sub": "ada", "aud": "page", "name": "Ada", "iat": now}
            claims |= {"exp": now + 600, "nonce": nonces["code"]}
            signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
            self.tell({"access_token": "a", "token_type": "Bearer", "id_token": signed})

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.browser
def test_in_and_out_again(browser, tmp_path):
    secrets = tmp_path / "secrets.toml"
    port = free_port()
    with provider() as address:
        secrets.write_text(
            f"""
            [auth]
            redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
            cookie_secret = "a secret of the tests, and of nobody else"
            client_id = "page"
            client_secret = "another one"
            server_metadata_url = "{address}/.well-known/openid-configuration"
            """
        )
        options = ("--secrets.files", str(secrets))
        with (
            served(APP, tmp_path / "log", *options, port=port) as server,
            open_page(browser, f"http://{server.url}") as page,
        ):
            assert page.get_by_text("The model says").count() == 0
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("The model says").wait_for(timeout=60_000)
            with open_page(browser, f"http://{server.url}/?view=talk") as stranger:
                stranger.get_by_role("button", name="Log in").wait_for()
            page.get_by_role("button", name="Log out").click()
            page.get_by_role("button", name="Log in").wait_for(timeout=60_000)
            assert page.get_by_text("The model says").count() == 0
