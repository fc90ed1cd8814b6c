"""A visitor without a browser: speaks with Streamlit's server as its page does, and checks it.

Some dozens of these fit beside the server on one machine, where as many browsers would not.
"""

import contextlib
import io
import re
import socket
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

_COOKIE = re.compile("_streamlit_xsrf=([^;]+)")
_PATIENCE = 300.0  # seconds
_PIXELS = re.compile(r'data-panel="Photo".*?([0-9]+) × ([0-9]+) pixels', re.DOTALL)
_BEFORE = re.compile(r"([0-9]+) computations? before yours")


class StrangeError(Exception):
    """The page shows what it should not: an error, or another visitor's picture."""


class Visitor:
    """One session of the page.

    Attributes:
        number: tells visitors apart; their pictures are 200 + number pixels wide.
        places: the places in the queue that the page told.
    """

    def __init__(self, address: str, number: int, query: str) -> None:
        """Open the page, without waiting for it."""
        self.number = number
        self.places: list[int] = []
        self._address, self._query = address, query
        with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
            found = _COOKIE.search(str(answer.headers.get("Set-Cookie")))
        self._token = "" if found is None else found.group(1)
        host = address.removeprefix("http://")
        self._socket = connect(f"ws://{host}/_stcore/stream", max_size=None, open_timeout=60)
        self._ids: dict[str, str] = {}
        self._states: dict[str, WidgetState] = {}
        self._session = ""
        self._uploads = 0
        self._run()

    def until(self, text: str) -> float:
        """Seconds until an element with this text comes.

        Raises:
            StrangeError: the page shows an error, or a picture that is not this visitor's.
            TimeoutError: it never comes.
        """
        return self._listen(lambda message: text in _text(message))

    def rest(self, seconds: float) -> None:
        """Take in what the page sends, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._take(self._socket.recv(timeout=left))
            except TimeoutError:
                return

    def settle(self) -> None:
        """Wait until the page has nothing left to do."""
        self._listen(lambda message: message.WhichOneof("type") == "script_finished")

    def enter(self, key: str, value: int) -> None:
        """Type a number."""
        self._set(key).double_value = value
        self._run()

    def choose(self, key: str, text: str) -> None:
        """Choose in a select box."""
        self._set(key).string_value = text
        self._run()

    def upload(self) -> str:
        """Upload a picture of this visitor's own; returns what the page will say of it."""
        self._uploads += 1
        width, height = 200 + self.number, 200 + self._uploads
        buffer = io.BytesIO()
        # Another colour each time, so that nothing is known of it.
        colour = (37 * self.number % 256, 11 * self._uploads % 256, 90)
        Image.new("RGB", (width, height), colour).save(buffer, "PNG")
        request = BackMsg()
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.file_names.append("photo.png")
        request.file_urls_request.session_id = self._session
        self._socket.send(request.SerializeToString())
        answers: list[Any] = []

        def answered(message: ForwardMsg) -> bool:
            if message.WhichOneof("type") != "file_urls_response":
                return False
            answers.append(message.file_urls_response.file_urls[0])
            return True

        self._listen(answered)
        self._put(answers[0].upload_url, buffer.getvalue())
        info = self._set("uploader").file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name = answers[0].file_id, "photo.png"
        info.size = len(buffer.getvalue())
        info.file_urls.CopyFrom(answers[0])
        self._run()
        return f"{width} × {height} pixels"

    def leave(self) -> None:
        """Be gone at once, whatever runs, as a closed browser tab is."""
        with contextlib.suppress(OSError):  # the server may have been quicker
            self._socket.socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _set(self, key: str) -> WidgetState:
        """A new state for a widget, by its key in the page."""
        self._states[key] = WidgetState(id=self._ids[key])
        return self._states[key]

    def _run(self) -> None:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        message.rerun_script.widget_states.widgets.extend(self._states.values())
        self._socket.send(message.SerializeToString())

    def _put(self, path: str, content: bytes) -> None:
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.png"'
        body = f"{head}\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Cookie": f"_streamlit_xsrf={self._token}",
            "X-Xsrftoken": self._token,
        }
        url = f"{self._address}/{path.lstrip('/')}"
        request = urllib.request.Request(url, body, headers, method="PUT")
        urllib.request.urlopen(request, timeout=60).close()

    def _listen(self, wanted: Callable[[ForwardMsg], bool]) -> float:
        started = time.monotonic()
        while True:
            left = started + _PATIENCE - time.monotonic()
            if wanted(self._take(self._socket.recv(timeout=max(0.0, left)))):
                return time.monotonic() - started

    def _take(self, data: Any) -> ForwardMsg:
        """Read a message, look for what should not be in it, and note the widgets."""
        message = ForwardMsg.FromString(data)
        if message.WhichOneof("type") == "new_session":
            self._session = message.new_session.initialize.session_id or self._session
        if message.WhichOneof("type") != "delta":
            return message
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception" or (kind == "alert" and element.alert.format == element.alert.ERROR):
            raise StrangeError(f"visitor {self.number}: the page shows an error: {element}")
        for width, height in _PIXELS.findall(_text(message)):
            own = int(width) == 200 + self.number and int(height) <= 200 + self._uploads
            if not own and int(width) <= 400:  # samples are larger
                raise StrangeError(f"visitor {self.number} sees a picture of {width} × {height}")
        self.places += map(int, _BEFORE.findall(_text(message)))
        part = getattr(element, kind) if kind else None
        identity = getattr(part, "id", "")
        if identity.startswith("$$ID-"):
            self._ids[identity.split("-", 2)[2]] = identity
        return message


def _text(message: ForwardMsg) -> str:
    """What an element says, if it is one of those that are looked at."""
    if message.WhichOneof("type") != "delta":
        return ""
    element = message.delta.new_element
    match element.WhichOneof("type"):
        case "html":
            return str(element.html.body)
        case "progress":
            return str(element.progress.text)
        case _:
            return ""
