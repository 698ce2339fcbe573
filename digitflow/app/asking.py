"""Where a picture comes from: drawn, a file, the clipboard, the camera, or a sample."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import streamlit as st

from digitflow.app.resources import open_tested
from digitflow.app.widgets import enlarge
from digitflow.errors import InputError
from digitflow.images.files import SUFFIXES
from digitflow.images.pictures import MAX_FILE_BYTES
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store

SIDE = 300
PENS = {"thin": 10, "usual": 20, "thick": 30}
DRAWN, UPLOADED, PHOTO, SAMPLE = "Draw", "Upload or paste", "Photo", "Sample"
SOURCES = (DRAWN, UPLOADED, PHOTO, SAMPLE)
ONE, PAGE = "One digit", "Several digits"

_PASTE_HTML = '<button type="button">Paste a picture</button><span role="status"></span>'
_PASTE_CSS = """
button { font: inherit; color: var(--st-text-color); padding: .35rem .8rem; cursor: pointer;
  background: var(--st-secondary-background-color); border-radius: var(--st-button-radius);
  border: 1px solid var(--st-border-color); min-height: 2.5rem; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
span { color: var(--st-text-color); margin-left: .6rem; }
"""
# Ctrl+V works anywhere on the page; the button asks the browser for the clipboard.
_PASTE_JS = """
export default function ({ parentElement, setTriggerValue }) {
  const said = parentElement.querySelector('span');
  const send = (blob) => {
    const reader = new FileReader();
    reader.onload = () => setTriggerValue('picture', reader.result);
    reader.readAsDataURL(blob);
    said.textContent = '';
  };
  const take = (event) => {
    for (const item of event.clipboardData?.items ?? []) {
      if (item.kind === 'file' && item.type.startsWith('image/')) {
        send(item.getAsFile());
        event.preventDefault();
        return;
      }
    }
  };
  document.addEventListener('paste', take);
  parentElement.querySelector('button').onclick = async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((name) => name.startsWith('image/'));
        if (type) return send(await item.getType(type));
      }
      said.textContent = 'There is no picture in the clipboard.';
    } catch {
      said.textContent = 'Press Ctrl+V (or Cmd+V) instead.';
    }
  };
  return () => document.removeEventListener('paste', take);
}
"""


@dataclass(frozen=True)
class Picture:
    """What somebody showed.

    Attributes
    ----------
    source : str
        One of `SOURCES`.
    content : bytes or ndarray
        A file's, or pixels.
    name : str
        What errors and the predictions call it.
    truth : int or None
        What a sample's label says.
    """

    source: str
    content: Any
    name: str
    truth: int | None = None

    @property
    def digest(self) -> str:
        """Tells one from another."""
        content = self.content
        return sha256(content if isinstance(content, bytes) else content.tobytes()).hexdigest()


def ask_kind() -> tuple[str, bool, bool]:
    """Return where the picture is from, whether it holds one digit, and whether to turn it."""
    turn = False
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        source = st.segmented_control(
            "Picture", SOURCES, default=DRAWN, required=True, key="source", wrap=True
        )
        count = st.segmented_control(
            "It shows", (ONE, PAGE), default=ONE, required=True, key="count"
        )
        if count == PAGE:
            turn = st.toggle(
                "Turn it if it lies on its side",
                help="Also if it is upside down: it is read as the way that reads best.",
            )
    return str(source), count == ONE, turn


def ask_picture(store: Store, champion: Champion, source: str, full: bool) -> Picture | None:
    ask: dict[str, Callable[[], Picture | None]] = {
        DRAWN: partial(_ask_drawing, full),
        UPLOADED: _ask_file,
        PHOTO: _ask_photo,
        SAMPLE: partial(_ask_sample, store, champion),
    }
    return ask[source]()


def _ask_drawing(full: bool) -> Picture | None:
    from streamlit_drawable_canvas import st_canvas

    pen = "usual"
    if full:
        chosen = st.segmented_control(
            "Pen", tuple(PENS), default="usual", required=True, key="pen"
        )
        pen = str(chosen)
    else:
        st.markdown("**Draw a digit**")
    drawn = st_canvas(
        stroke_width=PENS[pen],
        stroke_color="#000000",
        background_color="#ffffff",
        height=SIDE,
        width=SIDE,
        return_image_data=True,
        key="drawing",
    )
    pixels = drawn.image_data
    if pixels is None or is_blank(pixels):
        return None
    return Picture(DRAWN, pixels, "the drawing")


def is_blank(pixels: np.ndarray) -> bool:
    """Tell whether nothing is drawn in a canvas's pixels (height, width, 4)."""
    return bool((pixels == pixels[0, 0]).all())


def _ask_file() -> Picture | None:
    uploaded = st.file_uploader(
        "A picture's file",
        type=[suffix[1:] for suffix in SUFFIXES],
        max_upload_size=MAX_FILE_BYTES >> 20,
        key="upload",
        help="PNG, JPEG, BMP, WebP, TIFF or PDF. What it is, is told by its content.",
    )
    pasted = _paste_component()(key="paste", on_picture_change=lambda: None).get("picture")
    if pasted:
        st.session_state["pasted"] = _decode_pasted(pasted)
    if uploaded is not None:
        st.session_state.pop("pasted", None)
        return Picture(UPLOADED, uploaded.getvalue(), uploaded.name)
    content = st.session_state.get("pasted")
    return None if content is None else Picture(UPLOADED, content, "the pasted picture")


@st.cache_resource
def _paste_component() -> Any:
    import streamlit.components.v2 as components

    return components.component(
        "digitflow_paste", html=_PASTE_HTML, css=_PASTE_CSS, js=_PASTE_JS
    )


def _decode_pasted(address: str) -> bytes:
    """Return the bytes of a `data:` address; nothing where it is none."""
    encoded = str(address).partition(";base64,")[2]
    if len(encoded) > 4 * (MAX_FILE_BYTES // 3):
        raise InputError(f"the pasted picture is larger than {MAX_FILE_BYTES >> 20} MB")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise InputError(f"what was pasted is no picture: {exc}") from exc


def _ask_photo() -> Picture | None:
    taken = st.camera_input("A photo of digits on paper", key="photo")
    return None if taken is None else Picture(PHOTO, taken.getvalue(), "the photo")


def _ask_sample(store: Store, champion: Champion) -> Picture | None:
    tested = open_tested(store, champion)
    if tested is None:
        st.info("The images that this version was tested on are not in the store any more.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        digit = st.segmented_control(
            "A test image of", range(10), default=0, required=True, key="sample", wrap=True
        )
        if st.button("Another", icon=":material/refresh:"):
            st.session_state["sample_number"] = st.session_state.get("sample_number", 0) + 1
    rows = np.flatnonzero(tested.labels == digit)
    if not len(rows):
        return None
    image = np.array(tested.images[rows[st.session_state.get("sample_number", 0) % len(rows)]])
    st.image(enlarge(image, SIDE), caption=f"Its label says {digit}.", alt="the test image")
    return Picture(SAMPLE, image, "the test image", int(digit or 0))
