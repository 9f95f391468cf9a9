# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which a node trusts a repository, tried in a folder of their own before they take effect."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository, Trial

from tests.unit.plugins.module_utils._os_packages.fakes import FakePrograms

APT = Repository("cuda", "apt", "http://m/debian12/", "http://m/keyring.deb", "a" * 64, "/usr/share/k.gpg")
RPM = Repository("cuda", "rpm", "http://m/rhel9/", "http://m/D42D0685.pub", "a" * 64)


def test_apt_is_told_of_one_key_for_one_repository() -> None:
    assert repositories.text(APT, APT.key_path, "a" * 64, "b" * 64).splitlines()[2:] == [
        "Types: deb",
        "URIs: http://m/debian12/",
        "Suites: /",
        "Signed-By: /etc/apt/keyrings/cuda.gpg",
    ]


def test_components_are_named_where_there_are_some() -> None:
    repository = dataclasses.replace(APT, suite="bookworm", components=("main", "non-free"))
    assert "Suites: bookworm\nComponents: main non-free\n" in repositories.text(repository, "k", "a", "b")


def test_dnf_checks_signatures_and_looks_past_streams() -> None:
    text = repositories.text(RPM, RPM.key_path, "a" * 64, "b" * 64)
    assert "\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/cuda.asc\nmodule_hotfixes=1\n" in text


def test_metadata_are_checked_where_they_are_what_is_signed() -> None:
    text = repositories.text(dataclasses.replace(RPM, signed="metadata"), RPM.key_path, "a" * 64, "b" * 64)
    assert "\ngpgcheck=0\nrepo_gpgcheck=1\n" in text


@pytest.mark.parametrize(
    ("wanted", "own", "expected"),
    [
        ("a" * 64, "b" * 64, "a" * 64),
        ("", "b" * 64, "a" * 64),
        ("c" * 64, "b" * 64, ""),
        ("a" * 64, "d" * 64, ""),
        ("", "", ""),
    ],
    ids=["as it was", "any", "another is wanted", "changed by hand", "gone"],
)
def test_a_key_that_stands_is_right_or_is_fetched_again(wanted: str, own: str, expected: str) -> None:
    standing = repositories.text(APT, APT.key_path, "a" * 64, "b" * 64)
    assert repositories.known(dataclasses.replace(APT, key_sha256=wanted), standing, own) == expected


def test_without_a_file_no_key_is_known() -> None:
    assert repositories.known(APT, None, "b" * 64) == ""


def test_the_files_of_a_repository() -> None:
    assert (APT.path, APT.key_path) == ("/etc/apt/sources.list.d/cuda.sources", "/etc/apt/keyrings/cuda.gpg")
    assert (RPM.path, RPM.key_path) == ("/etc/yum.repos.d/cuda.repo", "/etc/pki/rpm-gpg/cuda.asc")


@pytest.mark.parametrize(
    ("url", "member", "expected"),
    [("http://m/k.gpg", "", "cuda.gpg"), ("http://m/k", "", "cuda.asc"), ("http://m/k.deb", "/k", "cuda.gpg")],
)
def test_a_key_is_named_by_its_form(url: str, member: str, expected: str) -> None:
    repository = dataclasses.replace(APT, key_url=url, key_member=member)
    assert Path(repository.key_path).name == expected


def test_a_modules_option_is_a_repository() -> None:
    option = {"name": "cuda", "kind": "apt", "url": "u", "key_url": "k", "suite": "s", "components": ["main"]}
    assert repositories.parse(option) == Repository("cuda", "apt", "u", "k", suite="s", components=("main",))


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of a node of the Debian family, which has a source and a list."""
    for folder in ("sources.list.d", "preferences.d"):
        (tmp_path / "apt" / folder).mkdir(parents=True)
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    (lists / "m_Packages").write_text("Package: driver\n")
    (lists / "lock").touch()
    (tmp_path / "apt" / "sources.list.d" / "debian.sources").write_text("Types: deb\n")
    monkeypatch.setattr(repositories, "_APT", str(tmp_path / "apt"))
    monkeypatch.setattr(repositories, "_APT_LISTS", str(lists))
    return tmp_path


@pytest.fixture
def rpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of a node of the Red Hat family."""
    (tmp_path / "yum.repos.d").mkdir()
    (tmp_path / "yum.repos.d" / "baseos.repo").write_text("[baseos]\n")
    monkeypatch.setattr(repositories, "_APT", str(tmp_path / "apt"))
    monkeypatch.setattr(repositories, "_RPM", str(tmp_path / "yum.repos.d"))
    monkeypatch.setattr(repositories, "_RPM_KEYS", str(tmp_path / "keys"))
    return tmp_path


def of(root: Path, kind: str = "apt", key: str = "a key\n", **other: str) -> Repository:
    """Return a repository whose key is a file."""
    file = root / "upstream.gpg"
    file.write_text(key)
    return Repository("evenkeel-x", kind, "http://m/x/", file.as_uri(), **other)


def settings(trial: Trial) -> dict[str, str]:
    return dict(one.split("=", 1) for one in trial.settings)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_trial_shows_apt_the_new_files_beside_the_standing_ones_and_changes_nothing(apt: Path) -> None:
    repository = of(apt)
    preferences = str(apt / "apt" / "preferences.d" / "evenkeel-x")
    with repositories.trial(repository, {preferences: "Package: *\n"}) as trial:
        assert [change.path for change in trial.changes] == [preferences, repository.path]
        staged = settings(trial)
        sources = Path(staged["Dir::Etc::SourceParts"])
        assert (sources / "debian.sources").read_text() == "Types: deb\n"
        assert Path(trial.source) == sources / "evenkeel-x.sources"
        assert f"Signed-By: {trial.key}\n" in Path(trial.source).read_text()
        assert Path(staged["Dir::Etc::PreferencesParts"], "evenkeel-x").read_text() == "Package: *\n"
        lists = Path(staged["Dir::State::Lists"])
        assert sorted(path.name for path in lists.iterdir()) == ["m_Packages", "partial"]
        assert staged["Dir::Cache::pkgcache"] == staged["Dir::Cache::srcpkgcache"] == ""
        folder = lists.parent
        assert Path(trial.key).parent == folder
        # apt fetches as a user of its own.
        assert folder.stat().st_mode & 0o777 == 0o755
        assert Path(trial.key).stat().st_mode & 0o777 == 0o644
        assert trial.healed == ()
    assert not folder.exists()
    assert repositories.changed(repository)
    assert sorted(path.name for path in (apt / "apt").rglob("*") if path.is_file()) == ["debian.sources"]


def test_what_is_to_go_is_not_in_the_trial(apt: Path) -> None:
    standing = apt / "apt" / "preferences.d" / "evenkeel-x"
    standing.write_text(f"{kept_files.MARK}\n")
    with repositories.trial(None, {str(standing): None}) as trial:
        assert list(Path(settings(trial)["Dir::Etc::PreferencesParts"]).iterdir()) == []
        assert (trial.source, trial.key, trial.healed) == ("", "", ())
        trial.apply()
    assert not standing.exists()


def test_a_trial_shows_dnf_the_new_repository_beside_the_standing_ones(rpm: Path) -> None:
    with repositories.trial(of(rpm, "rpm"), {}) as trial:
        folder = Path(settings(trial)["reposdir"])
        assert (folder / "baseos.repo").read_text() == "[baseos]\n"
        assert f"gpgkey=file://{trial.key}\n" in (folder / "evenkeel-x.repo").read_text()
        assert Path(trial.source) == folder / "evenkeel-x.repo"
        assert list(settings(trial)) == ["reposdir"]


def test_a_rehearsal_of_apt_runs_no_hooks_and_logs_nothing_on_the_node(apt: Path) -> None:
    with repositories.trial(of(apt), {}, rehearsal=True) as trial:
        (hooks,) = (Path(one) for one in trial.settings if "=" not in one)
        assert hooks.read_text() == "#clear APT::Update;\n"
        assert f"Dir::Log={hooks.parent}" in trial.settings
        assert "Acquire::Retries=1" in trial.settings
        assert not any("Timeout" in one for one in trial.settings)
    assert not hooks.parent.exists()


def test_a_preflight_has_apt_ask_once(apt: Path) -> None:
    with patience.asking_once(10, 60), repositories.trial(of(apt), {}, rehearsal=True) as trial:
        assert {"Acquire::Retries=0", "Acquire::http::Timeout=10", "Acquire::https::Timeout=10"} <= set(trial.settings)


def test_a_preflight_has_dnf_ask_once(rpm: Path) -> None:
    with patience.asking_once(10, 60), repositories.trial(of(rpm, "rpm"), {}, rehearsal=True) as trial:
        assert (settings(trial)["retries"], settings(trial)["timeout"]) == ("1", "10")


def test_a_rehearsal_of_dnf_writes_to_its_own_folder_alone(rpm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = rpm / "cache"
    for name in ("repodata/repomd.xml", "repodata/1-primary.xml.gz", "repodata/2-filelists.xml.gz", "packages/x.rpm"):
        path = cache / "baseos-1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for name in ("baseos.solv", "baseos-filenames.solvx", "packages.db"):
        (cache / name).write_text(name)
    monkeypatch.setattr(repositories, "_RPM_CACHE", str(cache))
    with repositories.trial(of(rpm, "rpm"), {}, rehearsal=True) as trial:
        staged = settings(trial)
        folder = Path(staged["reposdir"]).parent
        assert [Path(staged[name]).parent for name in ("cachedir", "logdir", "persistdir")] == [folder] * 3
        assert all(Path(staged[name]).is_dir() for name in ("cachedir", "logdir", "persistdir"))
        assert staged["retries"] == "1"
        assert "timeout" not in staged
        copy = Path(staged["cachedir"])
        files = {str(path.relative_to(copy)): path for path in copy.rglob("*") if not path.is_dir()}
        # dnf notes on these that they are fresh.
        copied = {"baseos-1/repodata/repomd.xml", "baseos-1/repodata/1-primary.xml.gz"}
        linked = {"baseos-1/repodata/2-filelists.xml.gz", "baseos.solv", "baseos-filenames.solvx"}
        assert {name for name, path in files.items() if not path.is_symlink()} == copied
        assert {name for name, path in files.items() if path.is_symlink()} == linked
        assert all(path.read_bytes() == (cache / name).read_bytes() for name, path in files.items())
    assert not folder.exists()


@pytest.mark.parametrize(("rehearsal", "retries"), [(True, 1), (False, 3)])
def test_a_key_that_does_not_come_is_given_up_sooner_in_a_rehearsal(
    apt: Path, monkeypatch: pytest.MonkeyPatch, rehearsal: bool, retries: int
) -> None:
    asked = []

    def download(url: str, target: str, **how: object) -> str:
        asked.append(how["retries"])
        raise EvenkeelError("silent", "Look")

    monkeypatch.setattr(repositories, "download", download)
    with (
        pytest.raises(EvenkeelError, match="silent"),
        repositories.trial(of(apt), {}, rehearsal=rehearsal),
    ):
        pass
    assert asked == [retries]


def test_a_trial_takes_effect_with_its_key_and_then_stands(apt: Path) -> None:
    repository = of(apt)
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    key = Path(repository.key_path)
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key\n", 0o644)
    assert [path.name for path in key.parent.iterdir()] == ["evenkeel-x.gpg"]
    assert key.parent.stat().st_mode & 0o777 == 0o755
    assert f"Signed-By: {key}\n" in Path(repository.path).read_text()
    assert not repositories.changed(repository)
    with repositories.trial(repository, {}) as again:
        assert (again.changes, again.key, again.healed) == ((), "", ())


@pytest.mark.parametrize("damage", ["gone", "another", "unreadable"])
def test_a_damaged_key_is_repaired_though_no_file_of_apts_changes(apt: Path, damage: str) -> None:
    repository = of(apt)
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    key = Path(repository.key_path)
    if damage == "gone":
        key.unlink()
    elif damage == "another":
        key.write_text("another key\n")
    else:
        key.chmod(0o600)
    assert repositories.changed(repository)
    with repositories.trial(repository, {}) as trial:
        assert (trial.changes, trial.healed) == ((), (f"the key {key}",))
        trial.apply()
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key\n", 0o644)
    assert not repositories.changed(repository)


def test_another_address_changes_the_file_alone(apt: Path) -> None:
    repository = of(apt)
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    moved = dataclasses.replace(repository, url="http://n/x/")
    assert repositories.changed(moved)
    with repositories.trial(moved, {}) as trial:
        assert ([change.path for change in trial.changes], trial.key) == ([moved.path], "")


def test_a_key_with_its_checksum_is_trusted(apt: Path) -> None:
    repository = of(apt, key_sha256=sha256("a key\n"))
    with repositories.trial(repository, {}) as trial:
        assert Path(trial.key).read_text() == "a key\n"


def test_a_key_with_another_checksum_is_refused(apt: Path) -> None:
    repository = of(apt, key_sha256=sha256("the right key\n"))
    words = f"has the SHA-256 {sha256('a key' + chr(10))}, not {sha256('the right key' + chr(10))}"
    with pytest.raises(EvenkeelError, match=words), repositories.trial(repository, {}):
        pass
    assert not Path(repository.key_path).exists()


@pytest.fixture
def package(apt: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository whose key is in a Debian package, which dpkg-deb unpacks."""

    def unpack(argv: Sequence[str]) -> Done:
        assert argv[:2] == ["dpkg-deb", "--extract"]
        if Path(argv[2]).read_text() != "a package\n":
            return Done(2, "", "not a Debian format archive\n")
        member = Path(argv[3], "usr/share/keyrings/k.gpg")
        member.parent.mkdir(parents=True)
        member.write_text("the key in it\n")
        return Done(0, "", "")

    FakePrograms(monkeypatch, dpkg_deb=unpack)
    return of(apt, key="a package\n", key_member="/usr/share/keyrings/k.gpg", key_sha256=sha256("a package\n"))


def test_a_key_out_of_a_package_is_noted_with_what_it_came_from(package: Repository) -> None:
    with repositories.trial(package, {}) as trial:
        trial.apply()
    assert Path(package.key_path).read_text() == "the key in it\n"
    assert (
        f"{sha256('a package' + chr(10))}; its own is {sha256('the key in it' + chr(10))}."
        in Path(package.path).read_text()
    )
    assert not repositories.changed(package)


def test_what_is_no_package_is_refused(apt: Path, package: Repository) -> None:
    other = of(apt, key="a key\n", key_member="/usr/share/keyrings/k.gpg")
    words = r"not a Debian format archive\. Check that file://.*/upstream\.gpg is a Debian package"
    with pytest.raises(EvenkeelError, match=words), repositories.trial(other, {}):
        pass


def test_what_is_too_large_for_a_key_is_refused(apt: Path) -> None:
    with pytest.raises(EvenkeelError, match="1048576"), repositories.trial(of(apt, key="k" * (1 << 20) + "k"), {}):
        pass


def test_a_package_without_the_key(package: Repository) -> None:
    other = dataclasses.replace(package, key_member="/usr/share/keyrings/other.gpg")
    words = r"upstream\.gpg holds no /usr/share/keyrings/other\.gpg"
    with pytest.raises(EvenkeelError, match=words), repositories.trial(other, {}):
        pass


def test_a_file_of_somebody_elses_is_in_the_way(apt: Path) -> None:
    preferences = apt / "apt" / "preferences.d" / "mine"
    preferences.write_text("Package: mine\n")
    words = "mine was not written by Evenkeel"
    with pytest.raises(EvenkeelError, match=words), repositories.trial(None, {str(preferences): "Package: *\n"}):
        pass


FOREIGN = "# mine\ndeb [signed-by=/usr/share/keyrings/x.gpg] https://m/x /\n"


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/x.list"])
def test_the_same_repository_of_others_is_not_in_the_trial_and_is_kept_when_it_takes_effect(
    apt: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    FakePrograms(monkeypatch, dpkg_query=Done(1, "", ""))
    repository = of(apt)
    file = apt / "apt" / name
    file.write_text(FOREIGN)
    kept = Path(foreign_sources.kept_path(str(file)))
    with repositories.trial(repository, {}) as trial:
        staged = settings(trial)
        seen = Path(staged.get("Dir::Etc::SourceList", "/"))
        if name == "sources.list.d/x.list":
            seen = Path(staged["Dir::Etc::SourceParts"]) / "x.list"
        assert seen.read_text() == "# mine\n"
        assert [change.path for change in trial.files] == [str(kept), str(file), repository.path]
        assert trial.healed == tuple(map(str, trial.foreign))
        assert str(file) in trial.healed[0]
        assert file.read_text() == FOREIGN
        trial.apply()
    assert (file.read_text(), kept.read_text()) == ("# mine\n", FOREIGN)
    assert not repositories.changed(repository)
    with repositories.trial(repository, {}) as again:
        assert (again.files, again.foreign, again.healed) == ((), (), ())
        assert "Dir::Etc::SourceList" not in settings(again)


def test_a_file_that_has_nothing_else_is_not_in_the_trial(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, dpkg_query=Done(1, "", ""))
    file = apt / "apt" / "sources.list.d" / "x.list"
    file.write_text(FOREIGN.splitlines()[1])
    with repositories.trial(of(apt), {}) as trial:
        assert not Path(settings(trial)["Dir::Etc::SourceParts"], "x.list").exists()
        trial.apply()
    assert not file.exists()


def test_what_names_a_repository_that_is_coming_goes_already(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, dpkg_query=Done(1, "", ""))
    file = apt / "apt" / "sources.list.d" / "x.list"
    file.write_text(FOREIGN)
    assert repositories.changed(None, of(apt))
    with repositories.trial(None, {}, coming=of(apt)) as trial:
        assert Path(settings(trial)["Dir::Etc::SourceParts"], "x.list").read_text() == "# mine\n"
        assert trial.source == ""
        trial.apply()
    assert file.read_text() == "# mine\n"
    assert not repositories.changed(None, of(apt))
    assert not Path(of(apt).path).exists()


def test_what_names_a_repository_that_the_node_has_from_us_is_taken_over_whatever_is_wanted(
    apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakePrograms(monkeypatch, dpkg_query=Done(1, "", ""))
    repository = of(apt)
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    (apt / "apt" / "sources.list.d" / "x.list").write_text(FOREIGN)
    other = dataclasses.replace(repository, name="evenkeel-y", url="http://m/y/")
    moved = dataclasses.replace(repository, url="http://m/y/")
    assert len(repositories.foreign(None)) == len(repositories.foreign(other)) == 1
    assert repositories.changed(None)
    # The address that its own file is about to leave is not ours any more.
    assert repositories.foreign(moved) == []


def test_what_stood_beside_it_in_a_kept_copy_is_not_ours(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, dpkg_query=Done(1, "", ""))
    file = apt / "apt" / "sources.list.d" / "x.sources"
    file.write_text("Types: deb\nURIs: http://m/ubuntu https://m/x\nSuites: /\n")
    (apt / "apt" / "sources.list.d" / "ubuntu.list").write_text("deb http://m/ubuntu /\n")
    with repositories.trial(of(apt), {}) as trial:
        trial.apply()
    assert file.read_text() == "Types: deb\nURIs: http://m/ubuntu\nSuites: /\n"
    assert repositories.foreign(of(apt)) == []


def test_the_same_repository_is_not_twice_in_dnfs(rpm: Path) -> None:
    repository = of(rpm, "rpm")
    file = rpm / "yum.repos.d" / "x.repo"
    file.write_text("[x]\nbaseurl=https://m/x\n[y]\nbaseurl=http://m/y\n")
    with repositories.trial(repository, {}) as trial:
        assert Path(settings(trial)["reposdir"], "x.repo").read_text() == "[y]\nbaseurl=http://m/y\n"
        trial.apply()
    assert file.read_text() == "[y]\nbaseurl=http://m/y\n"
    assert Path(foreign_sources.kept_path(str(file))).exists()
    assert not repositories.changed(repository)


def test_without_a_repository_of_ours_no_file_of_others_is_read(apt: Path) -> None:
    (apt / "apt" / "sources.list.d" / "x.list").write_text(FOREIGN)
    assert not repositories.changed(None)


def test_the_files_of_a_repository_go_and_no_diff_shows_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "_APT", str(tmp_path / "apt"))
    monkeypatch.setattr(repositories, "_RPM", str(tmp_path / "rpm"))
    for path in ("apt/sources.list.d/ours.sources", "apt/keyrings/ours.gpg", "apt/keyrings/theirs.gpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("bytes")
    changes = repositories.removal("ours")
    assert [Path(change.path).name for change in changes] == ["ours.sources", "ours.gpg"]
    assert [change.diff()["before"] for change in changes] == ["bytes", "its key\n"]
    assert repositories.removal("other") == []
