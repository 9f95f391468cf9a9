# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the drift report's page in a headless Chromium, for fleets that don't exist. It reports; it judges nothing.

    make bench-drift-page

Each time ends with the frame that shows what was asked for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page
from rich.console import Console
from rich.table import Table
from selenium.webdriver import Chrome

from lab.people import browser
from maintenance.made_up_fleet import fleet

#: Hosts, how many of them differ, and whether each differs in a way of its own.
FLEETS = ((50, 8, False), (500, 50, False), (500, 500, True))
#: What is timed, as a script that does it.
DEEDS = {
    "search": 'const field = document.querySelector("input[type=search]"); field.value = "torch 2"; tell(field)',
    "state": 'const box = document.querySelector("input[value=drifted]"); box.checked = true; tell(box)',
    "open": 'document.querySelector("#hosts tr:not([hidden]) td a").click()',
    "unfold": 'document.querySelector("tr.bundle:not([hidden]) button")?.click()',
}
TIMED = """
const done = arguments[0], start = performance.now();
const tell = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));
%s;
requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
"""
LOADED = """
const done = arguments[0], [navigation] = performance.getEntriesByType("navigation");
const [paint] = performance.getEntriesByName("first-contentful-paint");
requestAnimationFrame(() => setTimeout(() => done(Math.max(navigation.loadEventEnd, paint?.startTime ?? 0))));
"""


@dataclass(frozen=True)
class Figures:
    """What a page took.

    Attributes
    ----------
    size, rendered
        Its size in MB, and how many seconds it took to write it.
    elements
        How many elements it has when it is loaded.
    times
        Milliseconds, the median of several tries: ``load`` and each of the deeds.
    """

    size: float
    rendered: float
    elements: int
    times: dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=5, help="how often each thing is timed (5)")
    tries = parser.parse_args().tries
    table = Table("hosts", "differ", "MB", "write, s", "elements", *(f"{name}, ms" for name in ("load", *DEEDS)))
    with TemporaryDirectory() as folder, browser.opened() as opened:
        for count, differing, alone in FLEETS:
            found = measure(opened.driver, Path(folder) / "report.html", fleet(count, differing, alone=alone), tries)
            row = (count, differing, f"{found.size:.1f}", f"{found.rendered:.1f}", found.elements)
            table.add_row(*map(str, row), *(f"{value:.0f}" for value in found.times.values()))
        version = opened.driver.capabilities["browserVersion"]
    Console().print(table)
    print(f"Chromium {version} without a screen, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def measure(
    driver: Chrome, file: Path, of: tuple[dict[str, object], Sequence[dict[str, object]]], tries: int
) -> Figures:
    """Write a page, open it and use it."""
    begin = time.perf_counter()
    text = page.render(*of)
    rendered = time.perf_counter() - begin
    file.write_text(text)
    times: dict[str, list[float]] = {name: [] for name in ("load", *DEEDS)}
    elements = 0
    for _ in range(tries):
        for name, deed in DEEDS.items():
            driver.get("about:blank")
            driver.get(file.as_uri())
            times["load"].append(driver.execute_async_script(LOADED))
            elements = driver.execute_script("return document.querySelectorAll('*').length")
            times[name].append(driver.execute_async_script(TIMED % deed))
    return Figures(
        len(text.encode()) / 1e6, rendered, elements, {name: statistics.median(all_) for name, all_ in times.items()}
    )


if __name__ == "__main__":
    main()
