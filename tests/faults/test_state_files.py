# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole site whose files of state bad luck has damaged, many at once: one run heals them all, or names what it can't.

tests/unit/plugins/test_state_files.py has each file in each state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node, ansible, finish

pytestmark = pytest.mark.long

TAGS = "miniconda,condarc,conda_environments,jupyter,remote_access,front_door"
JUPYTER = "/etc/evenkeel/jupyter"
UNITS = "/etc/systemd/system"
KERNELS = "/usr/local/share/jupyter/kernels"
ENVIRONMENT = "/opt/evenkeel/envs/plots"
TLS = "/etc/evenkeel/front_door"
#: Has to be what it was.
SAME = (
    *(
        f"{UNITS}/{name}"
        for name in ("jupyter@.service", "jupyter-proxy@.service", "jupyter-proxy@.socket", "jupyter.slice")
    ),
    *(f"{UNITS}/{name}.d/evenkeel.conf" for name in ("jupyter@ana.service", "jupyter-proxy@ana.socket")),
    f"{UNITS}/jupyter-proxy@ana.service.d/evenkeel.conf",
    f"{JUPYTER}/jupyter_server_config.py",
    f"{JUPYTER}/servers.json",
    f"{JUPYTER}/ana/settings.json",
    f"{KERNELS}/evenkeel-activated.py",
    f"{KERNELS}/plots/kernel.json",
    "/etc/conda/condarc.d/evenkeel.yml",
    "/etc/pip.conf",
    "/etc/uv/uv.toml",
    "/etc/profile.d/evenkeel-conda.sh",
    "/etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf",
    "/opt/miniconda3/conda-meta/frozen",
    f"{ENVIRONMENT}/conda-meta/frozen",
)
MARKERS = (f"{ENVIRONMENT}/conda-meta/evenkeel", "/opt/miniconda3/conda-meta/evenkeel")
#: Is made anew, and may be another; nginx's file has the certificate's digest.
ANEW = (
    f"{JUPYTER}/ana/token",
    f"{TLS}/certificate.pem",
    f"{TLS}/key.pem",
    "/etc/nginx/conf.d/evenkeel-front-door.conf",
    *MARKERS,
)
#: Names that others may use too: what says something without our mark is not replaced.
SHARED = (*SAME[:4], f"{KERNELS}/plots/kernel.json", "/etc/pip.conf", "/etc/uv/uv.toml")
#: A program that only reads JSON or YAML in UTF-8 names what is neither.
TEXT_ALONE = ("/etc/conda/condarc.d/evenkeel.yml",)
#: What services are restarted by when it is newer than they are.
TIMED = (UNITS, JUPYTER, TLS, "/etc/ssh", "/etc/nginx")
DAMAGES = {
    "garbage": "printf '\\377\\376\\000 garbage\\n' >%s",
    "for nobody to read": "chmod 0 %s",
    "a time to come": "touch --no-dereference --date '2040-01-01' %s",
}


def site(place: Path) -> dict[str, Any]:
    return {
        "conda_environments_list": [
            {"name": "jupyter", "packages": ["python=3.11", "jupyterlab"]},
            {"name": "plots", "packages": ["python=3.11", "ipykernel"]},
        ],
        "jupyter_users": [{"name": "ana"}],
        "jupyter_restart_policy": "now",
        "jupyter_listen": "socket",
        "jupyter_socket_group": "www-data",
        "front_door_enabled": True,
        "front_door_hosts": ["gpu.evenkeel.test"],
        "front_door_ca_directory": str(place / "ca"),
        "remote_access_users": ["ana"],
    }


class Site:
    """A node that was converged once."""

    def __init__(self, node: Node, place: Path) -> None:
        self.node, self.place = node, place
        self.whole: dict[str, str] = {}

    def run(self, tags: str = TAGS) -> Answer:
        return self.node.play(tags=tags, **site(self.place))

    def look(self, *paths: str) -> dict[str, str]:
        """Return mode, owner and hash of files."""
        script = 'for path; do echo "$path $(stat --dereference --format "%a %U" $path) $(sha256sum <$path)"; done'
        reported = self.node.host.check_output(f"sh -c '{script}' -- {' '.join(paths)}")
        return dict(line.split(" ", 1) for line in reported.splitlines())

    def require_whole(self) -> None:
        """Require that all is healed, and that nothing is left to do."""
        assert self.look(*SAME) == {path: self.whole[path] for path in SAME}
        now = self.look(*ANEW)
        assert {path: words.split()[:2] for path, words in now.items()} == {
            path: self.whole[path].split()[:2] for path in ANEW
        }
        assert re.fullmatch(r"[\w-]{43}", self.node.host.file(f"{JUPYTER}/ana/token").content_string)
        for path in MARKERS:
            assert json.loads(self.node.host.file(path).content_string)
        self.node.host.check_output(
            f"openssl x509 -pubkey -noout -in {TLS}/certificate.pem >/tmp/a && openssl pkey -pubout -in {TLS}/key.pem"
            " >/tmp/b && cmp /tmp/a /tmp/b"
        )
        timed = [path for path in (*SAME, *ANEW) if path.startswith(TIMED)]
        ahead = f"find {' '.join(timed)} -newermt '+1 day'"
        assert self.node.host.check_output(ahead) == ""
        assert "changed=0" in self.run().output


@pytest.fixture(scope="module")
def whole(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    node.strip()
    source = f"deb {node.variables['lab_mirror_url']}/debian bookworm main"
    node.host.check_output(f"echo '{source}' >/etc/apt/sources.list && apt-get update --quiet=2")
    node.host.check_output("useradd --create-home --shell /bin/bash ana")
    found = Site(node, tmp_path_factory.mktemp("control"))
    assert found.run().succeeded()
    found.whole = found.look(*SAME, *ANEW)
    yield found
    node.host.check_output("systemctl disable --now jupyter@ana.service jupyter-proxy@ana.socket")
    node.host.check_output("systemctl stop jupyter-proxy@ana.service && dpkg --purge nginx nginx-common")
    node.host.check_output(f"rm -rf /etc/nginx {KERNELS} /etc/uv {' '.join(SAME)} {UNITS}/jupyter*.d")
    node.host.check_output("systemctl daemon-reload && systemctl reload ssh && userdel --remove ana")
    node.host.check_output("groupdel evenkeel-remote; rm -f /etc/sysctl.d/60-evenkeel-inotify.conf")
    node.strip()


def test_what_was_truncated_is_healed(whole: Site) -> None:
    whole.node.host.check_output(f"truncate --size 0 {' '.join((*SAME, *ANEW))}")
    assert whole.run().succeeded()
    whole.require_whole()


def test_garbage_modes_and_times_are_healed(whole: Site) -> None:
    damages = list(DAMAGES.values())
    for number, path in enumerate((*SAME, *ANEW)):
        # Only root reads a marker, and nothing reads when it was written.
        damage = DAMAGES["garbage"] if path in MARKERS else damages[number % 3]
        if damage == DAMAGES["garbage"] and path in (*SHARED, *TEXT_ALONE):
            damage = DAMAGES["for nobody to read"]
        whole.node.host.check_output(damage % path)
    assert whole.run().succeeded()
    whole.require_whole()


@pytest.mark.parametrize("path", [f"{UNITS}/jupyter@.service", f"{KERNELS}/plots/kernel.json"])
def test_garbage_where_others_have_files_too_is_named_and_left(whole: Site, path: str) -> None:
    whole.node.host.check_output(f"cp --archive {path} /root/kept && printf '\\377 theirs\\n' >{path}")
    damaged = whole.look(path)
    assert whole.run("jupyter").failed_saying(path.removesuffix("/kernel.json"))
    assert whole.look(path) == damaged
    whole.node.host.check_output(f"mv /root/kept {path}")


def test_a_file_that_nothing_can_change_is_named_with_the_way_out(whole: Site) -> None:
    path = f"{JUPYTER}/servers.json"
    whole.node.host.check_output(f"truncate --size 0 {path}")
    if whole.node.host.run(f"chattr +i {path}").rc:
        pytest.skip("the node's file system has no such attribute")
    try:
        assert whole.run("jupyter").failed_saying(path, f"chattr -i {path}")
    finally:
        whole.node.host.check_output(f"chattr -i {path}")
    assert whole.run("jupyter").succeeded()


def test_a_user_s_living_secrets_are_shown_to_nobody(whole: Site) -> None:
    token = whole.node.host.file(f"{JUPYTER}/ana/token").content_string
    assert token
    variables = json.dumps({**site(whole.place), "jupyter_users": [], "remote_access_users": []})
    shown = finish(
        ansible(
            "playbook",
            "site.yml",
            "--tags=jupyter",
            "--check",
            "--diff",
            "-vvv",
            f"--extra-vars={variables}",
            EVENKEEL_LAB_GROUP=whole.node.group,
        )
    )
    assert shown.succeeded()
    assert f"{JUPYTER}/ana/token" in shown.output
    assert "-a secret" in shown.output
    assert token not in shown.output
