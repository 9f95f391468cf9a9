# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role miniconda."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

PREFIX = "/opt/miniconda3"
STORE = "/opt/evenkeel/distributions"
SHARED = "/opt/evenkeel/pkgs/shared"


@pytest.fixture(scope="module")
def installer(host: Host) -> str:
    """The name of the installer that the inventory names."""
    variables = host.ansible.get_variables()
    version = variables["miniconda_version"]
    return str(variables.get("miniconda_installer", f"Miniconda3-{version}-Linux-x86_64.sh"))


def test_prefix_is_a_link_to_one_complete_installation(host: Host, installer: str) -> None:
    link = host.file(PREFIX)
    assert link.is_symlink
    assert link.linked_to.startswith(f"{STORE}/{installer.removesuffix('.sh')}-")
    marker = json.loads(host.file(f"{PREFIX}/conda-meta/evenkeel").content_string)
    assert marker["installer"] == installer


def test_store_holds_no_leftovers(host: Host) -> None:
    entries = host.check_output("ls -A %s", STORE).split()
    assert sorted(entries) == [".locks", host.file(PREFIX).linked_to.rsplit("/", 1)[-1]]


def test_conda_answers_for_every_user(host: Host) -> None:
    info = json.loads(host.check_output("sudo -u nobody %s/bin/conda info --json", PREFIX))
    assert info["root_prefix"] == host.file(PREFIX).linked_to


def test_conda_is_a_command_outside_of_login_shells(host: Host) -> None:
    """As of ``ssh node conda run``, a unit or a notebook, whose PATH has no more than this."""
    assert host.file("/usr/local/bin/conda").linked_to == f"{host.file(PREFIX).linked_to}/bin/conda"
    clean = "sudo -u nobody env -i HOME=/nonexistent PATH=/usr/local/bin:/usr/bin:/bin"
    python = host.check_output(f"{clean} conda run --prefix {PREFIX} python -c 'import sys; print(sys.executable)'")
    assert python.startswith(f"{PREFIX}/bin/python")
    assert json.loads(host.check_output(f"{clean} conda info --json"))["root_prefix"] == host.file(PREFIX).linked_to


def test_base_is_a_normal_environment(host: Host) -> None:
    records = json.loads(host.check_output("%s/bin/conda list --json --prefix %s", PREFIX, PREFIX))
    assert {"conda", "python"} <= {record["name"] for record in records}


def test_base_is_kept_as_it_is(host: Host) -> None:
    for change, refusal in (
        (f"{PREFIX}/bin/conda install --yes --name base six", "EnvironmentIsFrozenError"),
        (f"{PREFIX}/bin/python -m pip install six", "externally-managed-environment"),
    ):
        done = host.run(change)
        assert done.rc != 0
        assert refusal in done.stdout + done.stderr


def test_nothing_is_closed_to_anybody_or_open_for_writing(host: Host) -> None:
    """Whatever the umask of the user who ran it, and without owners from an archive."""
    assert host.check_output("umask") in ("0027", "0077")
    path = host.file(PREFIX).linked_to
    assert (
        host.check_output(
            f"find {STORE} {path} ! -type l \\( -name '.*' -o -name __pycache__ \\) -prune -o ! -perm -o=r -print -quit"
        )
        == ""
    )
    assert host.check_output(f"find {path} ! -type l \\( -perm /022 -o ! -user root \\) -print -quit") == ""


@pytest.mark.parametrize(
    ("shell", "asks", "kind"),
    [
        ("bash --login", 'type -t conda; echo "active: $CONDA_DEFAULT_ENV"', "function"),
        ("zsh --login", 'whence -w conda; echo "active: $CONDA_DEFAULT_ENV"', "conda: function"),
        ("fish --login", 'type -t conda; echo "active: $CONDA_DEFAULT_ENV"', "function"),
    ],
)
def test_login_shells_know_conda_without_activating_base(host: Host, shell: str, asks: str, kind: str) -> None:
    script = f"{asks}; conda activate base; command -v python"
    found, active, python = host.check_output(f"sudo -u ann {shell} -c '{script}'").splitlines()
    assert found == kind
    assert active == "active: "
    assert python.startswith(STORE)


def test_members_of_a_group_share_packages_whatever_their_umask(host: Host) -> None:
    def conda(user: str, *packages: str) -> str:
        mirror = host.ansible.get_variables()["lab_mirror_url"]
        caches = f"export CONDA_PKGS_DIRS={SHARED},~/.conda/pkgs"
        create = f"conda create --quiet --yes --override-channels --channel {mirror}/anaconda/pkgs/main --name mine"
        done = f"{caches}; {create} {' '.join(packages)} >/dev/null && conda run --name mine python -c 'import idna'"
        host.check_output(f'sudo -iu {user} bash --login -c "umask; {done}"')
        return str(host.check_output(f"sudo -iu {user} readlink -f /home/{user}/.conda/envs/mine"))

    assert conda("ann", "python=3.11", "idna") == "/home/ann/.conda/envs/mine"
    conda("bob", "python=3.11", "idna", "six")
    conda("eve", "python=3.11", "idna", "comm")
    owners = host.check_output(f"find {SHARED} -maxdepth 1 -name '*-*' -printf '%u %f\\n' | sort").splitlines()
    assert {"ann", "bob"} == {line.split()[0] for line in owners}
    assert not [line for line in owners if line.startswith("bob") and "idna" in line]
    assert not [line for line in owners if "comm" in line]
    assert host.check_output(f"find {SHARED} ! -group sharers -print -quit") == ""
