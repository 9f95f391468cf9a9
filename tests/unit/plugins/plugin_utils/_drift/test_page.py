# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a drift report, without a browser: one file, nothing from outside, and no text becomes HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page, states

from maintenance.made_up_fleet import fleet

SAMPLE = Path(__file__).with_name("sample_report.json")
#: What ends the page's scripts, comments, attributes and lines where it is not escaped.
HOSTILE = (
    "</script><script>window.broken = 1</script>",
    "<!--<script>",
    "<img src=x onerror=window.broken=1>",
    '" onmouseover="window.broken=1\' autofocus onfocus="window.broken=1',
    "\u2028window.broken = 1\u2029",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:window.broken=1//&amp;&lt;%3Cscript%3E",
    "\u202egnp.exe",
    "]]>\\u003cscript>\ud800",
)

Found = dict[str, Any]


class Tags(HTMLParser):
    """All elements of a page, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in:
            self.texts[self._in][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements with a name."""
        return [attributes for name, attributes in self.found if name == tag]


def sample() -> Found:
    report: Found = json.loads(SAMPLE.read_text())
    return report


def hostile(text: str) -> Found:
    """Return a report, each text of which that could come from a node or an inventory is ``text``."""
    report = sample()
    report["site"].update(path=text, branch=text)
    report["limit"] = text
    for entry in report["layers"]:
        entry["title"] += text
    for host in report["hosts"].values():
        host.update(message=text, groups=[text], release=text, gpus=[text], reboot=[text], restarts=[text])
        for layer in host["layers"].values():
            layer.update(problems=[text], unknown=[text], notes=[text], found={text: text}, declared={text: [text]})
            layer["changes"] = [{"what": text, "why": [text], "diff": f"-{text}\n+{text}\n"}]
    report["hosts"] = {f"{name}{text}": host for name, host in report["hosts"].items()}
    return report


def data_of(text: str) -> Found:
    (found,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', text, re.DOTALL)
    parsed: Found = json.loads(found)
    return parsed


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_an_element_or_ends_the_data(text: str) -> None:
    plain, full = (Tags(page.render(hostile(word), [])) for word in ("plain", text))
    assert [tag for tag, _ in full.found] == [tag for tag, _ in plain.found]
    assert [sorted(attributes) for _, attributes in full.found] == [sorted(attributes) for _, attributes in plain.found]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_whole_in_the_data(text: str) -> None:
    rendered = page.render(hostile(text), [])
    rendered.encode()
    found = data_of(rendered)
    assert list(found["hosts"]) == list(hostile(text)["hosts"])
    assert all(layer["changes"][0]["diff"] == f"-{text}\n+{text}\n" for layer in found["contents"])


@pytest.mark.parametrize("text", ["<", ">", "&", "\u2028", "\u2029"])
def test_the_data_has_no_sign_that_html_or_a_script_reads(text: str) -> None:
    rendered = page.render(hostile(text), [])
    (found,) = re.findall(r'id="report">(.*?)</script>', rendered, re.DOTALL)
    assert text not in found


def test_the_page_is_under_a_policy_that_lets_nothing_in() -> None:
    rendered = page.render(sample(), [])
    tags = Tags(rendered)
    (meta,) = [one for one in tags.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    policy = dict(rule.strip().split(" ", 1) for rule in str(meta["content"]).split(";"))
    style, script = tags.texts["style"][0], tags.texts["script"][-1]
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'",
        "script-src": f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }


def test_the_page_names_nothing_outside() -> None:
    tags = Tags(page.render(sample(), []))
    named = [
        value for _, found in tags.found for key, value in found.items() if key in ("src", "href", "action", "srcset")
    ]
    assert named
    assert [value for value in named if not str(value).startswith(("#", "data:"))] == []
    assert not re.search(r"url\(|@import", tags.texts["style"][0])
    assert [found for _, found in tags.found if any(key.startswith("on") or key == "style" for key in found)] == []


def test_every_state_has_a_mark_of_its_own() -> None:
    assert list(page.MARKS) == list(states.ORDER)
    assert len(set(page.MARKS.values())) == len(page.MARKS)


def test_every_host_and_every_layer_is_in_the_matrix() -> None:
    report = sample()
    tags = Tags(page.render(report, []))
    rows = [found["data-host"] for found in tags.of("tr") if "data-host" in found]
    assert sorted(map(str, rows)) == sorted(report["hosts"])
    links = {found["href"] for found in tags.of("a")}
    expected = {
        page.fragment(name, key)
        for name, host in report["hosts"].items()
        for key, layer in host["layers"].items()
        if layer["state"] != "equal" or layer["notes"]
    }
    assert expected
    assert links >= expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["fbae041b02c4", "main", "2026-11-29 02:00 UTC", "34.7 s", "/srv/site/inventories/production"]),
        ({"site": {"dirty": True}}, ["with changes that are not committed"]),
        ({"site": {"tag": "v2026.11"}}, ["v2026.11"]),
        ({"site": {"commit": None, "branch": None, "note": "in no repository"}}, ["none: in no repository"]),
        ({"limit": "rack_a"}, ["Limited to", "rack_a"]),
    ],
)
def test_when_by_what_commit_and_how_long(changes: Found, words: list[str]) -> None:
    report = sample()
    for key, value in changes.items():
        report[key] = {**report[key], **value} if isinstance(value, dict) else value
    text = re.sub(r"<[^>]*>", "", page.render(report, []).partition("</header>")[0])
    assert [word for word in words if word not in text] == []


def test_a_report_without_an_answer_is_a_table_still() -> None:
    report = sample()
    report["layers"] = []
    for host in report["hosts"].values():
        host.update(state="unreachable", digest=None, layers={}, message="No route to host")
    tags = Tags(page.render(report, []))
    heads = [found for found in tags.of("th") if found.get("scope") == "col"]
    assert [found["colspan"] for found in tags.of("td") if found.get("class") == "message"] == ["1"] * 13
    assert [found["colspan"] for found in tags.of("th") if found.get("scope") == "rowgroup"] == ["5"]
    assert len(heads) == 5 + 6


@pytest.mark.parametrize(
    ("count", "differing", "headline"),
    [(6, 0, "All 6 hosts are as declared"), (6, 2, "2 of 6 hosts are not as declared")],
)
def test_the_title_has_the_answer(count: int, differing: int, headline: str) -> None:
    tags = Tags(page.render(*fleet(count, differing)))
    assert tags.texts["h1"] == [headline]
    assert tags.texts["title"][0].startswith(headline)


def test_many_hosts_that_are_alike_are_a_row_and_few_are_not() -> None:
    few, many = (Tags(page.render(*fleet(count, 0))) for count in (page.FOLDED - 1, page.FOLDED))
    assert [found for found in few.of("tr") if found.get("class") == "bundle"] == []
    assert len([found for found in many.of("tr") if found.get("class") == "bundle"]) == 1


def test_layers_that_hosts_have_alike_are_in_the_page_once() -> None:
    report, _ = fleet(50, 0)
    assert len(page.shared(report)["contents"]) <= len(report["layers"])


def stretch(first: str, last: str, reports: int, **what: Any) -> Found:
    return {**what, "first": f"2026-11-{first}T02:00:00Z", "last": f"2026-11-{last}T02:00:00Z", "reports": reports}


def test_a_timeline_has_a_stretch_for_each_time_in_which_nothing_changed() -> None:
    seen = {"20": "equal", "21": "equal", "22": "drifted", "23": "drifted", "24": "equal"}
    reports = [
        {"created": f"2026-11-{day}T02:00:00Z", "hosts": {"a": {"state": state, "digest": state, "more": day}}}
        for day, state in seen.items()
    ]
    assert page.timelines(["a", "new"], reports) == {
        "a": [
            stretch("20", "21", 2, state="equal", digest="equal"),
            stretch("22", "23", 2, state="drifted", digest="drifted"),
            stretch("24", "24", 1, state="equal", digest="equal"),
        ],
        "new": [],
    }


def test_the_history_is_put_in_order_and_ends_with_the_report() -> None:
    report, history = fleet(3, 1)
    mixed = [*reversed(history), *history, report, {**report, "created": "2027-01-01T00:00:00+00:00"}]
    assert page.render(report, mixed) == page.render(report, history)


@pytest.mark.parametrize(
    ("ages", "text"),
    [
        ({"a": "2026-11-29T02:00:10+00:00"}, "new"),
        ({"a": "2026-11-29T01:00:10+00:00"}, "1 h"),
        ({"a": "2026-11-26T02:00:09+00:00"}, "3 d"),
        (
            {"a": "2026-11-26T02:00:09+00:00", "b": None, "c": "2026-11-29T02:00:10Z", "d": "2026-11-28T02:00:10Z"},
            "new to 3 d",
        ),
        ({"a": None}, ""),
    ],
)
def test_for_how_long_hosts_differ(ages: dict[str, str | None], text: str) -> None:
    report = {"created": "2026-11-29T02:00:10+00:00", "hosts": {name: {"since": since} for name, since in ages.items()}}
    assert page._ages(report, ages) == text
