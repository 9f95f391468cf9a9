# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the documentation's pictures of the drift report and of the review: ``make report-pictures``.

Each is a screenshot of the page for a fleet that doesn't exist, as a headless Chromium shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page as drift
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import page as review

from lab.people import browser
from maintenance.made_up_fleet import fleet
from maintenance.made_up_review import reviewed

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 1280


@dataclass(frozen=True)
class Picture:
    """A page and the part of it that is shown."""

    name: str
    page: str
    height: int
    #: What is open, by its fragment; else nothing is.
    fragment: str = ""


def pictures() -> Iterator[Picture]:
    """Return all."""
    yield Picture("drift-report", drift.render(*fleet(64, 11)), 1130, drift.fragment("gpu-011", "driver"))
    yield Picture("review", review.render(reviewed()), 1000)


def main() -> None:
    """Write the pictures."""
    with TemporaryDirectory() as folder, browser.opened() as opened:
        for picture in pictures():
            file = Path(folder) / f"{picture.name}.html"
            file.write_text(picture.page)
            metrics = {"width": WIDTH, "height": picture.height, "deviceScaleFactor": 1, "mobile": False}
            opened.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            opened.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            opened.driver.get(f"{file.as_uri()}{picture.fragment}")
            opened.driver.execute_script("scrollTo(0, 0)")
            opened.screenshot(IMAGES / f"{picture.name}.png")


if __name__ == "__main__":
    main()
