# SPDX-License-Identifier: GPL-3.0-or-later
"""People in a browser that trusts the authority, and nothing else: how they get in, and what they do there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from lab import wait
from lab.nodes import nodes
from lab.people import browser
from lab.people.browser import Browser, Output, Page

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
AUTHORITY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ca" / "ca.pem"
NAME = "gpu.evenkeel.test"
ANA, BO = f"https://ana.{NAME}/user/ana", f"https://bo.{NAME}/user/bo"
PLAYBOOK = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / GROUP / "converge.yml"
WHO = "import getpass; print(getpass.getuser())"
PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2, 4]);"


@pytest.fixture
def page() -> Iterator[Browser]:
    """A browser without anybody's cookies."""
    (node,) = nodes.find(GROUP)
    with browser.opened(trusted=AUTHORITY, hosts={NAME: node.address, f"*.{NAME}": node.address}) as page:
        yield page


@pytest.fixture
def token(host: Host) -> str:
    """Ana's."""
    return str(host.file("/etc/evenkeel/jupyter/ana/token").content_string)


def test_a_password_opens_ones_own_server_alone(page: Browser, token: str) -> None:
    assert page.open(f"{BO}/lab") is Page.LOGIN
    assert page.log_in("a guess") is Page.LOGIN
    assert page.log_in(token) is Page.LOGIN
    assert page.log_in("what bo types") is Page.LAB
    page.new_notebook("Plots")
    assert page.run(WHO).text == "bo\n"
    assert page.open(f"{ANA}/lab") is Page.LOGIN


def test_a_link_with_a_token_opens_it_and_a_cell_draws(page: Browser, token: str) -> None:
    assert page.open(f"{ANA}/lab?token=guess") is Page.LOGIN
    assert page.open(f"{ANA}/lab?token={token}") is Page.LAB
    assert page.driver.current_url == f"{ANA}/lab"
    page.new_notebook("Plots")
    assert page.run(WHO).text == "ana\n"
    assert page.run(PLOT).images == 1


def test_an_open_notebook_outlasts_a_reload(page: Browser, host: Host, token: str) -> None:
    page.open(f"{ANA}/lab?token={token}")
    page.new_notebook("Plots")
    page.run("kept = 42")
    host.check_output("systemctl reload nginx")
    assert page.run("print(kept)") == Output("42\n", "", 0)


def test_people_who_forget_the_s_come_in_all_the_same(page: Browser) -> None:
    assert page.open(f"http://bo.{NAME}/user/bo/lab") is Page.LOGIN
    assert page.driver.current_url.startswith(f"{BO}/login")


def test_the_cookie_is_of_one_host_and_a_logout_ends_it(page: Browser, token: str) -> None:
    page.open(f"{ANA}/api/status?token={token}")  # JupyterLab would go on asking, and log in again
    cookie = page.driver.get_cookie("__Host-notebook")
    assert cookie is not None
    assert (cookie["path"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == ("/", True, True, "Strict")
    page.open(f"{ANA}/logout")
    assert page.driver.get_cookie("__Host-notebook") is None
    assert page.open(f"{ANA}/lab") is Page.LOGIN


def test_no_log_has_the_token(page: Browser, host: Host, token: str) -> None:
    page.open(f"{ANA}/api/contents/nope?token={token}")
    assert host.run(f"grep --recursive {token} /var/log/nginx").rc == 1
    assert token not in host.check_output("journalctl --unit 'jupyter*'")


@pytest.fixture
def shared(host: Host) -> Iterator[None]:
    """All users at one host, as an earlier version had it."""
    converge("--extra-vars", json.dumps({"front_door_users_share_origin": True, "jupyter_restart_policy": "now"}))
    yield
    converge("--extra-vars", json.dumps({"front_door_users_share_origin": False, "jupyter_restart_policy": "now"}))


def converge(*options: str) -> None:
    inventory = PLAYBOOK.parents[1] / "inventory"
    subprocess.run(["ansible-playbook", f"--inventory={inventory}", PLAYBOOK, *options], check=True)


def attack(page: Browser, ana: str, bo: str) -> list[dict[str, str]]:
    """Have Bo, who is logged in, look at Ana's page; return Bo's terminals afterwards."""
    page.open(f"{bo}/lab")
    assert page.log_in("what bo types") is Page.LAB
    # She shows it without asking for a password.
    page.open(f"{ana}/static/attack.html?{bo}/")
    wait.until(lambda: page.driver.title == "done", "the attack ends", "look at the page", seconds=120)
    assert len(json.loads(page.text)) == 2
    page.open(f"{bo}/api/terminals")
    found: list[dict[str, str]] = json.loads(page.text)
    return found


def test_a_page_of_anas_opens_no_terminal_as_bo(page: Browser) -> None:
    assert attack(page, ANA, BO) == []


@pytest.mark.usefixtures("shared")
def test_where_users_share_an_origin_it_does(page: Browser) -> None:
    site = f"https://{NAME}/user"
    assert attack(page, f"{site}/ana", f"{site}/bo") != []
