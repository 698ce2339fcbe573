"""Overview: everything on one page."""

import streamlit as st


def show() -> None:
    """Show the page."""
    st.title("digitflow")
