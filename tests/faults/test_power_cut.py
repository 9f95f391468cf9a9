# SPDX-License-Identifier: GPL-3.0-or-later
"""What a power cut leaves: all of what was declared complete, and nothing that the next run does not heal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.faults.conftest import Answer, Node

NAME = "cut"
#: Of a file system in a file. The file is what a disk holds; what the kernel has not written is not in it.
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


class Disk:
    """A file system of the node's, whose power can be cut."""

    def __init__(self, node: Node) -> None:
        self.node, self.host = node, node.host
        self.arguments = {
            "name": NAME,
            "root": f"{PLACE}/evenkeel",
            "resolved": node.resolved("python=3.11", "idna", "requests", "prefixed", pip=("humanize",)),
        }
        self.generations = f"{PLACE}/evenkeel/generations/{NAME}"

    def begin(self) -> None:
        """Make an empty file system."""
        self.host.check_output(f"mkdir -p {PLACE} && truncate -s 2G {DISK} && mkfs.ext4 -q -F {DISK}")
        self.host.check_output(f"mount -o loop {DISK} {PLACE}")

    def cut(self, until: str) -> int:
        """Build until a file of the generation is there, or to the end, cut the power, and start again."""
        place = until and f"{self.generations}/*/{until}"
        build = self.node.program(**self.arguments)
        status = self.host.check_output(f"python3 -c %s {DISK} {CUT} {PLACE} %s {build}", CUTTER, place)
        self.host.check_output(f"until umount {PLACE}; do sleep 0.05; done")
        self.host.check_output(f"mount -o loop {CUT} {PLACE}")
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
        """Remove what ``begin`` and ``cut`` made, and nothing else."""
        self.host.run(f"mountpoint -q {PLACE} && umount {PLACE}")
        self.host.check_output(f"rm -f {DISK} {CUT} && rmdir {PLACE}")


def lacks(host: Host) -> str:
    """Return what a node lacks to have a disk in a file; empty when it can."""
    for command in ("command -v mkfs.ext4", "losetup --find"):
        tried = host.run(command)
        if tried.rc != 0:
            return f"{command}: {tried.stderr.strip() or 'not there'}"
    return ""


@pytest.fixture
def disk(with_module: Node) -> Iterator[Disk]:
    """An empty file system in a file."""
    if lacking := lacks(with_module.host):
        pytest.skip(f"the node can't have a disk in a file: {lacking}")
    disk = Disk(with_module)
    try:
        disk.begin()
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
