# SPDX-License-Identifier: GPL-3.0-or-later
"""The reality check against the lab's tree, as it is and with repositories that are not as they should be."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import paths
from lab.upstream import mirror_server, recorded_packages, recorded_repositories
from reality import record, report, world
from reality.claims import Claim, Result
from reality.parts import conda, data
from reality.parts.packages import recording
from reality.reach import Reach
from reality.run import ask, run
from reality.state import STATE, State
from reality.world import World

REPOSITORIES = "https://developer.download.nvidia.com/compute/cuda/repos"


class Silent:
    """Nobody watches."""

    def begin(self, name: str, total: int, done: int) -> None:
        pass

    def result(self, claim: Claim, result: Result) -> None:
        pass

    def waiting(self, claims: Sequence[Claim]) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the lab's tree on loopback."""
    server = mirror_server.Mirror(paths.WWW, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def lab(url: str, tmp_path: Path) -> World:
    places = world.stand_ins(paths.WWW, url)
    sums = world.sums(paths.WWW, places)
    return World(tmp_path / "lab", tmp_path / "store", world.LAB, False, places, sums, (), reach=Reach(silence=5.0))


def answers(here: World, *keys: str) -> dict[str, Result]:
    """Return the results of some claims."""
    claims = {claim.id: claim for claim in data.claims(here)}
    return {key: result for key in keys if (result := ask(data, claims[key], here))}


def test_the_lab_is_as_the_data_say_where_it_is_meant_to_be(lab: World, tmp_path: Path) -> None:
    state = State(lab.folder / STATE)
    assert run("data", data, lab, state, Silent())
    results = state.of(data.claims(lab))
    odd = {key: one.detail for key, one in results.items() if one.state not in ("proven", "skipped")}
    assert odd == {}
    proven = Counter(key.split("/")[1] for key, one in results.items() if one.state == "proven")
    assert all(proven[topic] >= 2 for topic in ("installers", "mirrors", "keys", "signatures", "driver", "cuda")), (
        proven
    )
    for release in ("debian13", "ubuntu2404", "rhel9"):
        assert results[f"data/signatures/{release}/x86_64"].state == "proven"
        assert results[f"data/driver/{release}/x86_64/580"].state == "proven"
    made = report.of_run(data.claims(lab), results, lab.name)
    assert report.read(report.written(made, tmp_path)[0]) == made


@pytest.mark.parametrize("release", ["debian12", "rhel9"])
def test_a_repository_whose_key_has_changed(lab: World, url: str, release: str) -> None:
    place = f"/compute/cuda/repos/{release}/x86_64"
    lab.stand_ins = {f"{REPOSITORIES}/{release}/x86_64": f"{url}/nvidia/rekeyed{place}"}
    (found,) = answers(lab, f"data/signatures/{release}/x86_64").values()
    assert (found.state, "is not by the key of its repository" in found.detail) == ("differs", True)


@pytest.mark.parametrize("release", ["debian12", "rhel9"])
def test_a_repository_in_the_middle_of_a_synchronisation(lab: World, url: str, release: str) -> None:
    place = f"/compute/cuda/repos/{release}/x86_64"
    lab.stand_ins = {f"{REPOSITORIES}/{release}/x86_64": f"{url}/nvidia/syncing{place}"}
    (found,) = answers(lab, f"data/driver/{release}/x86_64/580").values()
    assert (found.state, "is not the list that its repository names" in found.detail) == ("differs", True)


def test_a_key_that_is_not_the_known_one(lab: World) -> None:
    lab.sums = dict.fromkeys(lab.sums, "0" * 64)
    found = answers(lab, "data/keys/debian12/x86_64", "data/keys/rhel9/x86_64")
    assert {one.state for one in found.values()} == {"differs"}


@pytest.mark.parametrize(
    ("fault", "state", "said"),
    [
        ("html", "differs", "is no list of APT"),
        ("truncate", "unreachable", "ended after"),
        ("flaky/1/reality-{release}", "proven", ""),
        ("limit/2/reality-{release}", "proven", ""),
        ("limit/9/reality-{release}-for-long", "unreachable", "answered 429 Too Many Requests"),
        ("404", "skipped", "answered 404"),
    ],
)
def test_a_site_that_fails(lab: World, url: str, fault: str, state: str, said: str) -> None:
    way = fault.format(release="debian13")
    place = "/nvidia/compute/cuda/repos/debian13/x86_64"
    lab.stand_ins = {f"{REPOSITORIES}/debian13/x86_64": f"{url}/_fault/{way}{place}"}
    (found,) = answers(lab, "data/driver/debian13/x86_64/580").values()
    assert (found.state, said in found.detail) == (state, True), found


@pytest.mark.long
def test_the_lab_builds_repositories_of_what_is_recorded(lab: World, tmp_path: Path) -> None:
    records, made = tmp_path / "records", paths.WWW.parent / f"recorded-{os.getpid()}"
    for sight in recording.repositories():
        if sight.name in ("nvidia/debian12", "nvidia/rhel9", "container/apt", "container/rpm"):
            record.write(sight.look(lab), records)
    try:
        recorded_repositories.fill(made, records / "packages")
        for name, kind in (("debian12", "apt"), ("rhel9", "rpm")):
            found = recorded_packages.nvidia(f"nvidia/{name}", records / "packages")
            assert found is not None
            listed = names(made / recorded_repositories.NVIDIA / name / "x86_64", kind)
            assert listed == names(recorded_repositories.own_folder(name), kind)
            assert {one.name for one in (*found.packages, *found.toolkits)} < listed
            assert {"cuda-toolkit-12-9", "cuda-toolkit-13-0"} < {one.name for one in found.toolkits}
        for place, kind in (("deb/amd64", "apt"), ("rpm/x86_64", "rpm")):
            listed = names(made / recorded_repositories.CONTAINER / "stable" / place, kind)
            assert "nvidia-container-toolkit" in listed
    finally:
        shutil.rmtree(made, ignore_errors=True)


def names(folder: Path, kind: str) -> set[str]:
    """Return the names of a repository's packages, by its lists."""
    if kind == "apt":
        return set(re.findall(r"^Package: (.*)$", (folder / "Packages").read_text(), re.MULTILINE))
    (listed,) = folder.glob("repodata/*-primary.xml.gz")
    return set(re.findall(r"<name>(.*?)</name>", gzip.decompress(listed.read_bytes()).decode()))


@pytest.mark.long
def test_the_tests_of_a_real_conda_run_with_the_lab_s_installers(lab: World) -> None:
    state = State(lab.folder / STATE)
    # The third kind are scenarios of Molecule, which have their own targets.
    assert run("conda", conda, lab, state, Silent(), only="conda/[ie]*")
    results = state.of(conda.claims(lab))
    assert {one.state for one in results.values()} == {"proven", "skipped"}
    case = next(one.name for one in conda.cases(lab) if "py311" in one.name)
    for key in ("unchanged", "protected", "builder", "contract"):
        assert results[f"conda/installer/{case}/{key}"].state == "proven", results[f"conda/installer/{case}/{key}"]
    assert results["conda/environment/minimal"].state == "proven", results["conda/environment/minimal"]
