# SPDX-License-Identifier: GPL-3.0-or-later
"""What a power cut leaves: all of what was declared complete, and nothing that the next run does not heal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import disks
from tests.faults.conftest import Answer, Node

NAME = "cut"
DISK, CUT, PLACE = "/var/tmp/evenkeel-disk.img", "/var/tmp/evenkeel-cut.img", "/srv/evenkeel-disk"  # noqa: S108
#: Runs a build until a file is there, or to its end, and copies the disk as it is then. The sync of an unrelated file
#: writes all names, sizes and renames to the disk at once, as the kernel does every few seconds.
CUTTER = """\
import glob, os, signal, subprocess, sys, time
disk, cut, place, until, *command = sys.argv[1:]
with open(os.devnull, "wb") as nowhere:
    process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, start_new_session=True)
while process.poll() is None and not (until and glob.glob(until)):
    time.sleep(0.001)
if process.poll() is None:
    os.killpg(process.pid, signal.SIGSTOP)
with open(os.path.join(place, "unrelated"), "w") as stream:
    stream.write("text")
    stream.flush()
    os.fsync(stream.fileno())
subprocess.run(["cp", "--sparse=always", disk, cut], check=True)
if process.returncode is None:
    os.killpg(process.pid, signal.SIGKILL)
print(process.wait())
"""


class Disk(disks.Disk):
    """A file system of the node's, on which environments are built."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.host, PLACE, DISK)
        self.node = node
        self.arguments = {
            "name": NAME,
            "root": f"{PLACE}/evenkeel",
            "resolved": node.resolved("python=3.11", "idna", "requests", "prefixed", pip=("humanize",)),
        }
        self.generations = f"{PLACE}/evenkeel/generations/{NAME}"

    def cut(self, until: str) -> int:
        """Build until a file of the generation is there, or to the end, cut the power, and start again."""
        place = until and f"{self.generations}/*/{until}"
        build = self.node.program(**self.arguments)
        status = self.host.check_output(f"python3 -c %s {DISK} {CUT} {PLACE} %s {build}", CUTTER, place)
        self.restart(CUT)
        # This machine's start is the one thing that the cut did not change.
        note = f"{PLACE}/evenkeel/pkgs/.unsynced"
        self.host.check_output(f'! test -e {note} || sed -i \'s/"boot": "[^"]*/&-before/\' {note}')
        return int(status)

    def converge(self, **more: object) -> Answer:
        """Run the module, undisturbed."""
        answer = self.node.converge(**self.arguments, **more)
        assert answer.succeeded()
        return answer

    def end(self) -> None:
        super().end()
        self.host.check_output(f"rm -f {CUT}")


@pytest.fixture
def disk(with_module: Node) -> Iterator[Disk]:
    """An empty file system in a file."""
    if lacking := disks.lacks(with_module.host):
        pytest.skip(f"the node can't have a disk in a file: {lacking}")
    disk = Disk(with_module)
    try:
        disk.begin("2G")
        yield disk
    finally:
        disk.end()


def test_what_is_declared_complete_is_on_the_disk_when_the_power_goes(disk: Disk) -> None:
    assert disk.cut("") == 0
    assert not disk.converge().result["changed"]
    assert disk.converge(verify="files").result["plan"] == []


def test_a_power_cut_as_soon_as_a_build_is_declared_complete(disk: Disk) -> None:
    assert disk.cut("conda-meta/evenkeel") != 0
    found = disk.host.check_output(f"ls {disk.generations}/*/conda-meta/evenkeel")
    assert found == disk.converge().result["generation"] + "/conda-meta/evenkeel"
    assert disk.converge(verify="files").result["plan"] == []


def test_what_a_power_cut_leaves_of_a_build_and_of_the_caches_is_made_anew(disk: Disk) -> None:
    assert disk.cut("conda-meta/evenkeel-bytecode") != 0
    assert disk.host.run(f"ls {disk.generations}/*/conda-meta/evenkeel").rc != 0
    assert disk.converge().result["changed"]
    assert disk.converge(verify="files").result["plan"] == []
    disk.host.check_output(f"{PLACE}/evenkeel/envs/{NAME}/bin/python -c 'import humanize, idna, requests'")
