# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of programs, nodes and the mirror."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import meter
from bench.meter import Counters, Spent

INTERFACES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets
    lo:  105312    1200    0    0    0     0          0         0   105312    1200
  eth0: 9876543    8000    0    0    0     0          0         0   123456    4000
"""
LOG = """\
29/Nov/2026 12:00:00 10.0.0.5 "GET /a.conda HTTP/1.1" 200 -
29/Nov/2026 12:00:01 10.0.0.5 "GET /a.conda HTTP/1.1" 304 -
29/Nov/2026 12:00:01 10.0.0.5 "HEAD /a.conda HTTP/1.1" 200 -
29/Nov/2026 12:00:02 10.0.0.5 "GET /none HTTP/1.1" 404 -
29/Nov/2026 12:00:03 10.0.0.6 "GET /b.conda HTTP/1.1" 200 -
29/Nov/2026 12:00:04 10.0.0.9 "GET /b.conda HTTP/1.1" 200 -
a line of a traceback
"""
#: Starts a process of its own session, which works and then stays, and ends before it.
LEAVES = """\
import subprocess, sys
works = "import time\\nwhile time.process_time() < 0.5: pass\\nprint(flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", works], start_new_session=True, stdout=subprocess.PIPE).stdout.readline()
"""


def test_what_the_network_has_brought_is_that_of_the_lab() -> None:
    assert meter.received(INTERFACES) == 9876543
    assert meter.received("") == 0


def test_what_the_mirror_has_sent_is_what_nodes_were_given() -> None:
    sizes = {"/a.conda": 100, "/b.conda": 10, "/none": 1}
    assert meter.upstream(LOG.splitlines(), {"10.0.0.5", "10.0.0.6"}, sizes.__getitem__) == 110


def test_both_versions_of_cgroups_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert meter.cpu_seconds(tmp_path) == 2.5
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "cpuacct" / "cpuacct.usage").write_text("1500000000\n")
    assert meter.cpu_seconds(tmp_path) == 1.5


def test_counters_are_compared() -> None:
    assert Counters(3.0, 20, 10).since(Counters(1.0, 5, 4)) == Counters(2.0, 15, 6)


@pytest.mark.parametrize(("workers", "each"), [(0, 0.0), (4, 25.0)])
def test_each_worker_has_its_share_of_the_memory(workers: int, each: float) -> None:
    assert Spent(1.0, 1.0, 100.0, 200.0, workers).each == each


def test_what_a_program_leaves_in_the_background_counts_and_is_ended() -> None:
    before = set(meter.children(os.getpid()))
    assert meter.run([sys.executable, "-c", LEAVES], {}).cpu >= 0.5
    assert set(meter.children(os.getpid())) <= before


def test_a_program_that_fails_is_shown() -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        meter.run([sys.executable, "-c", "raise SystemExit('no such thing')"], {})


def test_a_tree_has_children_of_children() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in set(meter.tree(os.getpid()))
        child.kill()
