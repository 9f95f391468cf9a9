# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a distribution after its installation, and what outlasts it.

An installation costs seconds. Each test brings the nodes to what it begins with, which is what the one before it leaves
if that is possible.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from lab import paths
from lab.errors import LabError
from lab.nodes import inventory
from lab.nodes.fleet import Fleet, Result
from lab.upstream import mirror
from lab.upstream.conda import installer

PREFIX = "/opt/miniconda3"
STORE = "/opt/evenkeel/distributions"
TEAM = "/opt/evenkeel/envs/team"
SITE = f"{mirror.url()}/anaconda"
SUMS = inventory.parse_sums("".join((top / installer.SUMS).read_text() for top in (paths.INSTALLERS, paths.MINIFORGE)))


@dataclass(frozen=True)
class Installer:
    """Where one is, and what it is."""

    url: str
    sha256: str = ""

    @property
    def file(self) -> str:
        """Its file's name."""
        return self.url.rpartition("/")[2]

    @property
    def home(self) -> str:
        """Where the distribution is that it makes."""
        return f"{STORE}/{self.file.removesuffix('.sh')}-{self.arguments['sha256'][:12]}"

    @property
    def arguments(self) -> dict[str, str]:
        """What the module is given."""
        return {"url": self.url, "sha256": self.sha256 or SUMS[self.file]}


REAL = Installer(os.environ.get(inventory.INSTALLER_URL, ""), os.environ.get(inventory.INSTALLER_SHA256, ""))
#: What to start from: the lab's, or a real one, which must be older than the lab's next.
OLD = REAL if REAL.url else Installer(f"{SITE}/miniconda/Miniconda3-py311_26.7.1-0-Linux-x86_64.sh")
NEW = Installer(f"{SITE}/miniconda/Miniconda3-py311_26.7.1-1-Linux-x86_64.sh")
MINIFORGE = Installer(f"{SITE}/miniforge/26.7.1-0/Miniforge3-26.7.1-0-Linux-x86_64.sh")


def converge(fleet: Fleet, wanted: Installer, **more: Any) -> Result:
    """Have the nodes' distribution come from an installer."""
    return fleet.module("evenkeel.gpu.conda_distribution", **{**wanted.arguments, **more})


def remove(fleet: Fleet) -> Result:
    """Have the nodes without a distribution."""
    return fleet.module("evenkeel.gpu.conda_distribution", state="absent")


def environment_works(fleet: Fleet) -> bool:
    """Whether the named environment is there and runs, and conda knows it where there is a conda."""
    fleet.run(f"{TEAM}/bin/python -c 'import idna'")
    fleet.run(f"test ! -e {PREFIX} || {PREFIX}/bin/conda run --name team python -c 'import idna'")
    return True


@pytest.fixture
def old(fleet: Fleet) -> None:
    """Start with the older version alone, as it was installed."""
    converge(fleet, OLD, force=True, heal_base=True, keep=0)
    assert fleet.run(f"ls -d {STORE}/*").startswith(OLD.home)


@pytest.mark.usefixtures("old")
def test_an_upgrade_is_built_beside_and_switched_to(fleet: Fleet) -> None:
    assert converge(fleet, NEW)["home"] == NEW.home
    assert fleet.run(f"readlink {PREFIX}; ls -d {STORE}/*").split() == [NEW.home, *sorted([OLD.home, NEW.home])]
    fleet.run(f"{OLD.home}/bin/python -c 'import json'")  # a process that still uses the old one
    assert environment_works(fleet)
    assert converge(fleet, NEW)["changed"] is False


def test_a_downgrade_wants_to_be_asked_for(fleet: Fleet) -> None:
    converge(fleet, NEW)
    with pytest.raises(LabError, match=f"is {NEW.file}, which is newer than {OLD.file}"):
        converge(fleet, OLD)
    assert fleet.run(f"readlink {PREFIX}") == NEW.home
    assert converge(fleet, OLD, force=True)["home"] == OLD.home


def test_a_switch_of_distribution_keeps_the_path_and_the_environments(fleet: Fleet) -> None:
    assert converge(fleet, MINIFORGE)["home"] == MINIFORGE.home
    assert fleet.run(f"readlink {PREFIX}") == MINIFORGE.home
    assert environment_works(fleet)
    assert converge(fleet, MINIFORGE)["changed"] is False


@pytest.mark.usefixtures("old")
def test_a_failed_upgrade_leaves_the_old_one_working(fleet: Fleet) -> None:
    with pytest.raises(LabError, match="was not executed"):
        converge(fleet, NEW, sha256="0" * 64)
    assert fleet.run(f"readlink {PREFIX}; ls -d {STORE}/*").split() == [OLD.home, OLD.home]
    assert environment_works(fleet)
    assert converge(fleet, OLD)["changed"] is False


@pytest.mark.usefixtures("old")
def test_a_changed_base_is_reported_and_healed(fleet: Fleet) -> None:
    fleet.run(f"{PREFIX}/bin/conda install --quiet --yes --override-frozen --name base six >/dev/null")
    reported = converge(fleet, OLD)
    assert (reported["changed"], reported["drift"]) == (False, ["+ six 1.17.0 (main)"])
    assert f"base of {PREFIX} is not what was installed: + six 1.17.0" in reported.shown

    assert converge(fleet, OLD, heal_base=True)["home"] == f"{OLD.home}-2"
    fleet.run(f"! {PREFIX}/bin/python -c 'import six' 2>/dev/null")
    assert environment_works(fleet)
    assert converge(fleet, OLD, heal_base=True)["changed"] is False


@pytest.mark.usefixtures("old")
def test_shells_that_conda_init_set_up_keep_conda(fleet: Fleet) -> None:
    """``conda init`` writes the installation's own path, as all of conda's versions do."""
    home = fleet.run(f"readlink {PREFIX}")
    hook = f"eval \"$('{home}/bin/conda' shell.bash hook 2>/dev/null)\""
    look = "conda activate team && python -c 'import idna' && type -t conda"
    shell = "su init -c 'bash -i -c \". ~/look\"' 2>/dev/null"
    fleet.run("id init >/dev/null 2>&1 || useradd --create-home --shell /bin/bash init")
    fleet.run(f"echo {shlex.quote(hook)} >/home/init/.bashrc; echo {shlex.quote(look)} >/home/init/look")
    assert fleet.run(shell) == "function"
    try:
        assert converge(fleet, NEW, keep=0)["former_paths"] == {home: ["/home/init/.bashrc"]}
        assert fleet.run(f"readlink {home}") == PREFIX
        assert fleet.run(shell) == "function"
        assert converge(fleet, NEW, keep=0)["changed"] is False
        converge(fleet, MINIFORGE, keep=0)
        assert fleet.run(shell) == "function"
    finally:
        fleet.run("rm /home/init/.bashrc")
    assert converge(fleet, MINIFORGE, keep=0)["former_paths"] == {}
    assert fleet.run(f"ls -d {STORE}/*") == MINIFORGE.home


def test_a_former_version_is_the_way_back_from_a_base_that_was_healed(fleet: Fleet) -> None:
    converge(fleet, MINIFORGE, keep=0)
    converge(fleet, NEW)
    fleet.run(f"{PREFIX}/bin/conda install --quiet --yes --override-frozen --name base six >/dev/null")
    assert converge(fleet, NEW, heal_base=True)["home"] == f"{NEW.home}-2"
    assert fleet.run(f"ls -d {STORE}/*").split() == sorted([MINIFORGE.home, f"{NEW.home}-2"])


def test_removal_takes_what_was_made_and_leaves_the_rest(fleet: Fleet) -> None:
    converge(fleet, NEW)
    remove(fleet)
    assert fleet.run(f"ls {STORE}; ls -d {PREFIX} /etc/profile.d/evenkeel-conda.sh 2>/dev/null; true") == ""
    assert fleet.run("grep -c Evenkeel /etc/zsh/zprofile; ls /etc/fish/conf.d || true") == "0"
    assert environment_works(fleet)
    assert remove(fleet)["changed"] is False


def test_a_file_of_the_control_node_is_brought_to_nodes_that_are_offline(fleet: Fleet) -> None:
    remove(fleet)
    with pytest.raises(LabError, match="is to be installed, and offline is true"):
        converge(fleet, NEW, offline=True)
    gap = {"src": str(paths.INSTALLERS / NEW.file), "sha256": NEW.arguments["sha256"], "offline": True}
    assert fleet.module("evenkeel.gpu.conda_distribution", **gap)["home"] == NEW.home
    assert fleet.module("evenkeel.gpu.conda_distribution", **gap)["changed"] is False


def test_environments_inside_a_distribution_are_never_removed(fleet: Fleet) -> None:
    converge(fleet, NEW)
    inside = f"{NEW.home}/envs/thesis"
    fleet.run(f"{PREFIX}/bin/conda create --quiet --yes --prefix {inside} python=3.11 >/dev/null")
    reported = converge(fleet, MINIFORGE, keep=0)
    assert reported["stranded"] == [inside]
    assert f"left where they are: {inside}" in reported.shown
    remove(fleet)
    fleet.run(f"{inside}/bin/python -c 'import json' && test ! -e {PREFIX} && rm -rf {inside}")
