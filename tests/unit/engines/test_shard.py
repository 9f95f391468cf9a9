# SPDX-License-Identifier: GPL-3.0-or-later
"""engines/shard.sh: who gets which hosts, and how it ends; with programs that only pretend."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "engines" / "shard.sh"
#: ``process`` writes the status that a file of the control node's name has; without one, the control node has died.
RUNNER = """\
#!/bin/sh
case $1 in
transmit) echo "$@" ;;
process)
    mkdir -p "$2/artifacts/$4"
    cat >"$2/artifacts/$4/sent"
    [ ! -e "$2/ends/$4" ] || cp "$2/ends/$4" "$2/artifacts/$4/rc"
    ;;
esac
"""
PRETENDED = {
    "ansible": '#!/bin/sh\ncat "$3/listed"\n',
    "ansible-runner": RUNNER,
    "ssh": "#!/bin/sh\ncat\n",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A private data directory, beside programs that pretend."""
    (tmp_path / "bin").mkdir()
    for name, text in PRETENDED.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "fleet" / "inventory").mkdir(parents=True)
    (tmp_path / "fleet" / "ends").mkdir()
    return tmp_path / "fleet"


def shard(directory: Path, hosts: list[str], **ends: int | None) -> subprocess.CompletedProcess[str]:
    """Run a playbook for hosts from control nodes that end with these statuses."""
    lines = [f"  hosts ({len(hosts)}):", *(f"    {host}" for host in hosts)]
    (directory / "inventory" / "listed").write_text("\n".join([*lines, ""]))
    for name, status in ends.items():
        if status is not None:
            (directory / "ends" / name).write_text(str(status))
    return subprocess.run(
        [str(SCRIPT), str(directory), "evenkeel.gpu.drift", *ends],
        check=False,
        env={**os.environ, "PATH": f"{directory.parent / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


def shares(directory: Path) -> dict[str, list[str]]:
    return {path.name: path.read_text().split() for path in sorted((directory / "project" / "shards").iterdir())}


def test_each_host_is_in_one_share(directory: Path) -> None:
    done = shard(directory, [f"gpu{number}" for number in range(1, 6)], control1=0, control2=0)
    assert (done.returncode, done.stderr) == (0, "")
    assert shares(directory) == {"control1": ["gpu1", "gpu3", "gpu5"], "control2": ["gpu2", "gpu4"]}
    sent = (directory / "artifacts" / "control2" / "sent").read_text()
    assert sent == f"transmit {directory} --playbook evenkeel.gpu.drift --limit @shards/control2\n"


def test_more_control_nodes_than_hosts(directory: Path) -> None:
    done = shard(directory, ["gpu1"], control1=0, control2=0, control3=0)
    assert done.returncode == 0
    assert shares(directory) == {"control1": ["gpu1"]}


def test_a_control_node_that_did_not_end_is_named_with_its_hosts(directory: Path) -> None:
    done = shard(directory, ["gpu1", "gpu2", "gpu3"], control1=None, control2=2)
    assert done.returncode == 1
    assert f"control1 did not end. Its hosts are in {directory}/project/shards/control1 (2)" in done.stderr
    assert "control2: ansible-playbook ended with status 2" in done.stderr


def test_a_playbook_that_failed(directory: Path) -> None:
    assert shard(directory, ["gpu1", "gpu2"], control1=0, control2=4).returncode == 2


def test_the_results_of_an_earlier_run_count_no_more(directory: Path) -> None:
    assert shard(directory, ["gpu1", "gpu2"], control1=0, control2=0).returncode == 0
    (directory / "ends" / "control2").unlink()
    assert shard(directory, ["gpu1", "gpu2"], control1=0, control2=None).returncode == 1
    shard(directory, ["gpu1"], control1=0, control2=None)
    assert [path.name for path in (directory / "artifacts").iterdir()] == ["control1"]


def test_an_inventory_without_hosts(directory: Path) -> None:
    done = shard(directory, [], control1=0)
    assert done.returncode == 1
    assert "has no host in the group gpu_nodes" in done.stderr


def test_how_it_is_called() -> None:
    done = subprocess.run([str(SCRIPT), "fleet"], check=False, capture_output=True, text=True)
    assert done.returncode == 64
    assert "Usage:" in done.stderr
