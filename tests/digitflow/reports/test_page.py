"""The report is one sound page that needs nothing beside itself."""

import json
import re
import subprocess
import sys
from base64 import b64decode

import cv2
import numpy as np
import pytest

from digitflow.evaluation.resampling import wilson_interval
from digitflow.reports.page import ReportFacts, render_report

HOSTILE = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }} 中文"


def test_the_report_is_one_balanced_page(facts, parse_page):
    html = render_report(facts)
    page = parse_page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert [len(page.find(tag)) for tag in ("html", "head", "body", "main", "h1")] == [1] * 5
    assert page.find("html")[0]["lang"] == "en"


def test_the_report_fetches_nothing_and_runs_nothing(facts, parse_page):
    html = render_report(facts)
    page = parse_page(html)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", html)
    policy = page.find("meta")[2]
    assert "default-src 'none'" in policy["content"]


def test_links_within_the_page_lead_somewhere(facts, render):
    page = render(facts)
    anchors = {attributes.get("id") for _, attributes in page.tags}
    assert {link["href"].removeprefix("#") for link in page.find("a")} <= anchors


def test_pictures_are_whole_and_described(facts, winner, render):
    images = render(facts).find("img")
    assert len(images) == 5
    for image in images:
        assert len(image["alt"]) > 20
        png = b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None
    assert b64decode(images[1]["src"].split(",")[1]) == winner.confusion


def test_table_headers_say_what_they_head(facts, render):
    headers = render(facts).find("th")
    assert len(headers) > 30
    assert all(header.get("scope") in ("col", "row") for header in headers)


def test_interval_bars_share_one_scale(facts, make_candidate):
    rows = (make_candidate("best", 200, winner=True), make_candidate("worst", 50))
    html = render_report(facts.model_copy(update={"leaderboard": rows}))
    low, high = wilson_interval(50, 200)
    left, right = re.findall(r'<i style="left:([\d.]+)%;right:calc\(100% - ([\d.]+)%\)', html)[
        1
    ]
    assert float(left) == 0
    assert float(right) == pytest.approx(100 * (high - low) / (1 - low), abs=0.01)


def strings_replaced(value, by):
    """Return the value with its strings, and keys that are sentences, replaced."""
    kept = {"state", "status", "started", "samples", "evaluation"}
    kept |= {"outcome", "verdict", "selective"}
    if isinstance(value, dict):
        return {
            by if " " in key else key: item if key in kept else strings_replaced(item, by)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [strings_replaced(item, by) for item in value]
    return by if isinstance(value, str) else value


def test_nothing_that_is_told_becomes_markup(facts, render, parse_page):
    plain = strings_replaced(facts.model_dump(), HOSTILE)
    hostile = ReportFacts.model_validate(plain)
    html = render_report(hostile)
    page = parse_page(html)
    assert page.find("script") == []
    assert HOSTILE in page.text
    assert "<script>" not in html
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in render(facts).tags}


def test_facts_survive_json(facts):
    text = facts.model_dump_json()
    json.loads(text)
    assert ReportFacts.model_validate_json(text) == facts


def test_equal_facts_give_equal_pages(facts):
    assert render_report(facts) == render_report(facts)


def test_importing_loads_neither_jinja_nor_matplotlib_nor_scikit_learn():
    code = (
        "import sys, digitflow.reports.page\n"
        "assert not {'jinja2', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
