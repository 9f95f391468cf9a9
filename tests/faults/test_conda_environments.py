# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does with mirrors, disks and people that get into the way of its environments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.conftest import PROGRAMS, Node, ansible, answer_of, finish

ROOT = "/opt/evenkeel"
ENVS, GENERATIONS, PKGS, LOCKS = (f"{ROOT}/{place}" for place in ("envs", "generations", "pkgs", "locks"))
SMALL = ("python=3.11", "idna")
Packages = list[dict[str, Any]]


@pytest.fixture(scope="module")
def small(with_module: Node) -> Packages:
    """What the small environment of these tests is made from."""
    return with_module.resolved(*SMALL)


@pytest.fixture(scope="module")
def larger(with_module: Node) -> Packages:
    """The small environment, and one package more."""
    return with_module.resolved(*SMALL, "six")


@pytest.fixture(scope="module")
def with_pip(with_module: Node) -> Packages:
    """The small environment, and one package of pip."""
    return with_module.resolved(*SMALL, pip=["humanize"])


@pytest.fixture
def warm(with_module: Node, larger: Packages, with_pip: Packages) -> Node:
    """The node with no environment and full caches, but for idna and what pip brings."""
    node = with_module
    if not node.host.file(f"{PKGS}/rattler").exists:
        for name, resolved in (("larger", larger), ("piped", with_pip)):
            assert node.converge(name=name, resolved=resolved).succeeded()
    node.host.check_output(f"rm -rf {ENVS} {GENERATIONS} {LOCKS} {PKGS}/rattler/idna* {PKGS}/conda {PKGS}/uv")
    return node


def changed(packages: Packages, name: str, **fields: object) -> Packages:
    """Return packages of which the one of a name has other fields."""
    return [{**package, **(fields if package["name"] == name else {})} for package in packages]


def names(node: Node, directory: str) -> list[str]:
    """Return what is in a directory of the node, nothing where there is none."""
    return str(node.host.run(f"ls --almost-all {directory}").stdout).split()


def work(node: Node) -> list[str]:
    """Return the node's processes that work on environments."""
    return [line for line in node.host.check_output("ps -eo args").splitlines() if ROOT in line]


def assert_nothing_is_made(node: Node, name: str) -> None:
    """No environment, no build, nothing half-written and nobody still at work."""
    assert name not in names(node, ENVS)
    assert names(node, f"{GENERATIONS}/{name}") == []
    assert set(names(node, LOCKS)) <= {"pkgs", f"environment-{name}"}
    assert work(node) == []


# Mirrors

ARCHIVE = "idna-3.20-py_0.conda"
WHEEL = "humanize-4*.whl"


@pytest.mark.parametrize(
    ("installer", "fault", "words"),
    [
        ("rattler", "404", (ARCHIVE, "404")),
        ("rattler", "html", (ARCHIVE,)),
        ("rattler", "truncate", (ARCHIVE,)),
        ("rattler", "corrupt", (ARCHIVE,)),
        ("rattler", "stall", ("stood still for 2 s",)),
        ("rattler", "hang", ("stood still for 2 s",)),
        ("rattler", "drip", (ARCHIVE, "less than 10000 bytes a second")),
        ("rattler", "endless", (ARCHIVE, "sends more than")),
        ("conda", "404", (ARCHIVE, "404")),
        ("conda", "html", (ARCHIVE,)),
        ("conda", "truncate", (ARCHIVE,)),
        ("conda", "corrupt", (ARCHIVE,)),
        ("conda", "stall", ("timed out",)),
        ("conda", "hang", (ARCHIVE,)),
        ("conda", "drip", (ARCHIVE, "check the mirror")),
        ("conda", "endless", (ARCHIVE, "sends more than")),
    ],
)
def test_a_broken_mirror_of_conda_is_told_and_poisons_nothing(
    warm: Node, small: Packages, installer: str, fault: str, words: tuple[str, ...]
) -> None:
    mirrors = {"https://repo.anaconda.com": warm.faulty_mirror(f"{fault}~{ARCHIVE}")}
    arguments = {"name": "analysis", "resolved": small, "installer": installer}
    patience = {"download_timeout": 2} if fault in ("stall", "hang", "drip") else {}
    answer = warm.converge(**arguments, **patience, mirrors=mirrors)
    assert answer.failed_saying("analysis", *words)
    assert_nothing_is_made(warm, "analysis")
    assert warm.host.check_output(f"find {PKGS} -path '*idna*' -size +1M") == ""
    assert warm.converge(**arguments).succeeded()


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_a_mirror_need_not_announce_lengths(warm: Node, small: Packages, installer: str) -> None:
    mirrors = {"https://repo.anaconda.com": warm.faulty_mirror("unannounced")}
    assert warm.converge(name="analysis", resolved=small, installer=installer, mirrors=mirrors).succeeded()


def test_how_long_a_download_may_stand_still_can_be_set(warm: Node, small: Packages) -> None:
    mirrors = {"https://repo.anaconda.com": warm.faulty_mirror(f"stall~{ARCHIVE}")}
    answer = warm.converge(name="analysis", resolved=small, mirrors=mirrors, download_timeout=2)
    assert answer.failed_saying("stood still for 2 s")
    assert_nothing_is_made(warm, "analysis")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        *(("404", ("404",)), ("html", ()), ("truncate", ()), ("corrupt", ()), ("stall", ("timeout",))),
        *(("drip", ("check the mirror",)), ("endless", ())),
    ],
)
def test_a_broken_index_of_pip_is_told_and_poisons_nothing(
    warm: Node, with_pip: Packages, fault: str, words: tuple[str, ...]
) -> None:
    index = warm.faulty(f"{fault}~{WHEEL}", warm.pip_index)
    arguments = {"name": "analysis", "resolved": with_pip}
    answer = warm.converge(**arguments, pip_index=index, download_timeout=2)
    assert answer.failed_saying("analysis", "uv", "humanize", *words)
    assert_nothing_is_made(warm, "analysis")
    assert warm.converge(**arguments).succeeded()


@pytest.mark.parametrize(
    ("name", "installer", "words"),
    [("idna", "rattler", ARCHIVE), ("idna", "conda", ARCHIVE), ("humanize", "rattler", "Hash mismatch")],
)
def test_another_package_than_the_locked_one_is_refused(
    warm: Node, with_pip: Packages, name: str, installer: str, words: str
) -> None:
    resolved = changed(with_pip, name, sha256="ab" * 32)
    assert warm.converge(name="analysis", resolved=resolved, installer=installer).failed_saying("analysis", words)
    assert_nothing_is_made(warm, "analysis")


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_another_file_than_the_locked_one_is_refused(warm: Node, small: Packages, installer: str) -> None:
    place = f"{PROGRAMS}/{ARCHIVE}"
    warm.host.check_output(f"printf other >{place}")
    resolved = changed(small, "idna", url=f"file://{place}", sha256="ab" * 32, md5="", size=0)
    answer = warm.converge(name="analysis", resolved=resolved, installer=installer)
    assert answer.failed_saying("idna", place, "has the SHA-256")
    assert_nothing_is_made(warm, "analysis")


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_an_archive_that_is_none_is_refused(warm: Node, small: Packages, installer: str) -> None:
    place = f"{PROGRAMS}/{ARCHIVE}"
    warm.host.check_output(f"printf other >{place}")
    sha256 = hashlib.sha256(b"other").hexdigest()
    resolved = changed(small, "idna", url=f"file://{place}", sha256=sha256, md5="", size=0)
    answer = warm.converge(name="analysis", resolved=resolved, installer=installer)
    assert answer.failed_saying("could not build the environment analysis", "archive")
    assert_nothing_is_made(warm, "analysis")
    assert warm.converge(name="analysis", resolved=small, installer=installer).succeeded()


# Disks


@contextmanager
def mounted(node: Node, place: str, options: str, kind: str = "tmpfs") -> Iterator[None]:
    """Mount a file system for a while."""
    node.host.check_output(f"mkdir -p {place} && mount -t {kind} -o {options} {kind} {place}")
    try:
        yield
    finally:
        node.host.check_output(f"umount {place}")


@pytest.mark.parametrize(
    ("installer", "options"),
    [
        ("rattler", "size=30m"),  # full while packages are fetched
        ("rattler", "nr_inodes=2000"),  # while they are linked
        ("rattler", "size=50m"),  # while bytecode is compiled
        ("rattler", "nr_inodes=4500"),  # while that is linked
        ("conda", "size=30m"),
        ("conda", "nr_inodes=2000"),
        ("conda", "size=65m"),
    ],
)
def test_a_full_disk_leaves_nothing_half_made(warm: Node, small: Packages, installer: str, options: str) -> None:
    scratch = "/opt/scratch"
    with mounted(warm, scratch, options):
        answer = warm.converge(name="analysis", resolved=small, installer=installer, root=scratch)
        assert answer.failed_saying("No space left", scratch)
        assert names(warm, f"{scratch}/envs") == []
        assert names(warm, f"{scratch}/generations/analysis") == []
        assert set(names(warm, f"{scratch}/locks")) == {"pkgs", "environment-analysis"}
        warm.host.check_output(f"mount -o remount,size=400m,nr_inodes=100k {scratch}")
        assert warm.converge(name="analysis", resolved=small, installer=installer, root=scratch).succeeded()


def test_a_cache_on_another_file_system_is_copied_from_and_told_once(warm: Node, with_pip: Packages) -> None:
    with mounted(warm, PKGS, "size=400m"):
        answer = warm.converge(name="analysis", resolved=with_pip)
        assert answer.succeeded()
        assert [f"{PKGS} is on another" in str(warning) for warning in answer.result["warnings"]] == [True]
        again = warm.converge(name="analysis", resolved=with_pip, verify="files")
        assert again.succeeded()
        assert (again.result["plan"], again.result.get("warnings", [])) == ([], [])
    assert warm.host.run(f"{ENVS}/analysis/bin/python -c 'import idna, humanize'").rc == 0


def test_a_file_system_that_cannot_be_written_is_told(warm: Node, small: Packages, larger: Packages) -> None:
    assert warm.converge(name="analysis", resolved=small).succeeded()
    before = warm.fingerprint()
    warm.host.check_output(f"mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT}")
    try:
        answer = warm.converge(name="analysis", resolved=larger)
        assert answer.failed_saying(ROOT, "Read-only file system")
        assert warm.converge(name="analysis", resolved=small).succeeded()
    finally:
        warm.host.check_output(f"umount {ROOT}")
    assert warm.fingerprint() == before


# What stands there already


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("mkdir {}; echo precious >{}/thesis.txt", "is a directory that Evenkeel did not make"),
        ("mkdir -p {}/conda-meta; touch {}/conda-meta/history", "adopt: true"),
        ("echo precious >{}", "is a file that Evenkeel did not make"),
        ("ln -s /srv/elsewhere {}", "is a symbolic link to /srv/elsewhere that Evenkeel did not make"),
    ],
)
def test_what_is_not_ours_is_left_alone(warm: Node, small: Packages, make: str, words: str) -> None:
    place = f"{ENVS}/theirs"
    warm.host.check_output(f"mkdir -p {ENVS}; " + make.format(place, place))
    before = warm.fingerprint()
    for arguments in ({"resolved": small}, {"state": "absent"}, {"generation": "-1"}):
        assert warm.converge(name="theirs", **arguments).failed_saying(place, words)
    assert warm.fingerprint() == before


def test_an_unknown_generation_is_told(warm: Node, small: Packages) -> None:
    assert warm.converge(name="analysis", resolved=small).succeeded()
    (there,) = names(warm, f"{GENERATIONS}/analysis")
    before = warm.fingerprint()
    for reference, words in (("0000", "no generation '0000'"), ("-1", "no generation 1 steps back")):
        assert warm.converge(name="analysis", generation=reference).failed_saying(words, there)
    assert warm.play("playbooks/rollback.yml", rollback_env="nowhere", rollback_confirm=False).failed_saying(
        "no generation of an environment nowhere"
    )
    assert warm.fingerprint() == before


def test_the_order_of_generations_is_not_the_clocks(warm: Node, small: Packages, larger: Packages) -> None:
    first, second = (warm.converge(name="analysis", resolved=resolved).result for resolved in (small, larger))
    marker = f"{first['generation']}/conda-meta/evenkeel"
    warm.host.check_output(f'sed -i \'s/"created": "2/"created": "9/\' {marker}')
    assert json.loads(warm.host.file(marker).content_string)["created"].startswith("9")
    back = warm.converge(name="analysis", generation="-1")
    assert back.result["generation"] == first["generation"]
    assert warm.converge(name="analysis", resolved=larger, keep=1).succeeded()
    assert names(warm, f"{GENERATIONS}/analysis") == [second["generation"].rsplit("/", 1)[-1]]


@pytest.mark.parametrize("edit", ["rm {}", "truncate --size 100 {}", "echo '{{}}' >{}"])
def test_a_lost_marker_is_healed_without_a_gap(warm: Node, small: Packages, edit: str) -> None:
    first = warm.converge(name="analysis", resolved=small).result
    warm.host.check_output(edit.format(f"{first['generation']}/conda-meta/evenkeel"))
    warm.host.check_output(f"touch {first['generation']}/thesis.txt")
    second = warm.converge(name="analysis", resolved=small)
    assert second.succeeded()
    assert second.result["digest"] == first["digest"]
    assert second.result["generation"] != first["generation"]
    assert warm.host.file(f"{first['generation']}/thesis.txt").exists
    assert warm.converge(name="analysis", resolved=small, verify="files").result["plan"] == []


def test_a_package_added_by_hand_is_healed(warm: Node, small: Packages) -> None:
    first = warm.converge(name="analysis", resolved=small).result["generation"]
    warm.host.check_output("CONDA_PROTECT_FROZEN_ENVS=0 /opt/miniconda3/bin/conda install --yes --name analysis six")
    assert "- six 1.17.0" in warm.converge(name="analysis", resolved=small, _ansible_check_mode=True).result["plan"]
    assert warm.host.file(f"{ENVS}/analysis").linked_to == first
    assert warm.converge(name="analysis", resolved=small).succeeded()
    assert warm.host.file(f"{ENVS}/analysis").linked_to == f"{first}-2"
    assert warm.host.run(f"{ENVS}/analysis/bin/python -c 'import six'").rc != 0


# Damage

CACHED = ("lib/python3.11/site-packages/idna/core.py", "lib/python3.11/site-packages/humanize/time.py")
COMPILED = "lib/python3.11/site-packages/idna/__pycache__/core.cpython-311.pyc"


def test_what_is_damaged_in_the_caches_is_named_and_not_linked_again(warm: Node, with_pip: Packages) -> None:
    first = warm.converge(name="analysis", resolved=with_pip).result["generation"]
    warm.host.check_output(f"cd {first} && truncate --size 0 {' '.join(CACHED)} {COMPILED}")
    assert warm.host.check_output(f"find {PKGS} -name core.py -empty -samefile {first}/{CACHED[0]}")
    healed = warm.converge(name="analysis", resolved=with_pip, verify="files")
    assert healed.succeeded()
    (warning,) = (str(text) for text in healed.result["warnings"])
    for entry in ("rattler/idna-3.20-py_0 (", "uv/humanize-4", "bytecode/cpython-311 of idna ("):
        assert entry in warning
    assert warm.host.run(f"{ENVS}/analysis/bin/python -c 'import humanize.time, idna.core'").rc == 0
    assert warm.converge(name="analysis", resolved=with_pip, verify="files").result["plan"] == []
    assert warm.host.run(f"find {PKGS} -name core.py -empty").stdout == ""


def test_a_damaged_runtime_is_made_anew(warm: Node) -> None:
    runtime = warm.arguments["runtime"]
    listed = f"cd {runtime} && find . -type f -exec sha256sum {{}} + | LC_ALL=C sort"
    whole = warm.host.check_output(listed)
    warm.host.check_output(
        f"cd {runtime} && truncate --size 100 bin/uv && rm site-packages/rattler/__init__.py && touch x"
    )
    absent = [{"name": "none", "state": "absent"}]
    answer = warm.play(tags="conda_environments", conda_environments_list=absent)
    assert answer.succeeded()
    assert "changed: [debian12-1]" in answer.output
    assert "damaged (added x, edited bin/uv, missing site-packages/rattler/__init__.py). It is rebuilt" in answer.output
    assert warm.host.check_output(listed) == whole


def test_a_rollback_that_nobody_confirms_changes_nothing(warm: Node, small: Packages, larger: Packages) -> None:
    for resolved in (small, larger):
        assert warm.converge(name="analysis", resolved=resolved).succeeded()
    there = warm.host.file(f"{ENVS}/analysis").linked_to
    assert warm.play("playbooks/rollback.yml", rollback_env="analysis").failed_saying(
        "Nothing was changed", "-e rollback_confirm=false"
    )
    assert warm.host.file(f"{ENVS}/analysis").linked_to == there


# Others at work


def test_files_whose_names_are_no_text_are_told_and_fail_nothing(warm: Node, small: Packages, larger: Packages) -> None:
    assert warm.converge(name="named", resolved=small).succeeded()
    warm.host.check_output("touch /opt/evenkeel/envs/named/\"$(printf 'caf\\351\\033[2K.txt')\"")
    reported = finish(
        ansible(
            "adhoc",
            "gpu_nodes",
            "--become",
            "--module-name=evenkeel.gpu.conda_environment_info",
            "--args=name=named verify=files",
            EVENKEEL_LAB_GROUP=warm.group,
        )
    )
    assert reported.succeeded()
    assert r"caf\\xe9\\x1b[2K.txt" in reported.output  # as JSON has it
    warm.host.check_output("rm /opt/evenkeel/envs/named/conda-meta/idna-*")
    done = warm.converge(name="named", resolved=larger)
    assert done.succeeded()
    assert done.result["user_files"] == [r"caf\xe9\x1b[2K.txt"]
    assert done.result["changed"]


def together(node: Node, *commands: str) -> list[str]:
    """Run commands at the same time, and return what each printed."""
    started = "".join(f"{command} >{PROGRAMS}/{number}.out & " for number, command in enumerate(commands))
    node.host.check_output(f"{started} wait")
    return [node.host.file(f"{PROGRAMS}/{number}.out").content_string for number in range(len(commands))]


def test_two_runs_at_once_make_one_generation(warm: Node, with_pip: Packages) -> None:
    command = warm.program(name="analysis", resolved=with_pip)
    answers = [answer_of(output) for output in together(warm, command, command)]
    assert all(answer.succeeded() for answer in answers)
    assert len({answer.result["generation"] for answer in answers}) == 1
    assert len(names(warm, f"{GENERATIONS}/analysis")) == 1
    assert warm.converge(name="analysis", resolved=with_pip, verify="files").result["plan"] == []


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_a_users_own_conda_beside_a_run_disturbs_nobody(warm: Node, small: Packages, installer: str) -> None:
    own = "/home/own-environment"
    conda = f"/opt/miniconda3/bin/conda create --yes --quiet --prefix {own} {' '.join(SMALL)} six"
    try:
        _, output = together(warm, conda, warm.program(name="analysis", resolved=small, installer=installer))
        assert answer_of(output).succeeded()
        assert warm.host.run(f"{own}/bin/python -c 'import idna, six'").rc == 0
        assert warm.converge(name="analysis", resolved=small, verify="files").result["plan"] == []
    finally:
        warm.host.check_output(f"rm -rf {own}")


@pytest.mark.parametrize("lock", ["pkgs", "environment-analysis"])
def test_a_lock_is_waited_for_and_its_holder_named(warm: Node, small: Packages, lock: str) -> None:
    unit, path = "holder", f"{LOCKS}/{lock}"
    warm.host.check_output(f"mkdir -p {LOCKS}")
    hold = f"exec 9>{path}; flock 9; echo -n 1 >{path}; exec sleep infinity"  # what a lock says is not believed
    warm.host.check_output(f"systemd-run --unit={unit} bash -c %s", hold)
    try:
        warm.host.check_output(f"until test -s {path}; do sleep 0.02; done")
        answer = warm.converge(name="analysis", resolved=small, lock_timeout=1)
        holder = warm.host.check_output(f"systemctl show --value --property=MainPID {unit}")
        assert answer.failed_saying(path, f"process {holder} (sleep of root) after 1 s")
        assert warm.host.check_output(f"stat --format=%a {LOCKS} {path}").split() == ["700", "600"]
        assert_nothing_is_made(warm, "analysis")
    finally:
        warm.host.check_output(f"systemctl stop {unit}")
    assert warm.converge(name="analysis", resolved=small).succeeded()
