# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of others that name a repository of Evenkeel's go, nothing else does, and the file as it was is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import Place, Repositories

from tests.unit.plugins.module_utils._os_packages.fakes import FakePrograms

CUDA = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/"
CONTAINER = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64/"
CONTAINER_RPM = "https://nvidia.github.io/libnvidia-container/stable/rpm/x86_64/"
SUITED = Place.of("http://m/ubuntu", "noble")
OURS = Repositories(
    {**{Place.of(url): () for url in (CUDA, CONTAINER, CONTAINER_RPM)}, SUITED: ("main", "extra")},
    foreign_sources.variables("x86_64", "9.4"),
)
KEYRING = f"deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] {CUDA} /\n"
UBUNTU = "deb http://archive.ubuntu.com/ubuntu noble main restricted universe\n"


def stanza(uris: str, suites: str = "/", *more: str) -> str:
    return "".join(f"{line}\n" for line in ("Types: deb", f"URIs: {uris}", f"Suites: {suites}", *more))


@pytest.mark.parametrize(
    "line",
    [
        KEYRING,
        f"deb {CUDA} /\n",
        f"deb {CUDA} /",
        f"deb {CUDA.rstrip('/')} /\n",
        f"deb {CUDA.rstrip('/')}// ./\n",
        f"deb {CUDA.replace('https', 'http')} /\n",
        f"deb {CUDA.replace('.com/', '.com:443/').replace('developer', 'Developer')} /\n",
        f"deb {CUDA.replace('//', '//somebody:secret@')} /\n",
        f"deb {CUDA.replace('x86_64/', '')} x86_64/\n",
        f"  deb\t[ arch=amd64  trusted=yes ]\t{CUDA}  /  # CUDA\n",
        f"deb-src {CUDA} /\n",
        "deb [signed-by=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg]"
        " https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /\n",
        "deb http://m/ubuntu noble main\n",
        "deb [arch=amd64] http://m/ubuntu/ noble extra main # all\n",
    ],
)
@pytest.mark.parametrize("path", ["/etc/apt/sources.list", "/etc/apt/sources.list.d/x.list"])
def test_an_entry_of_the_same_repository_goes_and_its_neighbours_stay(path: str, line: str) -> None:
    assert foreign_sources.without(path, line, OURS) == ""
    head = f"# Kept: é\n\n{UBUNTU}"
    assert foreign_sources.without(path, head + line, OURS) == head
    if line.endswith("\n"):
        assert foreign_sources.without(path, line + head, OURS) == head


@pytest.mark.parametrize(
    "text",
    [
        UBUNTU,
        f"#{KEYRING}",
        f"# {KEYRING}",
        "",
        "\n\n",
        f"deb {CUDA.replace('2404', '2204')} /\n",
        f"deb {CUDA} cross/\n",
        f"deb {CUDA} stable main\n",
        f"deb file:{CUDA.partition(':')[2]} /\n",
        "deb https://nvidia.github.io/libnvidia-container/experimental/deb/$(ARCH) /\n",
        "deb http://m/ubuntu noble main universe\n",
        "deb http://m/ubuntu noble-updates main\n",
        "nonsense\n",
    ],
)
def test_other_lines_stay_as_they_are(text: str) -> None:
    assert foreign_sources.without("x.list", text, OURS) == text


CONTAINER_GUIDE = (
    "deb [signed-by=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg]"
    " https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /\n"
    "#deb [signed-by=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg]"
    " https://nvidia.github.io/libnvidia-container/experimental/deb/$(ARCH) /\n"
)


def test_what_the_guide_of_the_container_toolkit_has_commented_stays() -> None:
    rest = foreign_sources.without("nvidia-container-toolkit.list", CONTAINER_GUIDE, OURS)
    assert rest == CONTAINER_GUIDE.splitlines(keepends=True)[1]


OTHER = stanza("http://archive.ubuntu.com/ubuntu", "noble noble-updates", "Components: main", "Signed-By: /u.gpg")
ARMOUR = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBA==\n -----END PGP PUBLIC KEY BLOCK-----"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (stanza(CUDA), ""),
        (stanza(CUDA, "/", "Signed-By: /usr/share/keyrings/cuda-archive-keyring.gpg"), ""),
        (stanza(CUDA, "/", ARMOUR), ""),
        (stanza(CUDA, "/", "Enabled: yes"), ""),
        (f"types: deb\nuris:\n {CUDA}\nSUITES:\t/\n", ""),
        (f"# CUDA\n{stanza(CUDA)}\n{OTHER}", OTHER),
        (f"{OTHER}\n\n{stanza(CUDA)}", f"{OTHER}\n\n"),
        (f"{OTHER}\n{stanza(CUDA)} \t\n{OTHER}", f"{OTHER}\n{OTHER}"),
        (stanza(f"{CUDA} http://n/x"), stanza("http://n/x")),
        (
            f"Types: deb\nURIs: {CUDA}\n# second\n http://n/x\nSuites: /\n",
            "Types: deb\nURIs: http://n/x\n# second\nSuites: /\n",
        ),
        (
            stanza("http://m/ubuntu", "noble noble-updates", "Components: main"),
            stanza("http://m/ubuntu", "noble-updates", "Components: main"),
        ),
        (
            stanza("http://m/ubuntu http://n/ubuntu", "noble noble-updates", "Components: main", ARMOUR),
            stanza("http://m/ubuntu", "noble-updates", "Components: main", ARMOUR)
            + "\n"
            + stanza("http://n/ubuntu", "noble noble-updates", "Components: main", ARMOUR),
        ),
    ],
)
def test_a_stanza_loses_what_names_the_same_repository(text: str, expected: str) -> None:
    rest = foreign_sources.without("/etc/apt/sources.list.d/x.sources", text, OURS)
    assert rest == expected
    assert foreign_sources.without("x.sources", rest, OURS) == rest


@pytest.mark.parametrize(
    "text",
    [
        OTHER,
        f"\n\n{OTHER}\n\n\n{OTHER}",
        stanza(CUDA, "/", "Enabled: no"),
        stanza(CUDA, "/", "Enabled: False"),
        "".join(f"#{line}" for line in stanza(CUDA).splitlines(keepends=True)),
        "# Nothing but words\n",
        "",
        stanza("http://m/ubuntu", "noble", "Components: main universe"),
        stanza("http://x/cuda", "/", f"X-Was: {CUDA}"),
    ],
)
def test_other_stanzas_stay_as_they_are(text: str) -> None:
    assert foreign_sources.without("x.sources", text, OURS) == text


CUDA_RPM = """[cuda-ubuntu2404-x86_64]
name=cuda-ubuntu2404-x86_64
baseurl=https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64
enabled=1
gpgcheck=1
gpgkey=https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/D42D0685.pub
"""
EXPERIMENTAL = """[nvidia-container-toolkit-experimental]
name=nvidia-container-toolkit-experimental
baseurl=https://nvidia.github.io/libnvidia-container/experimental/rpm/$basearch
enabled=0
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CUDA_RPM, ""),
        (f"# Mine\n[main]\nretries=3\n\n{CUDA_RPM}{EXPERIMENTAL}", f"# Mine\n[main]\nretries=3\n\n{EXPERIMENTAL}"),
        (
            "[nvidia-container-toolkit]\nbaseurl=https://nvidia.github.io/libnvidia-container/stable/rpm/$basearch\n"
            f"repo_gpgcheck=1\n\n{EXPERIMENTAL}",
            EXPERIMENTAL,
        ),
        (f"[x]\nbaseurl =\n  http://n/x\n  {CUDA}\n", ""),
        (CUDA_RPM.replace("enabled=1", "enabled = 0"), None),
        (CUDA_RPM.replace("baseurl", "#baseurl"), None),
        (CUDA_RPM.replace("2404", "2204"), None),
        (EXPERIMENTAL, None),
        ("[x]\nmirrorlist=http://m/\n", None),
        ("# Nothing\n", None),
    ],
)
def test_a_section_of_dnf_that_names_the_same_repository_goes(text: str, expected: str | None) -> None:
    assert foreign_sources.without("/etc/yum.repos.d/x.repo", text, OURS) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("machine", "uri", "suite"),
    [
        ("aarch64", "http://m/$(ARCH)", "/"),
        ("aarch64", "http://m/arm64", "/"),
        ("aarch64", "http://m", "$(ARCH)/"),
    ],
)
def test_variables_of_apt(machine: str, uri: str, suite: str) -> None:
    ours = Repositories({Place.of("http://m/arm64/"): ()}, foreign_sources.variables(machine, ""))
    assert ours.has(uri, suite)


def test_variables_of_dnf() -> None:
    ours = Repositories({Place.of("http://m/rhel9/x86_64"): ()}, foreign_sources.variables("x86_64", "9.4"))
    assert ours.has("http://m/rhel$releasever/$basearch/")
    assert ours.has("http://m/rhel$releasever_major/$arch/")
    assert not ours.has("http://m/rhel8/$arch/")


def test_paths_differ_by_case_and_hosts_do_not() -> None:
    assert Place.of("http://M/a") == Place.of("http://m/a") != Place.of("http://m/A")
    assert Place.of("file:/srv/A") == Place.of("file:///srv/A/") != Place.of("file:///srv/a/")
    assert Place.of("http://m:80/a") == Place.of("https://m:443/a") != Place.of("http://m:8080/a")


def test_places_of_our_own_files() -> None:
    text = stanza("http://m/x/", "noble", "Components: main extra", "Signed-By: /k.gpg")
    assert foreign_sources.places("evenkeel-x.sources", text) == {Place.of("http://m/x", "noble"): ("main", "extra")}
    assert foreign_sources.places("evenkeel-x.repo", CUDA_RPM) == {Place.of(CUDA): ()}
    assert foreign_sources.places("evenkeel-x.repo", "") == foreign_sources.places("evenkeel-x.sources", "") == {}


def owned(monkeypatch: pytest.MonkeyPatch, path: str = "", truename: str = "") -> FakePrograms:
    """Return the programs of a node on which a file is of a package."""
    return FakePrograms(
        monkeypatch,
        dpkg_query=lambda argv: Done(0 if argv[-1] == path else 1, "", ""),
        dpkg_divert=f"{truename or path}\n",
    )


def test_a_file_of_a_package_is_kept_where_its_package_updates_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "cuda-ubuntu2404-x86_64.list"
    path.write_text(KEYRING)
    path.chmod(0o640)
    programs = owned(monkeypatch, str(path))
    (found,) = foreign_sources.find([str(path)], OURS)
    kept = Path(f"{path}.replaced-by-evenkeel.save")
    assert path.exists()
    assert not kept.exists()
    assert str(found) == (
        f"{path}, without the repository that Evenkeel adds; the file as it was is kept as {kept},"
        " where its package updates it"
    )
    assert found.things() == [Thing("backup", str(kept)), Thing("diversion", str(path))]
    foreign_sources.take_over([found])
    assert (kept.read_text(), kept.stat().st_mode & 0o777, path.exists()) == (KEYRING, 0o640, False)
    assert programs.of("dpkg-divert")[-1] == ["--local", "--no-rename", "--divert", str(kept), "--add", str(path)]
    assert foreign_sources.find([str(path), str(kept)], OURS) == []


@pytest.mark.parametrize("truename", ["", "/elsewhere"], ids=["of nobody", "diverted already"])
def test_another_file_is_kept_without_a_diversion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, truename: str
) -> None:
    path = tmp_path / "sources.list"
    path.write_text(UBUNTU + KEYRING)
    programs = owned(monkeypatch, str(path) if truename else "", truename)
    (found,) = foreign_sources.find([str(path)], OURS)
    assert found.things() == [Thing("backup", f"{path}.replaced-by-evenkeel.save")]
    assert not str(found).endswith("updates it")
    foreign_sources.take_over([found])
    assert path.read_text() == UBUNTU
    assert Path(found.copy.path).read_text() == UBUNTU + KEYRING
    assert [call for call in programs.of("dpkg-divert") if "--add" in call] == []


def test_what_comes_back_is_taken_over_again_and_the_newest_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owned(monkeypatch)
    path = tmp_path / "x.list"
    for text in (KEYRING, f"# again\n{KEYRING}"):
        path.write_text(text)
        found = foreign_sources.find([str(path)], OURS)
        foreign_sources.take_over(found)
        assert Path(found[0].copy.path).read_text() == text


def test_texts_of_another_encoding_survive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owned(monkeypatch)
    path = tmp_path / "x.list"
    path.write_bytes(b"# f\xfcr CUDA\n" + KEYRING.encode())
    foreign_sources.take_over(foreign_sources.find([str(path)], OURS))
    assert path.read_bytes() == b"# f\xfcr CUDA\n"


@pytest.mark.parametrize(
    "name",
    ["x.list.save", "x.list.disabled", "x", "x y.list", "x~.list", ".x.list", "x.repo.rpmsave", "evenkeel-x.list"],
)
def test_what_the_package_manager_does_not_read_or_is_ours_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    FakePrograms(monkeypatch)
    path = tmp_path / name
    path.write_text(KEYRING)
    (tmp_path / "folder.list").mkdir()
    (tmp_path / "dangling.list").symlink_to("nowhere")
    paths = [str(one) for one in tmp_path.iterdir()]
    assert foreign_sources.find([*paths, str(tmp_path / "gone.list")], OURS) == []


def test_a_link_is_replaced_and_its_target_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owned(monkeypatch)
    target = tmp_path / "managed" / "x"
    target.parent.mkdir()
    target.write_text(KEYRING)
    link = tmp_path / "x.list"
    link.symlink_to(target)
    foreign_sources.take_over(foreign_sources.find([str(link)], OURS))
    assert not link.is_symlink()
    assert target.read_text() == KEYRING


def test_the_diff_shows_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owned(monkeypatch)
    path = tmp_path / "x.list"
    path.write_text(KEYRING.replace("https://", "https://somebody:hunter2@"))
    (found,) = foreign_sources.find([str(path)], OURS)
    assert kept_files.is_ours(found.copy.path, "")
    assert "hunter2" not in str([found.edit.diff(), found.copy.diff()])


def test_what_was_there_before_comes_back_where_nobody_has_written_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, written, gone = (str(tmp_path / name) for name in ("theirs.list", "written.list", "gone.list"))
    for path in (theirs, written):
        Path(foreign_sources.kept_path(path)).write_text("deb x")
    Path(written).write_text("deb y")
    backups = [Thing("backup", foreign_sources.kept_path(path)) for path in (theirs, written, gone)]
    commands: list[list[str]] = []
    monkeypatch.setattr(foreign_sources.command, "require", lambda argv, _: commands.append(argv))
    recorded = [*backups, Thing("diversion", theirs), Thing("package", "x")]
    found = foreign_sources.give_back(recorded, Repositories({}, {}))
    assert found.left == (
        f"{written}.replaced-by-evenkeel.save: {written} as it was before Evenkeel, which is there with other entries",
    )
    assert set(found.things) == {backups[0], backups[2], Thing("diversion", theirs)}
    found.apply()
    assert Path(theirs).read_text() == "deb x"
    assert Path(written).read_text() == "deb y"
    assert commands == [["dpkg-divert", "--local", "--no-rename", "--remove", theirs]]


def test_a_file_that_names_a_repository_of_ours_that_stays_comes_back_later(tmp_path: Path) -> None:
    path = str(tmp_path / "cuda.list")
    Path(foreign_sources.kept_path(path)).write_text(KEYRING)
    recorded = [Thing("backup", foreign_sources.kept_path(path)), Thing("diversion", path)]
    assert foreign_sources.give_back(recorded, OURS) == foreign_sources.Return({}, (), (), ())
    assert foreign_sources.give_back(recorded, Repositories({}, {})).things == tuple(recorded)
