# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees: a real browser, through SSH, from the login page to a plot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.nodes import nodes
from lab.people import browser
from lab.people.browser import Browser, Page

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
#: What the browser showed at the end, for people who read the run.
ARTEFACTS = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "build" / "screenshots"
PLOT = """
import matplotlib.pyplot as plt
import numpy as np
x = np.linspace(0, 4 * np.pi, 400)
plt.figure(figsize=(7, 2.6))
plt.plot(x, np.sin(x) * np.exp(-x / 8))
plt.title("A cell of the environment ai-dev")
plt.show()
print("drawn with", plt.matplotlib.__name__)
"""


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser.opened() as opened:
        yield opened


def test_a_person_gets_in_with_the_password_alone_and_computes(host: Host, window: Browser) -> None:
    (node,) = (node for node in nodes.find(GROUP) if node.name == host.backend.host)
    with browser.tunnel(node.address, 8888) as url:
        assert window.open(f"{url}/lab?token=wrong") is Page.LOGIN
        assert window.log_in("wrong") is Page.LOGIN
        assert "Wrong password" in window.text
        assert window.log_in("correct horse battery staple") is Page.LAB
        assert set(window.kernels) == {"AI (Python 3.11)", "Python (minimal)"}
        window.new_notebook("Python (minimal)")
        assert "/generations/minimal/" in window.run("import sys; print(sys.prefix)").text
        window.new_notebook("AI (Python 3.11)")
        shown = window.run(PLOT)
        assert (shown.images, shown.text, shown.errors) == (1, "drawn with matplotlib\n", "")
        window.screenshot(ARTEFACTS / f"jupyterlab-{node.name}.png")
