# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with an installer that is a small shell script."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_distribution as logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import former_paths, shell_hook, terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.modules import conda_distribution

ROOT = Path(__file__).parents[4]
INSTALLER = """\
#!/bin/sh
set -eu
[ "$1 $2" = "-b -p" ]
echo run >>{calls}
mkdir -p "$3/conda-meta"
{then}
mkdir "$3/bin"
touch "$3/bin/conda"
"""

Result = dict[str, Any]


class Node:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capsys = directory, capsys
        self.prefix, self.store = directory / "opt" / "miniconda3", directory / "store"
        self.calls, self.end = directory / "calls", directory / "end"
        self.publish()

    def publish(self, then: str = "", version: str = "py313_26.7.1-0") -> None:
        """Offer an installer that does ``then`` half-way."""
        self.installer = self.directory / f"Miniconda3-{version}-Linux-x86_64.sh"
        self.installer.write_text(INSTALLER.format(calls=self.calls, then=then))

    @property
    def arguments(self) -> Result:
        return {
            "url": self.installer.as_uri(),
            "sha256": hashlib.sha256(self.installer.read_bytes()).hexdigest(),
            "prefix": str(self.prefix),
            "store": str(self.store),
            "retries": 0,
            "lock_timeout": 0,
            "shell_hook": False,
            "command_directory": "",
        }

    @property
    def home(self) -> Path:
        return self.store / f"{self.installer.stem}-{self.arguments['sha256'][:12]}"

    @property
    def runs(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def run(self, **more: object) -> Result:
        arguments = {**self.arguments, "_ansible_diff": True, **more}
        if "src" in more:
            del arguments["url"]
        handed = {name: arguments.pop(name) for name in logic.FROM_ACTION if name in arguments}
        with patch_module_args({**arguments, HANDED: handed}), pytest.raises(SystemExit):
            conda_distribution.main()
        result: Result = json.loads(self.capsys.readouterr().out)
        return result

    def kill_at_work(self) -> None:
        """Run the module in a process of its own, killed half-way; the installer survives it until ``let_end``."""
        os.mkfifo(self.end)
        self.publish(then=f"kill -KILL $PPID; timeout 60 cat {self.end}; exit 1")
        program = (
            "import json, sys\n"
            "from ansible.module_utils.testing import patch_module_args\n"
            "from ansible_collections.evenkeel.gpu.plugins.modules import conda_distribution\n"
            "with patch_module_args(json.loads(sys.argv[1])): conda_distribution.main()\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        argv = [sys.executable, "-c", program, json.dumps(self.arguments)]
        assert subprocess.run(argv, env=environment, check=False).returncode == -signal.SIGKILL

    def let_end(self) -> None:
        self.end.write_text("")


def fail(*arguments: object) -> None:
    raise AssertionError(arguments)


@pytest.fixture
def node(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with TemporaryDirectory(prefix="ek-") as short:  # conda bears no long paths
        monkeypatch.setattr(shell_hook, "PROFILE", f"{short}/etc/profile.d/evenkeel-conda.sh")
        monkeypatch.setattr(shell_hook, "ZSH_PROFILE", f"{short}/etc/zsh/zprofile")
        monkeypatch.setattr(shell_hook, "ZSH", f"{short}/etc/zsh")
        monkeypatch.setattr(shell_hook, "FISH_SHELL", f"{short}/etc/fish")
        monkeypatch.setattr(former_paths, "local_users", list)
        monkeypatch.setattr(former_paths, "OF_ALL", (f"{short}/etc/bash.bashrc",))
        monkeypatch.setattr(former_paths, "FOLDERS_OF_ALL", ())
        monkeypatch.setattr(former_paths, "SERVICES", f"{short}/etc/nsswitch.conf")
        monkeypatch.setattr(made, "FOLDER", f"{short}/made")
        monkeypatch.setattr(terms, "SITE", f"{short}/etc/conda/tos")
        monkeypatch.setattr(terms, "SYSTEM", (terms.SITE, f"{short}/var/lib/conda/tos"))
        yield Node(Path(short), capsys)


def test_install_and_then_nothing(node: Node) -> None:
    result = node.run()
    assert result["changed"]
    assert result["diff"] == {"before": "absent\n", "after": f"{node.home}\n"}
    assert (result["prefix"], result["home"]) == (str(node.prefix), str(node.home))
    assert node.prefix.readlink() == node.home
    second = node.run()
    assert not second["changed"]
    assert second["diff"]["before"] == second["diff"]["after"] == f"{node.home}\n"
    assert node.runs == 1


def test_check_mode_tells_the_same_and_touches_nothing(node: Node) -> None:
    before = sorted(node.directory.rglob("*"))
    checked = node.run(_ansible_check_mode=True)
    assert sorted(node.directory.rglob("*")) == before
    done = node.run()
    assert (checked["changed"], checked["diff"], checked["home"]) == (True, done["diff"], done["home"])
    assert not node.run(_ansible_check_mode=True)["changed"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{url} did not deliver ("),
        ("<!DOCTYPE html><title>Log in</title>", "{url} answered with an HTML page, not an installer. "),
        (f'#!/bin/sh\ntotal_installation_size_kb="{1 << 50}"\n', "{name} needs "),
    ],
    ids=["missing", "a page", "too large"],
)
def test_an_installer_that_would_fail_is_refused_in_check_mode(node: Node, content: str | None, message: str) -> None:
    place = node.directory / "mirror" / node.installer.name
    if content is not None:
        place.parent.mkdir()
        place.write_text(content)
    before = sorted(node.directory.rglob("*"))
    result = node.run(url=place.as_uri(), _ansible_check_mode=True)
    assert result["failed"]
    assert result["msg"].startswith(message.format(url=place.as_uri(), name=place.name))
    assert sorted(node.directory.rglob("*")) == before


def test_another_version_switches(node: Node) -> None:
    node.run()
    old = node.home
    node.publish(version="py311_26.7.1-0")
    assert node.run()["diff"] == {"before": f"{old}\n", "after": f"{node.home}\n"}
    assert node.prefix.readlink() == node.home
    assert old.is_dir()


@pytest.mark.parametrize("version", ["py313_26.7.1-0", "py311_26.7.1-0"], ids=["same version", "another version"])
def test_a_killed_run_is_healed_by_the_next(node: Node, version: str) -> None:
    node.kill_at_work()
    half_made = node.home
    node.publish(version=version)
    assert "is still locked by process" in node.run()["msg"]
    assert half_made.is_dir()
    assert not os.path.lexists(node.prefix)
    node.let_end()
    assert node.run(lock_timeout=60)["changed"]
    assert sorted(path.name for path in node.store.iterdir()) == [".locks", node.home.name]
    assert not node.run()["changed"]


def test_a_foreign_directory_is_refused_also_in_check_mode(node: Node) -> None:
    (node.prefix / "bin").mkdir(parents=True)
    for check_mode in (True, False):
        result = node.run(_ansible_check_mode=check_mode)
        assert result["failed"]
        assert result["msg"].startswith(f"{node.prefix} is a directory that Evenkeel did not make")
    assert [path.name for path in node.prefix.iterdir()] == ["bin"]
    assert not node.store.exists()
    assert node.runs == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sha256": "0" * 64}, "it was not executed and has been removed"),
        ({"sha256": "abc"}, "sha256 is 'abc', which is not 64 lower-case hexadecimal digits"),
        ({"url": "Miniconda3.sh"}, "url Miniconda3.sh is not an http, https or file URL"),
        ({"prefix": "/opt//miniconda3"}, "prefix is '/opt//miniconda3', which is not a normalised absolute path"),
        ({"sha256": None}, "sha256 is ''"),
    ],
)
def test_bad_input_fails_before_anything_is_executed(node: Node, arguments: Result, message: str) -> None:
    result = node.run(**arguments)
    assert result["failed"]
    assert message in result["msg"]
    assert node.runs == 0
    assert not os.path.lexists(node.prefix)
    assert not node.store.exists() or [path.name for path in node.store.iterdir()] == [".locks"]


def test_a_failed_installer_tells_what_it_said(node: Node) -> None:
    node.publish(then="echo unpacking; echo glibc is too old >&2; exit 3")
    result = node.run()
    assert result["msg"].startswith(f"{node.installer.name} ended with status 3: glibc is too old. ")
    assert (result["rc"], result["stdout"], result["stderr"]) == (3, "unpacking\n", "glibc is too old\n")
    assert [path.name for path in node.store.iterdir()] == [".locks"]


def test_another_run_on_the_same_store_is_named(node: Node) -> None:
    with held(str(node.store / ".locks" / "store"), 0):
        result = node.run()
    assert result["failed"]
    assert f"{node.store}/.locks/store is still locked by process {os.getpid()} (" in result["msg"]
    assert node.runs == 0


def test_what_another_run_did_meanwhile_is_not_done_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_the_other_run(path: str, timeout: float) -> object:
        monkeypatch.setattr(logic, "held", held)
        assert node.run()["changed"]
        return held(path, timeout)

    monkeypatch.setattr(logic, "held", wait_for_the_other_run)
    assert not node.run()["changed"]
    assert node.runs == 1


# an installer of the control node


def test_what_the_node_lacks_is_wanted_only_when_something_is_to_be_done(node: Node) -> None:
    of_control = {"src": f"/control/{node.installer.name}"}
    assert node.run(**of_control, _ansible_check_mode=True)["diff"]["after"] == f"{node.home}\n"
    wanted = node.run(**of_control)
    assert (wanted["changed"], wanted["wanted"]) == (False, True)
    assert not node.store.exists()
    brought = {**of_control, "brought": str(node.installer), "offline": True}
    assert node.run(**brought)["home"] == str(node.home)
    again = node.run(**of_control)
    assert not again["changed"]
    assert "wanted" not in again
    without_it = node.run(**of_control, shell_hook=True)
    assert without_it["changed"]
    assert "wanted" not in without_it
    assert node.runs == 1


def test_offline_nothing_is_downloaded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"https://mirror.example/miniconda/{node.installer.name}"
    monkeypatch.setattr(terms, "fetch", fail)
    channels = ["https://mirror.example/pkgs/main"]
    for check_mode in (True, False):
        result = node.run(url=url, offline=True, channels=channels, _ansible_check_mode=check_mode)
        assert result["msg"].startswith(f"{url} is to be installed, and offline is true. Name a file of the node by")
    assert not node.store.exists()
    node.run(offline=True, channels=channels)
    assert not node.run(url=url, offline=True, channels=channels)["changed"]


# removal


def test_removal_takes_all_but_environments_of_people(node: Node) -> None:
    node.run(shell_hook=True)
    inhabited, history = node.home, node.home / "envs" / "thesis" / "conda-meta" / "history"
    history.parent.mkdir(parents=True)
    history.touch()
    node.publish(version="py313_26.9.3-1")
    node.run(shell_hook=True)
    absent = {"state": "absent", "shell_hook": True}
    checked = node.run(**absent, _ansible_check_mode=True)
    assert node.prefix.is_symlink()
    done = node.run(**absent)
    assert done == checked
    assert done["changed"]
    assert done["home"] == ""
    assert done["stranded"] == [str(inhabited / "envs" / "thesis")]
    assert done["diff"]["before"] == f"{node.home}\nkept {node.home}\n"
    assert done["diff"]["after"] == f"absent\n- {shell_hook.PROFILE}\n"
    assert not os.path.lexists(node.prefix)
    assert not Path(shell_hook.PROFILE).exists()
    assert sorted(path.name for path in node.store.iterdir()) == [".locks", inhabited.name]
    assert history.exists()
    assert not node.run(**absent)["changed"]


def test_removal_from_a_bare_node_makes_nothing(node: Node) -> None:
    before = sorted(node.directory.rglob("*"))
    assert not node.run(state="absent")["changed"]
    assert sorted(node.directory.rglob("*")) == before


# shells


def test_shells_know_conda_where_that_is_wanted(node: Node) -> None:
    shown = node.run(shell_hook=True, _ansible_check_mode=True)["diff"]["after"]
    assert not Path(shell_hook.PROFILE).exists()
    assert node.run(shell_hook=True)["diff"]["after"] == shown == f"{node.home}\n~ {shell_hook.PROFILE}\n"
    assert f". {node.prefix}/etc/profile.d/conda.sh\n" in Path(shell_hook.PROFILE).read_text()
    assert not node.run(shell_hook=True)["changed"]
    assert node.run(shell_hook=False)["changed"]
    assert not Path(shell_hook.PROFILE).exists()
    assert node.prefix.is_symlink()


def test_what_others_wrote_during_the_installation_stays(node: Node) -> None:
    profile = Path(shell_hook.ZSH_PROFILE)
    profile.parent.mkdir(parents=True)
    profile.write_text("umask 027\n")
    node.publish(then=f"echo 'path+=/opt/bin' >>{profile}")
    assert node.run(shell_hook=True)["changed"]
    assert profile.read_text().startswith(f"umask 027\npath+=/opt/bin\n{shell_hook.BEGIN}\n")
    assert [thing.name for thing in made.read("conda_distribution")] == [str(profile)]
    node.run(shell_hook=False)
    assert made.read("conda_distribution") == []


# terms of service

CHANNEL = "https://repo.anaconda.com/pkgs/main"


@pytest.fixture
def channel_with_terms(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    def fetch(channels: list[str], timeout: float, ca_path: str | None) -> dict[str, terms.Terms | None]:
        if not channels:
            return {}
        assert channels == [CHANNEL]
        version = "2025-07-15T00:00:00Z"
        content = {"version": version, "text": "", "support": ""}
        return {CHANNEL: terms.Terms(CHANNEL, terms.moment(version), content)}

    monkeypatch.setattr(terms, "fetch", fetch)
    return [CHANNEL]


def test_terms_are_refused_before_anything_changes(node: Node, channel_with_terms: list[str]) -> None:
    before = sorted(node.directory.rglob("*"))
    for check_mode in (True, False):
        result = node.run(channels=channel_with_terms, _ansible_check_mode=check_mode)
        assert result["failed"]
        assert f"{CHANNEL} (version of 2025-07-15: {CHANNEL}/terms.json)" in result["msg"]
    assert sorted(node.directory.rglob("*")) == before


def test_terms_are_accepted_once(node: Node, channel_with_terms: list[str]) -> None:
    arguments = {"channels": channel_with_terms}
    line = f"+ terms of service of {CHANNEL}, 2025-07-15, accepted\n"
    shown = node.run(**arguments, accept_tos=True, _ansible_check_mode=True)["diff"]["after"]
    assert terms.accepted(CHANNEL, [terms.SITE]) is None
    assert node.run(**arguments, accept_tos=True)["diff"]["after"] == shown == f"{node.home}\n{line}"
    assert terms.accepted(CHANNEL, [terms.SITE])
    for accept_tos in (True, False):
        assert not node.run(**arguments, accept_tos=accept_tos)["changed"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the URLs that channels are asked for; none of them has terms."""
    urls: list[str] = []

    def open_url(url: str, **_: object) -> None:
        urls.append(url)
        raise HTTPError(url, 404, "Not Found", Message(), None)

    monkeypatch.setattr(terms, "open_url", open_url)
    return urls


def test_a_channel_without_terms_is_asked_once_for_each_installation(node: Node, asked: list[str]) -> None:
    other = "https://repo.anaconda.com/pkgs/r"
    assert node.run(channels=[CHANNEL])["changed"]
    for check_mode in (True, False):
        assert not node.run(channels=[CHANNEL], _ansible_check_mode=check_mode)["changed"]
    assert asked == [f"{CHANNEL}/terms.json"]

    for check_mode in (True, False):
        result = node.run(channels=[CHANNEL, other], _ansible_check_mode=check_mode)
        assert result["diff"]["after"] == f"{node.home}\n~ {other} has no terms of service\n"
    assert not node.run(channels=[CHANNEL, other])["changed"]
    assert asked == [f"{CHANNEL}/terms.json", f"{other}/terms.json", f"{other}/terms.json"]

    asked.clear()
    node.publish(version="py313_26.9.3-1")
    assert node.run(channels=[CHANNEL])["changed"]
    assert asked == [f"{CHANNEL}/terms.json"]


@pytest.mark.parametrize("noted", [None, 5, "x", {"a": 1}, [1]])
def test_a_note_that_is_damaged_is_made_again(node: Node, asked: list[str], noted: object) -> None:
    node.run(channels=[CHANNEL])
    marker = node.home / "conda-meta" / "evenkeel"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "without_terms": noted}))
    assert node.run(channels=[CHANNEL])["changed"]
    assert not node.run(channels=[CHANNEL])["changed"]
    assert node.runs == 1


def test_without_changes_no_installer_is_asked_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.run()
    monkeypatch.setattr(logic, "beginning", fail)
    assert not node.run(_ansible_check_mode=True)["changed"]
    node.publish(version="py313_26.9.3-1")
    assert "AssertionError" in node.run(_ansible_check_mode=True)["msg"]


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "no certificate"])
def test_certificates_that_can_not_be_used_are_named(node: Node, content: str | None) -> None:
    path = node.directory / "site.pem"
    if content is not None:
        path.write_text(content)
    for check_mode in (True, False):
        result = node.run(ca_path=str(path), _ansible_check_mode=check_mode)
        assert result["msg"].startswith(f"The certificates in {path} cannot be used: ")
    assert not node.store.exists()
    assert node.run(ca_path=str(path), offline=True)["changed"]


@pytest.mark.parametrize("place", ["var/lib/conda/tos", "opt/miniconda3/conda-meta/tos"])
def test_terms_that_an_administrator_accepted_elsewhere_are(
    node: Node, channel_with_terms: list[str], place: str
) -> None:
    node.run()
    record = node.directory / place / terms.identity(CHANNEL) / "1.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"version": "2025-07-15T00:00:00Z", "tos_accepted": true}')
    assert not node.run(channels=channel_with_terms)["changed"]


# the shared cache


def test_a_shared_cache_wants_its_group_first(node: Node) -> None:
    result = node.run(shared_cache=str(node.directory / "shared"), shared_cache_group="no-such-group")
    assert result["msg"].startswith("The node has no group no-such-group that could write the shared package cache")
    assert not node.store.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_shared_cache_comes_with_the_distribution(node: Node) -> None:
    cache = node.directory / "shared"
    arguments = {"shared_cache": str(cache), "shared_cache_group": grp.getgrgid(os.getgid()).gr_name}
    shown = node.run(**arguments, _ansible_check_mode=True)["diff"]["after"]
    assert not cache.exists()
    assert node.run(**arguments)["diff"]["after"] == shown
    assert cache.stat().st_mode & 0o7777 == 0o2775
    assert not node.run(**arguments)["changed"]
    assert not node.run()["changed"]
    assert cache.is_dir()


# drift


def test_a_base_that_has_changed_is_told_and_replaced_when_asked(node: Node) -> None:
    node.run()
    record = node.home / "conda-meta" / "six-1.17.0-0.json"
    record.write_text(json.dumps({"name": "six", "version": "1.17.0", "build": "0"}))
    reported = node.run()
    assert (reported["changed"], reported["drift"]) == (False, ["+ six 1.17.0"])
    healed = node.run(heal_base=True)
    assert (healed["changed"], healed["drift"], healed["home"]) == (True, [], f"{node.home}-2")
    assert not node.run(heal_base=True)["changed"]


def test_an_older_version_wants_force(node: Node) -> None:
    node.run()
    newer = node.home
    node.publish(version="py313_26.5.3-1")
    assert "which is newer than" in node.run()["msg"]
    assert node.prefix.readlink() == newer
    assert node.run(force=True)["home"] == str(node.home)


# where people find it


def test_the_command_is_there_for_everybody(node: Node) -> None:
    directory = node.directory / "usr" / "local" / "bin"
    command = directory / "conda"
    result = node.run(command_directory=str(directory))
    assert result["diff"]["after"].splitlines() == [str(node.home), f"~ {command}"]
    assert command.resolve() == node.home / "bin" / "conda"
    assert not node.run(command_directory=str(directory))["changed"]
    node.publish(version="py313_26.7.1-1")
    assert node.run(command_directory=str(directory))["changed"]
    assert command.resolve() == node.home / "bin" / "conda"
    assert node.run(command_directory="")["diff"]["after"].splitlines() == [str(node.home), f"- {command}"]
    assert node.run(command_directory=str(directory))["changed"]
    assert node.run(state="absent", command_directory=str(directory))["changed"]
    assert list(directory.iterdir()) == []


def test_a_directory_of_the_command_is_an_absolute_path(node: Node) -> None:
    assert node.run(command_directory="bin")["msg"].startswith(
        "command_directory is 'bin', which is not a normalised ab"
    )
    assert not node.store.exists()


def test_somebodys_command_is_left_and_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(Module, "warn", lambda _module, text: warnings.append(text))
    theirs = node.directory / "conda"
    theirs.write_text("theirs")
    node.run(command_directory=str(node.directory))
    assert theirs.read_text() == "theirs"
    assert [warning.partition(" and was left")[0] for warning in warnings] == [f"{theirs} was not made by Evenkeel"]


def test_shells_that_conda_init_pointed_at_an_installation_keep_conda(node: Node) -> None:
    rc = node.directory / "etc" / "bash.bashrc"
    rc.parent.mkdir()
    node.run(keep=0)
    first = node.home
    rc.write_text(f". {first}/etc/profile.d/conda.sh\n")
    node.publish(version="py313_26.7.1-1")
    checked = node.run(keep=0, _ansible_check_mode=True)
    result = node.run(keep=0)
    assert result["diff"] == checked["diff"]
    assert f"~ {first} -> {node.prefix}, named by {rc}" in result["diff"]["after"].splitlines()
    assert (str(first.readlink()), first.resolve()) == (str(node.prefix), node.home)
    assert result["former_paths"] == {str(first): [str(rc)]}
    assert not node.run(keep=0)["changed"]
    second = node.home
    node.publish(version="py313_26.7.1-2")
    node.run(keep=0)
    assert first.resolve() == node.home
    assert not os.path.lexists(second)
    rc.write_text("")
    result = node.run(keep=0)
    assert (result["changed"], result["former_paths"]) == (True, {})
    assert not os.path.lexists(first)


def test_a_former_path_goes_with_conda(node: Node) -> None:
    rc = node.directory / "etc" / "bash.bashrc"
    rc.parent.mkdir()
    node.run(keep=0)
    first = node.home
    rc.write_text(f"{first}/bin")
    node.publish(version="py313_26.7.1-1")
    node.run(keep=0)
    assert node.run(state="absent")["changed"]
    assert not os.path.lexists(first)
    assert not node.run(state="absent")["changed"]


def test_a_removal_that_was_killed_leaves_the_former_path(node: Node) -> None:
    rc = node.directory / "etc" / "bash.bashrc"
    rc.parent.mkdir()
    node.run()
    former = node.store / "Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000"
    rc.write_text(f"{former}/bin")
    (node.store / f".removing-{former.name}").mkdir()
    assert node.run()["former_paths"] == {str(former): [str(rc)]}
    assert former.resolve() == node.home


def test_going_back_to_a_version_whose_path_is_a_link_installs_beside_it(node: Node) -> None:
    rc = node.directory / "etc" / "bash.bashrc"
    rc.parent.mkdir()
    node.run(keep=0)
    first, installer = node.home, node.installer
    rc.write_text(f"{first}/bin")
    node.publish(version="py313_26.7.1-1")
    node.run(keep=0)
    node.installer = installer
    assert node.run(keep=0, force=True)["home"] == f"{first}-2"
    assert (node.prefix.readlink(), first.resolve()) == (Path(f"{first}-2"), Path(f"{first}-2"))
