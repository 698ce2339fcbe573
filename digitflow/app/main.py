"""Which pages there are; Streamlit runs `main` once for each look at one."""

from collections.abc import Callable
from importlib import import_module

import numpy as np
import streamlit as st
from PIL import Image

from digitflow.app.resources import is_shut_out, mending, offer_login, require_login

# In this order; the first one is the first that people see.
PAGES = {
    "overview": ("Overview", "dashboard"),
    "read": ("Read", "draw"),
    "batch": ("Batch", "photo_library"),
    "review": ("Review", "rate_review"),
    "predict": ("Predict", "tune"),
    "data": ("Data", "dataset"),
    "models": ("Models", "leaderboard"),
    "studies": ("Studies", "science"),
    "monitor": ("Monitor", "monitoring"),
}


# Streamlit's own small print has a contrast of 4.0 on the reports' ground; 4.5 is readable.
_STYLE = """<style>
[data-testid="stCaptionContainer"], [data-testid="stImageCaption"], kbd {
  opacity: 0.85 !important;
}
</style>"""


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="digitflow", page_icon=draw_icon(), layout="wide")
    st.html(_STYLE)
    if is_shut_out():
        require_login()
        return
    pages = [
        st.Page(
            open_page(name),
            title=title,
            icon=f":material/{icon}:",
            url_path=name,
            default=name == "overview",
        )
        for name, (title, icon) in PAGES.items()
    ]
    chosen = st.navigation(pages)
    offer_login()
    chosen.run()


def draw_icon() -> Image.Image:
    """Return the page's icon, a 7 as models see it: Streamlit fetches its own from afar."""
    icon = np.full((28, 28), 255, np.uint8)
    icon[5:9, 6:22] = 0
    for row in range(9, 24):
        left = 19 - (row - 8) // 2
        icon[row, left : left + 4] = 0
    return Image.fromarray(icon)


def open_page(name: str) -> Callable[[], None]:
    """Return what shows a page; its module is imported when it is first shown."""

    def show() -> None:
        with mending():
            import_module(f"digitflow.app.pages.{name}").show()

    return show


if __name__ == "__main__":
    main()
