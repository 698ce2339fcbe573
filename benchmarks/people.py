"""People at the app, without browsers: each has a websocket, as Streamlit's own page has."""

import base64
import json
import time
from dataclasses import dataclass
from urllib.request import urlopen

import cv2
import numpy as np
from drawing import draw_strokes
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect
from websockets.typing import Subprotocol

CANVAS = "drawable_canvas"
SIDE, PEN = 320, 0.09
ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What the app sent after something was done.

    Attributes
    ----------
    seconds : float
        From the message to the end of the answer.
    parts : int
        Pieces of the page that came anew.
    text : str
        All the words in them.
    errors : tuple of str
        Exceptions that were shown, or a run of the page that was not whole.
    """

    seconds: float
    parts: int
    text: str
    errors: tuple[str, ...]


class Person:
    """Somebody who has the page Read open; a context manager that closes it."""

    def __init__(self, port: int) -> None:
        origin = f"http://127.0.0.1:{port}"
        with urlopen(origin, timeout=ANSWER_SECONDS) as page:
            page.read()
        self._socket = connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            origin=origin,
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
        )
        self._canvas = self._fragment = ""

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open_page(self, name: str) -> Answer:
        """Open a page by its name in the address."""
        message = BackMsg()
        message.rerun_script.page_name = name
        return self._ask(message)

    def end_stroke(self, png: bytes) -> Answer:
        """Send what the canvas sends when the pen is lifted."""
        address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        drawing = {"raw": {"objects": [{"type": "path"}]}, "data": address}
        message = BackMsg()
        message.rerun_script.page_name = "read"
        message.rerun_script.fragment_id = self._fragment
        state = WidgetState(
            id=self._canvas,
            json_value=json.dumps({"drawing": drawing, "backgroundFit": None}),
        )
        message.rerun_script.widget_states.widgets.append(state)
        return self._ask(message)

    def _ask(self, message: BackMsg) -> Answer:
        began, parts, words, errors = time.perf_counter(), 0, [], []
        self._socket.send(message.SerializeToString())
        while True:
            found = ForwardMsg()
            found.ParseFromString(self._socket.recv(ANSWER_SECONDS))
            kind = found.WhichOneof("type")
            if kind == "delta":
                parts += 1
                words.append(str(found.delta.new_element))
                self._note_canvas(found)
                if found.delta.new_element.WhichOneof("type") == "exception":
                    errors.append(found.delta.new_element.exception.message)
            if kind == "script_finished":
                if found.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    continue
                seconds = time.perf_counter() - began
                if found.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    errors.append("the page could not be compiled")
                return Answer(seconds, parts, "\n".join(words), tuple(errors))

    def _note_canvas(self, found: ForwardMsg) -> None:
        element = found.delta.new_element
        is_ours = element.WhichOneof("type") == "bidi_component"
        if is_ours and CANVAS in element.bidi_component.component_name:
            self._canvas = element.bidi_component.id
            self._fragment = found.delta.fragment_id


def draw_digit(rng: np.random.Generator, digit: int) -> bytes:
    """Draw a digit on the canvas; return its PNG, RGBA, dark ink on white."""
    ink = draw_strokes(rng, digit, int(rng.integers(120, 240)), PEN)
    page = np.zeros((SIDE, SIDE), np.uint8)
    left, top = ((SIDE - side) // 2 for side in ink.shape[::-1])
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    gray = 255 - page
    opaque = np.full_like(page, 255)
    return cv2.imencode(".png", np.dstack([gray, gray, gray, opaque]))[1].tobytes()
