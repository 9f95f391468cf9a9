# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a review in Chromium: it is accessible, and stays within a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import page

from lab.people import browser
from tests.unit.plugins.plugin_utils._drift.test_page_in_browser import DESKTOP, PHONE, Page
from tests.unit.plugins.plugin_utils._review.test_report import full

OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("review") / "review.html"
    written.write_text(page.render(full("plain")))
    return written


def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(file: Path) -> None:
    with browser.opened() as opened:
        sheet = Page(opened.driver, file)
        for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
            sheet.open(size=size, scheme=scheme)
            sheet.run(OPEN)
            assert sheet.faults() == []
            assert not sheet.run(WIDER)
            assert sheet.console() == []
