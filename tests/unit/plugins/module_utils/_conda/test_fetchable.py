# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import doctest
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import fetchable
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.fetchable import Sources, require_fetchable
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MAIN, FORGE, INDEX = "http://mirror/main", "http://mirror/forge", "http://mirror/simple/"


def conda(place: str, name: str, size: int = 0) -> Package:
    return Package(name, "1.0", "0", "ab" * 32, url=f"{place}/{name}-1.0-0.conda", size=size)


def pip(name: str, sha256: str = "cd" * 32) -> Package:
    return Package(name, "2.0", "", sha256, PIP, url=f"http://files/{name}-2.0-py3-none-any.whl")


PYTHON, NUMPY = conda(f"{MAIN}/linux-64", "python"), conda(f"{MAIN}/linux-64", "numpy")
TORCH = replace(
    pip("torch"), url="http://wheels.example/cu121/torch-2.0-py3-none-any.whl", index="http://wheels.example"
)
IDNA, SIX = conda(f"{MAIN}/noarch", "idna"), conda(f"{FORGE}/noarch", "six")


class Sites:
    def __init__(self) -> None:
        self.asked: list[str] = []
        #: By URL, the status of the answer; 200 where there is none.
        self.answers: dict[str, int] = {}

    def begin(self, url: str, timeout: float, retries: int) -> None:
        self.asked.append(url)
        if url in self.answers:
            status = self.answers[url]
            refusal = HTTPError(url, status, "Refused", Message(), None) if status < 500 else None
            raise EvenkeelError(f"{url} answered {status}", "Check it") from refusal


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sites:
    sites = Sites()
    monkeypatch.setattr(fetchable, "beginning", sites.begin)
    monkeypatch.setattr(fetchable, "_found", {})
    monkeypatch.setattr(fetchable, "_CREDENTIALS", str(tmp_path / "credentials.json"))
    return sites


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(str(tmp_path / "pkgs" / "rattler"), INDEX, timeout=60, connections=2)


def test_the_examples_hold() -> None:
    assert doctest.testmod(fetchable).failed == 0


@pytest.mark.parametrize(
    ("packages", "asked"),
    [
        ([], []),
        ([PYTHON], [PYTHON.url]),
        ([PYTHON, NUMPY], [NUMPY.url]),
        ([PYTHON, IDNA, SIX], [PYTHON.url, IDNA.url, SIX.url]),
        ([conda("file:///srv/main/noarch", "idna")], []),
        ([pip("Zope.Interface"), pip("einops")], [f"{INDEX}zope-interface/"]),
        ([PYTHON, pip("einops")], [PYTHON.url, f"{INDEX}einops/"]),
        ([replace(pip("einops"), url="wheels/ab/einops-0.8.1-py3-none-any.whl")], []),
        ([TORCH, pip("einops")], [TORCH.url, f"{INDEX}einops/"]),
        ([replace(TORCH, url="file:///srv/torch-2.0-py3-none-any.whl")], []),
    ],
    ids=[
        "nothing",
        "one",
        "one folder",
        "three folders",
        "a file",
        "pip",
        "both",
        "a built wheel",
        "pinned",
        "pinned file",
    ],
)
def test_each_source_is_asked_once(sites: Sites, sources: Sources, packages: list[Package], asked: list[str]) -> None:
    require_fetchable("ai-dev", packages, sources)
    assert sorted(sites.asked) == sorted(asked)


def test_an_index_that_only_uv_knows_is_not_asked(sites: Sites, tmp_path: Path) -> None:
    require_fetchable("ai-dev", [pip("einops")], Sources(str(tmp_path), "", 60, 2))
    assert sites.asked == []


def test_what_is_in_the_cache_is_not_asked_for(sites: Sites, sources: Sources) -> None:
    for package, file in ((NUMPY, "index.json"), (IDNA, "paths.json")):
        info = Path(sources.cache, package.stem, "info")
        info.mkdir(parents=True)
        (info / file).touch()
    require_fetchable("ai-dev", [NUMPY, IDNA], sources)
    assert sites.asked == [IDNA.url]


def test_all_that_is_wrong_is_said_at_once(sites: Sites, sources: Sources) -> None:
    sites.answers = {PYTHON.url: 404, f"{INDEX}einops/": 401}
    with pytest.raises(EvenkeelError) as raised:
        require_fetchable("ai-dev", [PYTHON, IDNA, pip("einops")], sources)
    wrong = f"{PYTHON.url} answered 404; {INDEX}einops/ answered 401"
    assert raised.value.what == f"The environment ai-dev can't be built: {wrong}"


@pytest.mark.parametrize(
    ("status", "asked", "problems"),
    [
        (200, [PYTHON.url], ["", ""]),
        (503, [PYTHON.url], [f"{PYTHON.url} answered 503"] * 2),
        (404, [PYTHON.url, NUMPY.url], [f"{PYTHON.url} answered 404", ""]),
    ],
    ids=["delivers", "does not deliver", "has no such file"],
)
def test_a_folder_is_asked_once_for_all_environments(
    sites: Sites, status: int, asked: list[str], problems: list[str]
) -> None:
    sites.answers = {} if status == 200 else {PYTHON.url: status}
    assert [fetchable.problem(package.url, 60) for package in (PYTHON, NUMPY)] == problems
    assert sites.asked == asked


@pytest.mark.parametrize(("status", "problem"), [(401, ""), (403, ""), (404, "answered 404"), (500, "answered 500")])
def test_a_refusal_says_nothing_where_the_installer_has_credentials_of_its_own(
    sites: Sites, tmp_path: Path, status: int, problem: str
) -> None:
    (tmp_path / "credentials.json").touch()
    sites.answers = {PYTHON.url: status}
    assert fetchable.problem(PYTHON.url, 60).endswith(problem)
    assert bool(fetchable.problem(PYTHON.url, 60)) is bool(problem)


def test_what_has_no_room_is_not_asked_for(sites: Sites, sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=rf"^What the environment ai-dev lacks needs {1 << 60} bytes, .*{tmp_path}"):
        require_fetchable("ai-dev", [conda(f"{MAIN}/noarch", "huge", 1 << 60)], sources)
    assert sites.asked == []


def test_a_source_is_waited_for_as_long_as_downloads_are(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(fetchable, "beginning", lambda _, timeout, __: waits.append(timeout))
    assert fetchable.problem(PYTHON.url, 60) == ""
    assert waits == [60]
