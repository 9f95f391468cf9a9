# SPDX-License-Identifier: GPL-3.0-or-later
"""Installers, mirrors and dates, asked of a site on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from unittest.mock import ANY

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import (
    DISTRIBUTIONS,
    Installer,
    known,
    parse,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import Carried, Mirror

from reality import world as worlds
from reality.claims import DIFFERS, PROVEN, Result, SkippedError
from reality.parts.data import ages, installers, mirrors
from reality.reach import MIB, RefusedError
from reality.world import World, stand_ins, sums
from tests.unit.reality.site import Reply, Site

FILE = "Miniconda3-py313_26.5.3-1-Linux-x86_64.sh"
CONTENT = b"#!an install"
PORTAL = b"<!DOCTYPE html><title>Sign in</title>"
READ = date(2026, 10, 30)
INDEX = b'{"info": {}, "packages": {}}'


@pytest.fixture
def installer(site: Site, monkeypatch: pytest.MonkeyPatch) -> Installer:
    places = {"miniconda": f"{site.url}/miniconda", "miniforge": f"{site.url}/miniforge"}
    monkeypatch.setattr(installers, "DISTRIBUTION_SITES", places)
    found = parse(FILE)
    assert found
    site.answer(f"/miniconda/{FILE}", CONTENT)
    site.answer("/miniconda/", page(sha256(CONTENT).hexdigest()))
    return replace(found, sha256=sha256(CONTENT).hexdigest())


def page(digest: str, file: str = FILE) -> bytes:
    return f"<table><tr><td>{file}</td><td>{digest}</td></tr></table>".encode()


def said(result: Result) -> tuple[str, str]:
    return result.state, result.detail


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (CONTENT, (DIFFERS, "it has 12 bytes, which is no installer")),
        (Reply(CONTENT, announced=100 * MIB), (PROVEN, f"{100 * MIB} bytes")),
        (Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT), (PROVEN, "it announces no size")),
        (Reply(PORTAL, announced=100 * MIB), (DIFFERS, "it begins with '<!', which is no installer")),
        (Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n" + PORTAL), (DIFFERS, "it begins with '<!', which is no installer")),
        (b"", (DIFFERS, "it begins with '', which is no installer")),
    ],
)
def test_an_installer_by_its_beginning_and_its_size(
    site: Site, world: World, installer: Installer, reply: Reply | bytes, result: tuple[str, str]
) -> None:
    url = site.answer(f"/miniconda/{FILE}", reply)
    assert said(installers._there(installer, world)) == result
    newest = mirrors.choose("miniconda", "latest-known", "x86_64", world.installers())
    site.answer(f"/mirror/{newest.path}", reply)
    found = mirrors._installer("miniconda", f"{site.url}/mirror", world)
    assert (found.on, said(found)) == (f"{site.url}/mirror", (result[0], f"{newest.file}: {result[1]}"))
    site.answer(f"/miniconda/{FILE}", Reply(status=404))
    with pytest.raises(RefusedError, match=f"{url} answered 404"):
        installers._there(installer, world)


@pytest.mark.parametrize(
    ("index", "result"),
    [
        (page(sha256(CONTENT).hexdigest()), (PROVEN, "")),
        (page("0" * 64), (DIFFERS, f"it says {'0' * 64}")),
        (PORTAL, (DIFFERS, f"it does not list {FILE}")),
    ],
)
def test_an_installer_by_its_published_checksum(
    site: Site, world: World, installer: Installer, index: bytes, result: tuple[str, str]
) -> None:
    site.answer("/miniconda/", index)
    assert said(installers._listed(installer, world)) == result


def test_an_installer_by_its_content(site: Site, world: World, installer: Installer) -> None:
    assert said(installers._whole(installer, True, world)) == (PROVEN, "12 bytes")
    assert installers._whole(replace(installer, sha256="0" * 64), True, world).state == DIFFERS
    site.asked.clear()
    with pytest.raises(SkippedError, match="it is not in the sample; --all downloads all"):
        installers._whole(installer, False, world)
    assert site.asked == []
    world.everything = True
    assert installers._whole(installer, False, world).state == PROVEN


LAST = {name: mirrors.choose(name, "latest-known", "x86_64", known()).version for name in DISTRIBUTIONS}


@pytest.mark.parametrize(
    ("index", "result"),
    [
        (page("0" * 64), (PROVEN, f"the newest is {LAST['miniconda']}")),
        (
            page("0" * 64, "Miniconda3-py399_99.1.0-1-Linux-x86_64.sh"),
            (DIFFERS, f"99.1.0-1; the newest known is {LAST['miniconda']}: make installers INDEX="),
        ),
        (page("0" * 64, "Miniconda3-py39_4.9.2-Linux-x86_64.sh"), (DIFFERS, f"it does not have {LAST['miniconda']}")),
        (PORTAL, (DIFFERS, f"it does not have {LAST['miniconda']}, which is known")),
    ],
)
def test_a_newer_installer_is_told(
    site: Site, world: World, installer: Installer, index: bytes, result: tuple[str, str]
) -> None:
    site.answer("/miniconda/", index)
    found = installers._newest("miniconda", world)
    assert (found.state, found.detail[: len(result[1])]) == result


@pytest.mark.parametrize(
    ("place", "state"),
    [
        (f"/releases/tag/{LAST['miniforge']}", PROVEN),
        ("/releases/tag/99.1-1", DIFFERS),
        ("/releases/tag/4.9.2", DIFFERS),
        ("/sign-in", DIFFERS),
        ("/1..-1", DIFFERS),
    ],
)
def test_the_newest_miniforge_is_where_its_latest_release_leads(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, place: str, state: str
) -> None:
    url = site.answer("/releases/latest", Reply(status=302, headers={"Location": site.answer(place, PORTAL)}))
    monkeypatch.setattr(installers, "_LATEST_MINIFORGE", url)
    assert installers._newest("miniforge", world).state == state


def test_the_sample_is_the_newest_of_each_distribution(world: World) -> None:
    names = [one.file for one in installers.newest(world.installers())]
    assert [name.partition("-")[0] for name in names] == ["Miniconda3", "Miniforge3"]
    assert all(name.endswith("x86_64.sh") for name in names)


def channel(site: Site, *answers: tuple[str, Reply | bytes]) -> Carried:
    for platform, reply in answers:
        site.answer(f"/cloud/bioconda/{platform}/repodata.json", reply)
    return Carried(f"{site.url}/cloud", ("bioconda",))


def test_a_channel_on_each_of_its_platforms(site: Site, world: World) -> None:
    good = channel(site, ("linux-64", INDEX), ("noarch", INDEX))
    assert mirrors._carries(good, ["linux-64"], world).state == PROVEN
    found = mirrors._carries(good, ["linux-64", "linux-aarch64"], world)
    assert said(found) == (DIFFERS, "linux-aarch64 answered 404")


def test_a_sign_in_page_is_no_channel(site: Site, world: World) -> None:
    found = mirrors._carries(channel(site, ("linux-64", PORTAL), ("noarch", INDEX)), ["linux-64"], world)
    assert "linux-64 answered with something else than an index" in found.detail


@pytest.mark.parametrize(("days", "state"), [(1, PROVEN), (90, DIFFERS)])
def test_the_newest_index_of_a_mirror_counts(site: Site, world: World, days: int, state: str) -> None:
    made = format_datetime(datetime.now(UTC) - timedelta(days=days), usegmt=True)
    one = channel(site, ("linux-64", Reply(INDEX, headers={"Last-Modified": made})))
    assert mirrors._fresh([one, Carried(f"{site.url}/other", ("gone",))], world).state == state
    with pytest.raises(SkippedError, match="none of its indexes is there"):
        mirrors._fresh([Carried(f"{site.url}/other", ("gone",))], world)


def test_what_is_no_index_is_not_fresh(site: Site, world: World) -> None:
    made = {"Last-Modified": format_datetime(datetime.now(UTC), usegmt=True)}
    for body in (PORTAL, b'{"error": "sign in"}'):
        one = channel(site, ("linux-64", Reply(body, headers=made)))
        with pytest.raises(SkippedError, match="none of its indexes is there"):
            mirrors._fresh([one], World(world.folder, world.store))


@pytest.mark.parametrize(
    ("nvidia", "bioconda", "result"),
    [
        (Reply(status=404), INDEX, (PROVEN, "")),
        (Reply(status=410), INDEX, (PROVEN, "")),
        (Reply(status=404), PORTAL, (DIFFERS, "it has no index of a channel either, so what it lacks says nothing")),
        (
            PORTAL,
            INDEX,
            (DIFFERS, "answered with something else than an index, which begins with '<!DOCTYPE html><titl'"),
        ),
        (INDEX, INDEX, (DIFFERS, "it does")),
    ],
)
def test_a_channel_that_a_mirror_lacks(
    site: Site, world: World, nvidia: Reply | bytes, bioconda: bytes, result: tuple[str, str]
) -> None:
    one = Mirror("one", site.url, channels={"bioconda": channel(site, ("linux-64", bioconda))})
    site.answer("/cloud/nvidia/linux-64/repodata.json", nvidia)
    assert said(mirrors._lacks(one, world)) == result


def test_a_channel_that_a_mirror_keeps(site: Site, world: World) -> None:
    one = Mirror("one", site.url, channels={"bioconda": channel(site, ("linux-64", INDEX))})
    site.answer("/cloud/nvidia/linux-64/repodata.json", Reply(status=403))
    with pytest.raises(RefusedError, match="answered 403"):
        mirrors._lacks(one, world)


@pytest.mark.parametrize(
    ("reply", "index", "has", "state"),
    [
        (b'{"version": "2025-07-15", "text": "Terms", "support": "x"}', INDEX, True, PROVEN),
        (b'{"version": "2025-07-15", "text": "Terms", "support": "x"}', INDEX, False, DIFFERS),
        (Reply(status=404), INDEX, False, PROVEN),
        (Reply(status=404), PORTAL, False, DIFFERS),
        (Reply(status=404), INDEX, True, DIFFERS),
        (PORTAL, INDEX, True, DIFFERS),
        (PORTAL, INDEX, False, DIFFERS),
        (b"[" * 100000, INDEX, False, DIFFERS),
    ],
)
def test_terms_of_service(site: Site, world: World, reply: Reply | bytes, index: bytes, has: bool, state: str) -> None:
    site.answer("/pkgs/main/terms.json", reply)
    site.answer("/pkgs/main/linux-64/repodata.json", index)
    assert mirrors._terms(f"{site.url}/pkgs/main", has, world).state == state


@pytest.mark.parametrize("status", [403, 418])
def test_terms_that_a_site_keeps(site: Site, world: World, status: int) -> None:
    site.answer("/pkgs/main/terms.json", Reply(status=status))
    with pytest.raises(RefusedError, match=f"answered {status}"):
        mirrors._terms(f"{site.url}/pkgs/main", False, world)


@pytest.mark.parametrize(("body", "state"), [(b"<a>pip-26.3-py3-none-any.whl</a>", PROVEN), (PORTAL, DIFFERS)])
def test_an_index_for_pip(site: Site, world: World, body: bytes, state: str) -> None:
    site.answer("/simple/pip/", body)
    assert mirrors._pip(f"{site.url}/simple/", world).state == state


def test_every_mirror_is_asked_and_hearsay_stands_apart(world: World) -> None:
    subjects: dict[str, set[str]] = {}
    for one in mirrors.questions(world):
        subjects.setdefault(one.claim.id.split("/")[2], set()).add(one.claim.subject)
    assert set(subjects) == set(mirrors.presets())
    assert mirrors.UNVERIFIED in subjects["bfsu"]
    assert mirrors.UNVERIFIED not in subjects["tuna"]


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ([{"cycle": "12", "eol": "2028-06-30", "support": "2026-07-11"}], (PROVEN, "")),
        ([{"cycle": "12", "eol": "2027-06-30", "lts": False}], (DIFFERS, "2028-06-30 is not among 2027-06-30")),
        ([{"cycle": "13", "eol": True}], (DIFFERS, "it does not list that release")),
        ({"error": "x"}, (DIFFERS, "it answered with no list of releases")),
        ("[" * 100000, (DIFFERS, "it answered with no list of releases")),
    ],
)
def test_ends_of_support(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, body: object, result: tuple[str, str]
) -> None:
    monkeypatch.setattr(ages, "_SITE", site.url)
    site.answer("/debian.json", (body if isinstance(body, str) else json.dumps(body)).encode())
    assert said(ages._end("debian", "12", {"2028-06-30"}, world)) == result


@pytest.mark.parametrize(
    ("today", "result"),
    [(date(2026, 11, 1), (PROVEN, "it was read in 2026-10-30, 2 days ago")), (date(2027, 11, 1), (DIFFERS, ANY))],
)
def test_the_age_of_a_data_file(
    world: World, monkeypatch: pytest.MonkeyPatch, today: date, result: tuple[str, str]
) -> None:
    monkeypatch.setattr(World, "today", today)
    monkeypatch.setattr(
        ages.data_ages, "ages", lambda day: [{"name": "x", "read": "2026-10-30", "days": (day - READ).days}]
    )
    assert said(ages._age("x", world)) == result


def test_no_age_by_a_wrong_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "today", date(1970, 1, 1))
    (name, *_others) = (one["name"] for one in ages.data_ages.ages(world.today))
    with pytest.raises(SkippedError, match="this machine's clock is wrong: it says 1970-01-01, and "):
        ages._age(name, world)


def test_what_the_lab_stands_in_for(tmp_path: Path, world: World) -> None:
    (tmp_path / "nvidia" / "compute" / "cuda" / "repos" / "rhel9" / "x86_64").mkdir(parents=True)
    (tmp_path / "nvidia" / "sums.json").write_text('{"key": {"rhel9": "aa"}, "runfile": {"1": "bb"}}')
    (tmp_path / "anaconda" / "miniconda").mkdir(parents=True)
    (tmp_path / "anaconda" / "miniconda" / "SHA256SUMS").write_text(f"cc  {FILE}\n")
    world.stand_ins = stand_ins(tmp_path, "http://lab")
    world.sums = sums(tmp_path, world.stand_ins)
    repository = "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64"
    assert world.at(f"{repository}/repodata/repomd.xml").startswith(
        "http://lab/nvidia/compute/cuda/repos/rhel9/x86_64/"
    )
    assert world.sum_of(f"{repository}/D42D0685.pub", "real") == "aa"
    assert [(one.file, one.sha256) for one in world.installers()] == [(FILE, "cc")]
    with pytest.raises(SkippedError, match=r"the lab has no stand-in for https://mirrors\.example/"):
        world.at("https://mirrors.example/x")


def test_the_lab_is_chosen_by_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not worlds.chosen({}, tmp_path).is_lab
    monkeypatch.setattr("lab.upstream.mirror.running", lambda: False)
    with pytest.raises(SkippedError, match="the lab's mirror does not run"):
        worlds.chosen({"REALITY": "lab"}, tmp_path)
