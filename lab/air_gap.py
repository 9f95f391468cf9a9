# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without a network: people outside make bundles; inside are a control node, a mirror and a node for GPUs.

Usage: python -m lab.air_gap GROUP (cut-off|site|first), in this order. What is carried inside goes over SSH from this
machine, the only one that the nodes still reach.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from lab import git_site, paths, process
from lab.errors import LabError
from lab.git_site import GitSite
from lab.nodes import inventory, nodes, podman, ssh
from lab.nodes.nodes import Node
from lab.upstream import mirror
from lab.upstream.debian import debian_archive

ROOT = Path(__file__).parents[1]
SIGNER = "ana"
#: On the control node: what was carried in, and where the program of a bundle sets it up.
MEDIUM, CONTROL = "/media/bundle", "/opt/evenkeel/control/current"
ENVIRONMENTS = ("jupyter", "minimal")
_KEYRING = "nvidia/cuda/debian12/x86_64/cuda-keyring_1.1-1_all.deb"
_MINICONDA = "py311_26.7.1-0"
_COPY = "/var/lib/evenkeel/site_copy/current/tree"
#: As docs/airgap.md has it: a mirror takes its own packages from its disk, other nodes from the mirror.
_APT = f"""---
- name: Point APT to the mirror
  hosts: package_mirrors:gpu_nodes
  become: true
  gather_facts: false
  vars:
    mirror: "http://{{{{ hostvars[groups['package_mirrors'] | first].ansible_host }}}}:8008"
    copy: file:{_COPY}
  tasks:
    - name: Take Debian's packages from the mirror, and the mirror's own from its disk
      ansible.builtin.copy:
        content: |
          Types: deb
          URIs: {{{{ copy if 'package_mirrors' in group_names else mirror }}}}/debian
          Suites: bookworm
          Components: main
          Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        dest: /etc/apt/sources.list.d/debian.sources
        mode: "0644"
"""


@dataclass(frozen=True)
class AirGap:
    """The nodes of a group, of which the first is the control node, and the second the mirror."""

    group: str

    @property
    def nodes(self) -> tuple[Node, Node, Node]:
        control, mirror_node, node = nodes.find(self.group)
        return control, mirror_node, node

    @property
    def site(self) -> GitSite:
        folder = paths.STATE / "air_gap" / self.group
        return GitSite(folder, str(folder / "site.git"))

    @property
    def bundles(self) -> Path:
        return self.site.folder / "bundles"

    def cut_off(self) -> None:
        """Leave the nodes no route but to each other, and to this machine, which reaches them over SSH."""
        gateway = str(podman.subnet()[1])
        for node in self.nodes:
            others = [gateway, *(other.address for other in self.nodes if other != node)]
            routes = [f"ip route replace {address}/32 dev eth0" for address in others]
            self.run(node, "; ".join(["set -e", *routes, f"ip route del {podman.subnet()} dev eth0"]))

    def make_site(self) -> None:
        """Make the site's repository: this project, an inventory, and locked environments."""
        with Progress() as progress:
            debian_archive.build("debian12", [debian_archive.COPY], progress)
        shutil.rmtree(self.site.folder, ignore_errors=True)
        site = git_site.make(self.site.folder)
        git_site.copy_project(site.work)
        for name in ENVIRONMENTS:
            shutil.copytree(ROOT / "lab" / "environments" / name, site.work / "environments" / name)
        place = site.work / "inventories" / "site"
        (place / "group_vars").mkdir(parents=True)
        (place / "hosts.yml").write_text(json.dumps(self._hosts(), indent=1))
        (place / "group_vars" / "all.yml").write_text(json.dumps(self._variables(), indent=1))
        (site.folder / "signers").write_text(site.allowed(SIGNER))
        self.lock()
        site.commit(SIGNER, files={"apt.yml": _APT})

    def lock(self) -> None:
        """Lock the environments outside; the inventory's mirror is inside, so another one is named."""
        self._outside("playbooks/lock.yml", evenkeel_mirror=f"{mirror.url()}/anaconda")

    def bundle(self, *, follows: Path | None = None) -> Path:
        """Make a bundle outside, and return it."""
        before = set(self.bundles.glob("*.tar"))
        incremental = {"bundle_follows": str(follows)} if follows else {}
        self._outside("playbooks/bundle.yml", bundle_key=str(self.site.key(SIGNER)), **incremental)
        (made,) = set(self.bundles.glob("*.tar")) - before
        return made

    def carry(self, bundle: Path) -> str:
        """Carry a bundle to the control node and unpack it; return its folder there."""
        control = self.nodes[0]
        self.run(control, f"install --directory --owner={ssh.USER} {MEDIUM}")
        with bundle.open("rb") as stream:
            subprocess.run(
                ssh.command(control.address, remote=["tar", "--extract", f"--directory={MEDIUM}"]),
                check=True,
                stdin=stream,
            )
        return f"{MEDIUM}/{bundle.stem}"

    def prepare_control(self) -> None:
        """Give the control node what an operator brings: an SSH key for the nodes, and whose bundles to trust."""
        control = self.nodes[0]
        home = f"/home/{ssh.USER}"
        for path, text in (
            (f"{home}/.ssh/id_ed25519", ssh.KEY.read_text()),
            (f"{home}/signers", (self.site.folder / "signers").read_text()),
        ):
            self.run(control, f"umask 077; printf %s {shlex.quote(text)} >{path}; chown {ssh.USER}: {path}")

    def install(self, bundle: str) -> str:
        """Set up the control node and the mirror from a bundle, as docs/airgap.md says; return what was shown."""
        control = self.nodes[0]
        signers = f"/home/{ssh.USER}/signers"
        shown = self.run(control, f"python3 {bundle}/install.pyz --signers {signers}")
        for playbook, *options in (
            ("playbooks/bundle_install.yml", f"bundle_install_from={bundle}", f"bundle_install_signers={signers}"),
            ("apt.yml",),
            ("playbooks/mirrors.yml",),
        ):
            shown += self.play(playbook, *options)
        return shown

    def play(self, playbook: str, *variables: str) -> str:
        """Run a playbook on the control node inside, and return its output."""
        given = " ".join(f"-e {shlex.quote(variable)}" for variable in variables)
        command = f"cd {CONTROL}/project && ../venv/bin/ansible-playbook -i inventories/site {playbook} {given}"
        return self.run(self.nodes[0], command, user=ssh.USER)

    def run(self, node: Node, command: str, user: str = "root") -> str:
        """Run a shell command on a node, and return what it printed.

        Raises
        ------
        LabError
            It failed.
        """
        remote = ("sudo", "--set-home", f"--user={user}", "--", "sh", "-c", shlex.quote(command))
        done = subprocess.run(
            ssh.command(node.address, remote=remote),
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        if done.returncode:
            raise LabError(f"{node.name}: {command[:200]}: {done.stdout}{done.stderr}", "read what it says")
        return done.stdout

    def _outside(self, playbook: str, **variables: Any) -> None:
        """Run a playbook on this machine in the site's repository."""
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventories/site", playbook]
        process.run(
            ["env", "--chdir", self.site.work, *command, "--extra-vars", json.dumps(variables)],
            remedy="read what it says",
        )

    def _hosts(self) -> dict[str, Any]:
        _control, mirror_node, node = self.nodes
        return {
            "all": {
                "children": {
                    "package_mirrors": {"hosts": {"mirror1": {"ansible_host": mirror_node.address}}},
                    "gpu_nodes": {"hosts": {"gpu1": {"ansible_host": node.address}}},
                }
            }
        }

    def _variables(self) -> dict[str, Any]:
        lab = inventory.read(self.group)["all"]["vars"]
        installer = lab["lab_installer_sha256"][f"Miniconda3-{_MINICONDA}-Linux-x86_64.sh"]
        keyring = lab["lab_nvidia_keyring_sha256"]["debian12"]
        debian = {"path": "debian", "suite": "bookworm", "components": ["main"]}
        return {
            "ansible_user": ssh.USER,
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new",
            "ansible_python_interpreter": "/usr/bin/python3",
            "conda_environments_directory": "{{ inventory_dir | dirname | dirname }}/environments",
            "conda_environments_list": [{"name": name} for name in ENVIRONMENTS],
            "conda_environments_wheels": f"{CONTROL}/wheels",
            "miniconda_version": _MINICONDA,
            "miniconda_sha256": installer,
            "nvidia_driver_without_gpu": False,
            "nvidia_driver_repository_key_sha256": keyring,
            "nvidia_container_toolkit_version": "1.19.1",
            "cuda_toolkit_versions": ["12.9"],
            "lock_targets": ["debian-12"],
            "package_mirror_mode": "copy",
            "package_mirror_upstream": {"url": f"{mirror.url()}/anaconda", "channels": []},
            "package_mirror_pip_index": lab["lab_pip_index_url"],
            "package_mirror_upstreams": {
                "debian": f"{mirror.url()}/debian",
                "nvidia/cuda": lab["lab_nvidia_repository"],
                "nvidia/container": lab["lab_nvidia_container_repository"],
            },
            "bundle_directory": str(self.bundles),
            "bundle_store": str(self.site.folder / "store"),
            "bundle_tar": True,
            "bundle_install_git": True,
            "bundle_copy": {
                "locks": list(ENVIRONMENTS),
                "installers": [{"distribution": "miniconda", "version": _MINICONDA, "sha256": installer}],
                "distributions": ["Debian 12"],
                "repositories": {
                    "Debian 12": [{**debian, "key": "/usr/share/keyrings/debian-archive-keyring.gpg"}],
                },
                "cuda": {"versions": ["12.9"]},
                "container_toolkit": "1.19.1",
                "files": [{"path": _KEYRING, "sha256": keyring}],
            },
        }


def main(group: str, step: str) -> None:
    """Do one of the steps."""
    gap = AirGap(group)
    if step == "site":
        gap.make_site()
    elif step == "cut-off":
        gap.cut_off()
    elif step == "first":
        gap.prepare_control()
        print(gap.install(gap.carry(gap.bundle())))
        print(gap.play("site.yml"))
    else:
        raise LabError(f"{step} is no step", "see the module's first lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
