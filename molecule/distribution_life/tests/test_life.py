# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a distribution after its installation, and what outlasts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab import mirror, paths
from lab.errors import LabError
from lab.fleet import Fleet

PREFIX = "/opt/miniconda3"
STORE = "/opt/evenkeel/distributions"
TEAM = "/opt/evenkeel/envs/team"
PLAYBOOK = "molecule/distribution_life/converge.yml"
#: Each of these differs from the inventory's version in one thing.
OLD, NEW, MINIFORGE = "py311_26.7.1-0", "py311_26.7.1-1", "26.7.1-0"

Converge = Callable[..., str]


@pytest.fixture(scope="session")
def converge(fleet: Fleet) -> Converge:
    """Run the role with these variables; return what Ansible showed."""

    def play(**variables: Any) -> str:
        site = f"{mirror.url()}/anaconda"
        both = {"url": site, "miniforge": f"{site}/miniforge"}
        return fleet.play(PLAYBOOK, **{"evenkeel_mirror": both, "miniconda_keep": 1, **variables})

    return play


@pytest.fixture(autouse=True)
def old(fleet: Fleet, converge: Converge) -> str:
    """Start with the older version, fresh, and return its home."""
    if converge(miniconda_version=OLD, miniconda_force=True, miniconda_heal_base=True).count("changed=0") == 0:
        converge(miniconda_version=OLD, miniconda_keep=0)
    return fleet.run("readlink /opt/miniconda3")


def unchanged(output: str) -> bool:
    """Whether neither of the two nodes was changed."""
    return output.count("changed=0") == 2


def environment_works(fleet: Fleet) -> bool:
    """Whether the named environment is there and runs, and conda knows it where there is a conda."""
    fleet.run(f"{TEAM}/bin/python -c 'import idna'")
    fleet.run(f"test ! -e {PREFIX} || {PREFIX}/bin/conda run --name team python -c 'import idna'")
    return True


def test_an_upgrade_is_built_beside_and_switched_to(fleet: Fleet, converge: Converge, old: str) -> None:
    converge(miniconda_version=NEW)
    new = fleet.run(f"readlink {PREFIX}")
    assert f"Miniconda3-{NEW}-" in new
    assert fleet.run(f"ls {STORE}").split() == sorted([old.rpartition("/")[2], new.rpartition("/")[2]])
    fleet.run(f"{old}/bin/python -c 'import json'")  # whoever still uses the old one
    assert environment_works(fleet)
    assert unchanged(converge(miniconda_version=NEW))


def test_a_downgrade_wants_to_be_asked_for(fleet: Fleet, converge: Converge, old: str) -> None:
    converge(miniconda_version=NEW)
    with pytest.raises(LabError, match=rf"Miniconda3-{NEW}-Linux-x86_64.sh, which is newer than Miniconda3-{OLD}"):
        converge(miniconda_version=OLD)
    assert NEW in fleet.run(f"readlink {PREFIX}")
    converge(miniconda_version=OLD, miniconda_force=True)
    assert fleet.run(f"readlink {PREFIX}") == old


def test_a_switch_of_distribution_keeps_the_path_and_the_environments(fleet: Fleet, converge: Converge) -> None:
    miniforge = {"miniconda_distribution": "miniforge", "miniconda_version": MINIFORGE}
    converge(**miniforge)
    assert f"{STORE}/Miniforge3-{MINIFORGE}-" in fleet.run(f"readlink {PREFIX}")
    assert environment_works(fleet)
    assert unchanged(converge(**miniforge))


def test_a_failed_upgrade_leaves_the_old_one_working(fleet: Fleet, converge: Converge, old: str) -> None:
    with pytest.raises(LabError, match="was not executed"):
        converge(miniconda_version=NEW, miniconda_sha256="0" * 64)
    assert fleet.run(f"readlink {PREFIX}") == old
    assert fleet.run(f"ls {STORE}") == old.rpartition("/")[2]
    assert unchanged(converge(miniconda_version=OLD))


def test_a_changed_base_is_reported_and_healed(fleet: Fleet, converge: Converge, old: str) -> None:
    with pytest.raises(LabError, match="EnvironmentIsFrozenError"):
        fleet.run(f"{PREFIX}/bin/conda install --quiet --yes --name base six 2>&1")
    with pytest.raises(LabError, match="externally-managed-environment"):
        fleet.run(f"{PREFIX}/bin/python -m pip install six 2>&1")
    fleet.run(f"{PREFIX}/bin/conda install --quiet --yes --override-frozen --name base six >/dev/null")

    shown = converge(miniconda_version=OLD)
    assert unchanged(shown)
    assert "is not what was installed: + six 1.17.0" in " ".join(shown.split())
    converge(miniconda_version=OLD, miniconda_heal_base=True)
    assert fleet.run(f"readlink {PREFIX}") == f"{old}-2"
    fleet.run(f"! {PREFIX}/bin/python -c 'import six' 2>/dev/null")
    assert environment_works(fleet)
    assert unchanged(converge(miniconda_version=OLD, miniconda_heal_base=True))


def test_environments_inside_a_distribution_are_never_removed(fleet: Fleet, converge: Converge, old: str) -> None:
    inside = f"{old}/envs/thesis"
    fleet.run(f"{PREFIX}/bin/conda create --quiet --yes --prefix {inside} python=3.11 >/dev/null")
    shown = converge(miniconda_version=NEW, miniconda_keep=0)
    assert inside in shown
    fleet.run(f"{inside}/bin/python -c 'import json'")
    converge(miniconda_state="absent")
    fleet.run(f"{inside}/bin/python -c 'import json' && test ! -e {PREFIX} && rm -rf {inside}")


def test_removal_takes_what_was_made_and_leaves_the_rest(fleet: Fleet, converge: Converge) -> None:
    converge(miniconda_version=NEW)
    converge(miniconda_state="absent")
    assert fleet.run(f"ls {STORE}; ls -d {PREFIX} /etc/profile.d/evenkeel-conda.sh 2>/dev/null; true") == ""
    assert fleet.run("grep -c Evenkeel /etc/zsh/zprofile; ls /etc/fish/conf.d || true") == "0"
    assert environment_works(fleet)
    assert unchanged(converge(miniconda_state="absent"))


def test_a_file_of_the_control_node_is_brought_to_nodes_that_are_offline(fleet: Fleet, converge: Converge) -> None:
    air_gapped = {
        "miniconda_version": NEW,
        "miniconda_src": str(paths.INSTALLERS / f"Miniconda3-{NEW}-Linux-x86_64.sh"),
        "miniconda_offline": True,
        "evenkeel_mirror": "http://192.0.2.1/nobody/is/there",
    }
    converge(**air_gapped)
    assert NEW in fleet.run(f"readlink {PREFIX}")
    assert unchanged(converge(**air_gapped))
    with pytest.raises(LabError, match="is to be installed, and offline is true"):
        converge(miniconda_version="py311_26.7.1-9", miniconda_sha256="0" * 64, miniconda_offline=True)
