"""The report is one sound page that needs nothing beside itself."""

import re
import subprocess
import sys
from base64 import b64decode
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from pydantic import BaseModel

from digitflow.evaluation.resampling import wilson_interval
from digitflow.reports.training import RunReport, render_report

HOSTILE = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }} 中文"


def test_the_report_is_one_balanced_page(report, parse_page):
    html = render_report(report, "digits")
    page = parse_page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert [len(page.find(tag)) for tag in ("html", "head", "body", "main", "h1")] == [1] * 5
    assert page.find("html")[0]["lang"] == "en"


def test_the_report_fetches_nothing_and_runs_nothing(report, parse_page):
    html = render_report(report, "digits")
    page = parse_page(html)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", html)
    policy = page.find("meta")[2]
    assert "default-src 'none'" in policy["content"]


def test_links_within_the_page_lead_somewhere(report, render):
    page = render(report)
    anchors = {attributes.get("id") for _, attributes in page.tags}
    assert {link["href"].removeprefix("#") for link in page.find("a")} <= anchors


def test_pictures_are_whole_and_described(report, pictures, render):
    images = render(report).find("img")
    assert len(images) == 5
    for image in images:
        assert len(image["alt"]) > 20
        png = b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None
    assert b64decode(images[1]["src"].split(",")[1]) == pictures["confusion"]


def test_table_headers_say_what_they_head(report, render):
    headers = render(report).find("th")
    assert len(headers) > 30
    assert all(header.get("scope") in ("col", "row") for header in headers)


def test_interval_bars_share_one_scale(report, make_entry):
    entries = (make_entry("best", wrong=0), make_entry("worst", wrong=20))
    html = render_report(replace(report, entries=entries), "digits")
    low, high = wilson_interval(180, 200)
    bars = re.findall(r'<i style="left:([\d.]+)%;right:calc\(100% - ([\d.]+)%\)', html)
    left, right = map(float, bars[1])
    assert left == 0
    assert right == pytest.approx(100 * (high - low) / (1 - low), abs=0.01)


def make_hostile(value):
    """Return the value with the text in it replaced, whatever its type would allow."""
    kept = {"state", "started", "outcome", "verdict"}
    if isinstance(value, BaseModel):
        known = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {n: v if n in kept else make_hostile(v) for n, v in known.items()}
        return type(value).model_construct(**changed)
    if isinstance(value, dict):
        return {
            HOSTILE if " " in str(key) else key: item if key in kept else make_hostile(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [make_hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_nothing_that_is_told_becomes_markup(report, parse_page):
    told = {field.name: getattr(report, field.name) for field in fields(report)}
    started = told.pop("started")
    html = render_report(
        RunReport(
            **{name: make_hostile(value) for name, value in told.items()}, started=started
        ),
        "digits",
    )
    page = parse_page(html)
    assert page.find("script") == []
    assert HOSTILE in page.text
    assert "<script>" not in html
    assert {tag for tag, _ in page.tags} == {
        tag for tag, _ in parse_page(render_report(report, "digits")).tags
    }


def test_equal_reports_give_equal_pages(report):
    assert render_report(report, "digits") == render_report(report, "digits")


def test_importing_loads_neither_jinja_nor_matplotlib_nor_scikit_learn():
    code = (
        "import sys, digitflow.reports.page\n"
        "assert not {'jinja2', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
