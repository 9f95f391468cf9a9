# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A drift report as JUnit's XML: a suite for each host, a test for each of its layers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import DRIFTED, EQUAL, UNKNOWN

#: Characters that XML has no form for.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Mapping[str, Any]) -> str:
    """Return the report as XML. A drift is a failure; what is unknown or unreachable is an error."""
    titles = {layer["id"]: layer["title"] for layer in report["layers"]}
    suites = ET.Element("testsuites", name="drift")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for name, host in report["hosts"].items():
        suite = ET.SubElement(suites, "testsuite", name=_text(name), timestamp=report["created"][:19])
        cases = _cases(host, titles)
        own = {
            "tests": len(cases),
            "failures": sum(state == DRIFTED for _title, state, _text_of in cases),
            "errors": sum(state not in (EQUAL, DRIFTED) for _title, state, _text_of in cases),
        }
        for title, state, text in cases:
            case = ET.SubElement(suite, "testcase", classname=_text(name), name=_text(title))
            if state != EQUAL:
                kind = "failure" if state == DRIFTED else "error"
                found = ET.SubElement(case, kind, type=state, message=_text(text.partition("\n")[0]))
                found.text = _text(text)
        for key, value in own.items():
            suite.set(key, str(value))
            totals[key] += value
        suite.set("time", str(host["seconds"] or 0))
    for key, value in totals.items():
        suites.set(key, str(value))
    suites.set("time", str(report["seconds"]))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _cases(host: Mapping[str, Any], titles: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the title, the state and the text of each test of a host."""
    if not host["layers"]:
        return [("Survey", host["state"], host["message"])]
    return [
        (title, host["layers"][id_]["state"], _of_layer(host["layers"][id_]))
        for id_, title in titles.items()
        if id_ in host["layers"]
    ]


def _of_layer(layer: Mapping[str, Any]) -> str:
    lines = [*layer["problems"], *layer["unknown"]]
    for change in layer["changes"]:
        lines += [f"{change['what']} would change", *change["why"], change["diff"]]
    if layer["state"] == UNKNOWN and not lines:
        lines = ["unknown"]
    return "\n".join(filter(None, lines))


def _text(text: str) -> str:
    return _NO_XML.sub("?", text)
