# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the documentation's picture of the drift report: ``make report-picture``.

It is a screenshot of the page for a fleet of 64 nodes that doesn't exist, as a headless Chromium shows it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page

from lab.people import browser
from maintenance.made_up_fleet import fleet

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "drift-report.png"
WIDTH, HEIGHT = 1280, 1130
#: What is open.
OPEN = page.fragment("gpu-011", "driver")


def main() -> None:
    """Write the picture."""
    with TemporaryDirectory() as folder, browser.opened() as opened:
        file = Path(folder) / "report.html"
        file.write_text(page.render(*fleet(64, 11)))
        metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        opened.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        opened.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        opened.driver.get(f"{file.as_uri()}{OPEN}")
        opened.driver.execute_script("scrollTo(0, 0)")
        opened.screenshot(PICTURE)


if __name__ == "__main__":
    main()
