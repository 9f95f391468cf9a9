# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile user of a node can do against the operator's runs, and to an honest user beside them: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

SITE = "lib/python3.11/site-packages"
ALIASES = "\n".join(
    ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
)
SETTINGS = ".vscode-server/data/Machine/settings.json"
#: Where it is in her home, and how it gets there.
MISCHIEF = {
    ".condarc": f"cat >.condarc <<'END'\n{ALIASES}\nEND\n",
    ".conda/condarc": "mkfifo .conda/condarc",
    ".config/conda/condarc": "mkdir -p .config/conda; truncate -s 40G .config/conda/condarc",
    ".conda/environments.txt": "mkfifo .conda/environments.txt",
    SETTINGS: (f"mkdir -p {SETTINGS.rpartition(chr(47))[0]}; head -c 100000 /dev/zero | tr '\\\\0' '[' >{SETTINGS}"),
}
ESCAPES = (
    r"mkdir -p .conda/condarc.d; printf 'channels: [x]\n' > .conda/condarc.d/$'z\a\e]0;pwned\a\e[2K\r\e[32mok\e[0m.yml'"
)
BROKEN_TORNADO = f"mkdir -p .local/{SITE}/tornado; echo 'raise ImportError(1)' >.local/{SITE}/tornado/__init__.py"


@pytest.fixture(scope="module")
def mischief(as_mallory: Callable, the_node: Host) -> Iterator[None]:
    """Have all of it in the hostile user's home at once."""
    for script in ("rm -rf .conda .vscode-server; mkdir .conda", *MISCHIEF.values(), ESCAPES, BROKEN_TORNADO):
        done = as_mallory(script)
        assert done.rc == 0, done.stderr
    yield
    the_node.check_output("rm -rf /home/mallory/.conda* /home/mallory/.config /home/mallory/.vscode-server")


@pytest.fixture(scope="module")
def run(mischief: None, work: object, site: Callable, the_node: Host) -> object:
    """A run of the site on a node with a hostile home."""
    the_node.check_output("systemctl restart jupyter@mallory")
    return site()


def test_the_run_goes_on(run) -> None:
    assert run.status == 0, run.output


@pytest.mark.parametrize("path", MISCHIEF)
def test_it_names_the_user_and_the_file(run, path: str) -> None:
    assert f"/home/mallory/{path}" in run.about("mallory"), run.output


def test_no_control_sequence_reaches_the_terminal(run) -> None:
    assert not set("\x1b\x07\r") & set(run.output)
    assert r"\x1b[2K" in run.output


def test_the_honest_user_computes_on(run, work) -> None:
    assert "user_problems" not in run.about("bo")
    work.goes_on()


def test_her_own_server_runs_in_spite_of_her_packages(run, host: Host) -> None:
    assert host.service("jupyter@mallory").is_running


def test_on_request_her_problems_fail_the_run_at_its_end(mischief, site: Callable, work) -> None:
    run = site("condarc", evenkeel_user_problems_fail=True)
    assert run.status != 0
    last = run.output.rsplit("TASK [", 1)[1]
    assert "mallory" in last
    assert "fatal: " not in run.output.removesuffix(last)
    work.goes_on()


@pytest.mark.parametrize("mode", ["flood", "drip", "shape"])
def test_a_server_that_she_replaced_is_her_problem_alone(
    mode: str, site: Callable, replaced_server: Callable, host: Host, work
) -> None:
    host.check_output("systemctl restart jupyter@mallory")
    replaced_server(mode)
    run = site("jupyter")
    assert run.status == 0, run.output
    assert "The notebook server of mallory" in run.output
    assert "The notebook server of bo" not in run.output
    work.goes_on()


@pytest.mark.parametrize(
    "command",
    [
        f"echo import os >>/opt/evenkeel/envs/minimal/{SITE}/x.pth",
        f"echo 1 >>/opt/evenkeel/envs/minimal/{SITE}/ipykernel/__init__.py",
        "find /opt/evenkeel /opt/miniconda3/ /etc/conda /etc/evenkeel/jupyter/bo -writable -not -type l | grep .",
        "flock --nonblock /opt/evenkeel/locks true",
        "cat /etc/evenkeel/jupyter/bo/token",
        "ls /run/jupyter-bo",
        "/opt/evenkeel/envs/minimal/bin/python -m pip install --user six",
        "/opt/miniconda3/bin/conda install --prefix /opt/evenkeel/envs/minimal --yes six",
    ],
)
def test_she_changes_nothing_that_is_not_hers(as_mallory: Callable, command: str) -> None:
    done = as_mallory(command)
    assert done.rc != 0, done.stdout
