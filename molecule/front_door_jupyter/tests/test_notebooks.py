# SPDX-License-Identifier: GPL-3.0-or-later
"""People in a browser that trusts the authority, and nothing else: how they get in, and what they do there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from lab import browser, nodes
from lab.browser import Browser, Output, Page

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
AUTHORITY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ca" / "ca.pem"
SITE = "https://gpu.evenkeel.test"
WHO = "import getpass; print(getpass.getuser())"
PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2, 4]);"


@pytest.fixture
def page() -> Iterator[Browser]:
    """A browser without anybody's cookies."""
    (node,) = nodes.find(GROUP)
    with browser.opened(trusted=AUTHORITY, hosts={"gpu.evenkeel.test": node.address}) as page:
        yield page


@pytest.fixture
def token(host: Host) -> str:
    """Ana's."""
    return str(host.file("/etc/evenkeel/jupyter/ana/token").content_string)


def test_a_password_opens_ones_own_server_alone(page: Browser, token: str) -> None:
    assert page.open(f"{SITE}/user/bo/lab") is Page.LOGIN
    assert page.log_in("a guess") is Page.LOGIN
    assert page.log_in(token) is Page.LOGIN
    assert page.log_in("what bo types") is Page.LAB
    page.new_notebook("Plots")
    assert page.run(WHO).text == "bo\n"
    assert page.open(f"{SITE}/user/ana/lab") is Page.LOGIN


def test_a_link_with_a_token_opens_it_and_a_cell_draws(page: Browser, token: str) -> None:
    assert page.open(f"{SITE}/user/ana/lab?token=guess") is Page.LOGIN
    assert page.open(f"{SITE}/user/ana/lab?token={token}") is Page.LAB
    page.new_notebook("Plots")
    assert page.run(WHO).text == "ana\n"
    assert page.run(PLOT).images == 1


def test_an_open_notebook_outlasts_a_reload(page: Browser, host: Host, token: str) -> None:
    page.open(f"{SITE}/user/ana/lab?token={token}")
    page.new_notebook("Plots")
    page.run("kept = 42")
    host.check_output("systemctl reload nginx")
    assert page.run("print(kept)") == Output("42\n", "", 0)


def test_people_who_forget_the_s_come_in_all_the_same(page: Browser) -> None:
    assert page.open("http://gpu.evenkeel.test/user/bo/lab") is Page.LOGIN
    assert page.driver.current_url.startswith(f"{SITE}/user/bo/login")
