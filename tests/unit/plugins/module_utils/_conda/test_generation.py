# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Contents, Generation, intact
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package

SITE = "lib/python3.11/site-packages"
PYTHON, NUMPY = Package("python", "3.11.2", "1_cpython", "ab" * 32), Package("numpy", "2.3.1", "0", "cd" * 32)
SIX, EINOPS = Package("six", "1.17.0", "py_0", "ef" * 32), Package("einops", "0.8.1", "", "12" * 32, PIP)
REQUEST = {"packages": ["numpy", "python=3.11"], "channels": ["https://mirror.example/main"], "pip": ["einops"]}


def write_record(prefix: Path, package: Package, *files: str) -> Path:
    path = prefix / "conda-meta" / f"{package.name}-{package.version}-{package.build}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {"name": package.name, "version": package.version, "build": package.build, "sha256": package.sha256}
    path.write_text(json.dumps({**fields, "url": package.url, "files": list(files)}))
    return path


def add_distribution(prefix: Path, name: str) -> Path:
    directory = prefix / SITE / name
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def built(tmp_path: Path) -> Generation:
    """Return a build with a marker: two packages of conda, one of pip, and variables."""
    prefix = tmp_path / "0123456789abcdef"
    write_record(prefix, PYTHON)
    write_record(prefix, NUMPY, f"{SITE}/numpy-2.3.1.dist-info/METADATA")
    for name in ("numpy-2.3.1.dist-info", "einops-0.8.1.dist-info"):
        add_distribution(prefix, name)
    for name in ("frozen", "state", "history"):
        (prefix / "conda-meta" / name).write_text("{}")
    generation = Generation(
        str(prefix), (EINOPS, NUMPY, PYTHON), {"A": "1"}, REQUEST, 7, "2026-01-02T03:04:05+00:00", "rattler"
    )
    generations.write(generation, str(prefix))
    found = generations.read(str(prefix))
    assert found is not None
    return found


def forbid_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_prefix: str) -> tuple[Package, ...]:
        pytest.fail("the records were parsed")

    monkeypatch.setattr(generations, "installed", refuse)


# read and write


def test_the_marker_tells_all_that_was_written(built: Generation) -> None:
    assert (built.packages, built.variables, built.request) == ((EINOPS, NUMPY, PYTHON), {"A": "1"}, REQUEST)
    assert (built.number, built.created, built.installer) == (7, "2026-01-02T03:04:05+00:00", "rattler")
    assert set(built.records or ()) == {"python-3.11.2-1_cpython.json", "numpy-2.3.1-0.json", "frozen", "state"}
    assert built.distributions == ("einops-0.8.1.dist-info", "numpy-2.3.1.dist-info")
    assert (built.marked, built.pinned, built.ours, built.id) == (True, False, True, "0123456789abcdef")
    assert (built.synced, built.tight, built.exposed) == (True, True, False)


def test_the_marker_has_the_digest_for_people(built: Generation) -> None:
    marker = json.loads(Path(built.path, generations.MARKER).read_text())
    assert (marker["format"], marker["digest"]) == (3, built.digest)


def test_where_it_came_from_is_written_and_no_part_of_the_digest(tmp_path: Path) -> None:
    origin = {"file": "conda-lock.yml", "commit": "1a" * 20, "sources": ["https://mirror.example/main"]}
    bare = Generation(str(tmp_path), (NUMPY,))
    generations.write(replace(bare, origin=origin), str(tmp_path))
    generations.mark_exposed(str(tmp_path))
    found = generations.read(str(tmp_path))
    assert found is not None
    assert (found.origin, found.digest) == (origin, bare.digest)


def test_what_is_not_compared_is_written_too(tmp_path: Path) -> None:
    url = "https://mirror.example/main/linux-64/numpy-2.3.1-0.conda"
    package = replace(NUMPY, url=url, md5="ab" * 16, size=1, depends=("python >=3.11", "six"))
    generations.write(Generation(str(tmp_path), (package,)), str(tmp_path))
    found = generations.read(str(tmp_path))
    assert found is not None
    assert asdict(found.packages[0]) == asdict(package)


@pytest.mark.parametrize("text", [None, "", '{"digest"', "null", "[]", "{}", '{"packages": []}', '{"packages": [{}]}'])
def test_a_build_without_a_whole_marker_is_none(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "conda-meta").mkdir()
    if text is not None:
        (tmp_path / generations.MARKER).write_text(text)
    assert generations.read(str(tmp_path)) is None


def test_a_file_is_no_build(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert generations.read(str(tmp_path / "file")) is None


def test_a_marker_of_release_0_1_0(tmp_path: Path) -> None:
    write_record(tmp_path, NUMPY)
    package = {"name": "numpy", "version": "2.3.1", "build": "0", "sha256": "cd" * 32, "url": "https://x/numpy"}
    request = {"packages": ["numpy"], "channels": ["main"]}
    marker = {"digest": generations.digest([NUMPY]), "packages": [package], "request": request}
    (tmp_path / generations.MARKER).write_text(json.dumps(marker))
    found = generations.read(str(tmp_path))
    assert found == Generation(str(tmp_path), (NUMPY,), request=request, installer="conda", synced=False, tight=False)
    assert found.digest == marker["digest"]
    assert intact(found, generations.inspect(found))
    write_record(tmp_path, SIX)
    assert generations.inspect(found) == Contents((NUMPY, SIX))


@pytest.mark.parametrize("exposed", [False, True])
def test_a_marker_keeps_what_was_found_of_permissions(built: Generation, exposed: bool) -> None:
    marker = Path(built.path, generations.MARKER)
    old = json.loads(marker.read_text()) | {"format": 2, "records": {"gone.json": "00"}}
    marker.write_text(json.dumps(old))
    assert generations.read(built.path) == replace(built, tight=False, records={"gone.json": "00"})
    generations.mark_tight(built.path, exposed=exposed)
    assert generations.read(built.path) == replace(built, exposed=exposed, records={"gone.json": "00"})


@pytest.mark.parametrize(
    ("synced", "emptied", "writes", "after"),
    [(None, [], True, True), (None, ["lib/a"], False, False), (True, ["lib/a"], False, True)],
    ids=["a build of an earlier release", "one that a power cut emptied", "one that is on the disk"],
)
def test_a_build_is_written_to_the_disk_before_its_marker_says_it(
    built: Generation,
    monkeypatch: pytest.MonkeyPatch,
    synced: bool | None,
    emptied: list[str],
    writes: bool,
    after: bool,
) -> None:
    written: list[str] = []
    monkeypatch.setattr(generations, "sync_file_systems", written.extend)
    monkeypatch.setattr(generations, "emptied", lambda prefix: emptied if prefix == built.path else [])
    marker = Path(built.path, generations.MARKER)
    content = json.loads(marker.read_text())
    del content["synced"]
    marker.write_text(json.dumps(content if synced is None else content | {"synced": synced}))
    generations.mark_exposed(built.path)
    assert written == ([built.path] if writes else [])
    assert generations.read(built.path) == replace(built, exposed=True, synced=after)


def test_a_pin_is_seen(built: Generation) -> None:
    Path(built.path, generations.PIN).touch()
    found = generations.read(built.path)
    assert found is not None
    assert found.pinned
    assert not found.ours


def test_a_build_that_users_could_change_is_marked(built: Generation) -> None:
    generations.mark_exposed(built.path)
    assert generations.read(built.path) == replace(built, exposed=True)


@pytest.mark.parametrize(
    ("noted", "emptied", "synced", "on_disk"),
    [(True, False, True, False), (False, False, True, True), (False, True, False, False)],
    ids=["was on the disk", "is whole", "a power cut emptied a file"],
)
def test_a_build_of_an_earlier_version_is_noted_as_on_the_disk_once_it_is(
    built: Generation, monkeypatch: pytest.MonkeyPatch, noted: bool, emptied: bool, synced: bool, on_disk: bool
) -> None:
    marker = Path(built.path, generations.MARKER)
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"synced": noted}))
    paths: list[str] = []
    monkeypatch.setattr(generations, "sync_file_systems", paths.extend)
    monkeypatch.setattr(generations, "emptied", lambda _: ["emptied bin/numpy"] if emptied else [])
    generations.mark_tight(built.path, exposed=False)
    assert generations.read(built.path) == replace(built, synced=synced)
    assert paths == [built.path] * on_disk


# inspect


@pytest.mark.parametrize(
    ("synced", "installer", "emptied", "notes"),
    [
        (False, "rattler", ("bin/numpy",), ("emptied bin/numpy",)),
        (False, "rattler", ("bin/numpy", "bin/six"), ("emptied bin/numpy and 1 more files",)),
        (False, "rattler", (), ()),
        (True, "rattler", ("bin/numpy",), ()),
        (False, generations.ADOPTED, ("bin/numpy",), ()),
    ],
)
def test_what_an_earlier_version_built_is_looked_at_for_files_that_a_power_cut_emptied(
    tmp_path: Path, synced: bool, installer: str, emptied: Sequence[str], notes: Sequence[str]
) -> None:
    (tmp_path / "bin").mkdir()
    for package in (NUMPY, SIX):
        path = f"bin/{package.name}"
        (tmp_path / path).write_text("" if path in emptied else "text")
        record = write_record(tmp_path, package)
        paths = [{"_path": path, "path_type": "hardlink", "size_in_bytes": 4}]
        record.write_text(json.dumps(json.loads(record.read_text()) | {"paths_data": {"paths": paths}}))
    generation = Generation(str(tmp_path), (NUMPY, SIX), installer=installer, synced=synced)
    generations.write(generation, str(tmp_path))
    found = generations.read(str(tmp_path))
    assert found is not None
    assert generations.inspect(found).notes == tuple(notes)


def test_an_untouched_build_is_intact_and_no_record_is_parsed(
    built: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_parsing(monkeypatch)
    contents = generations.inspect(built)
    assert contents == Contents((EINOPS, NUMPY, PYTHON))
    assert intact(built, contents)


def test_a_record_with_the_known_hash_is_not_parsed(built: Generation) -> None:
    Path(built.path, "conda-meta", "numpy-2.3.1-0.json").write_text("{")
    generations.write(built, built.path)
    found = generations.read(built.path)
    assert found is not None
    assert intact(found, generations.inspect(found))


def record_added(prefix: Path) -> None:
    write_record(prefix, SIX)


def record_removed(prefix: Path) -> None:
    (prefix / "conda-meta" / "numpy-2.3.1-0.json").unlink()


def record_damaged(prefix: Path) -> None:
    (prefix / "conda-meta" / "numpy-2.3.1-0.json").write_text("{")


def record_of_another_version(prefix: Path) -> None:
    record_removed(prefix)
    write_record(prefix, replace(NUMPY, version="2.4.0"))


def pip_adds(prefix: Path) -> None:
    add_distribution(prefix, "Foo.Bar_baz-1.0.post1.dist-info")


def pip_removes(prefix: Path) -> None:
    (prefix / SITE / "einops-0.8.1.dist-info").rmdir()


def pip_upgrades(prefix: Path) -> None:
    pip_removes(prefix)
    add_distribution(prefix, "einops-0.9.0.dist-info")


def unfreeze(prefix: Path) -> None:
    (prefix / "conda-meta" / "frozen").unlink()


def edit_message(prefix: Path) -> None:
    (prefix / "conda-meta" / "frozen").write_text("")


def set_variable(prefix: Path) -> None:
    (prefix / "conda-meta" / "state").write_text('{"env_vars": {"A": "2"}}')


@pytest.mark.parametrize(
    ("change", "packages", "notes"),
    [
        (record_added, (EINOPS, NUMPY, PYTHON, SIX), ()),
        (record_removed, (EINOPS, PYTHON), ()),
        (record_damaged, (EINOPS, PYTHON), ()),
        (record_of_another_version, (EINOPS, replace(NUMPY, version="2.4.0"), PYTHON), ()),
        (pip_adds, (EINOPS, Package("foo-bar-baz", "1.0.post1", "", "", PIP), NUMPY, PYTHON), ()),
        (pip_removes, (EINOPS, NUMPY, PYTHON), ("missing einops-0.8.1.dist-info",)),
        (
            pip_upgrades,
            (Package("einops", "0.9.0", "", "", PIP), EINOPS, NUMPY, PYTHON),
            ("missing einops-0.8.1.dist-info",),
        ),
        (unfreeze, (EINOPS, NUMPY, PYTHON), ("missing conda-meta/frozen",)),
        (edit_message, (EINOPS, NUMPY, PYTHON), ("edited conda-meta/frozen",)),
        (set_variable, (EINOPS, NUMPY, PYTHON), ("edited conda-meta/state",)),
    ],
)
def test_what_has_become_of_a_build(
    built: Generation, change: Callable[[Path], None], packages: tuple[Package, ...], notes: tuple[str, ...]
) -> None:
    change(Path(built.path))
    contents = generations.inspect(built)
    assert set(contents.packages) == set(packages)
    assert len(contents.packages) == len(packages)
    assert contents.notes == notes
    assert not intact(built, contents)


def test_a_file_that_the_marker_does_not_know_is_told(tmp_path: Path) -> None:
    write_record(tmp_path, NUMPY)
    generations.write(Generation(str(tmp_path), (NUMPY,)), str(tmp_path))
    (tmp_path / "conda-meta" / "state").write_text('{"env_vars": {"A": "2"}}')
    found = generations.read(str(tmp_path))
    assert found is not None
    assert generations.inspect(found).notes == ("added conda-meta/state",)


def test_what_conda_adds_is_told_once(built: Generation) -> None:
    write_record(Path(built.path), SIX, f"{SITE}/six-1.17.0.dist-info/METADATA")
    add_distribution(Path(built.path), "six-1.17.0.dist-info")
    assert set(generations.inspect(built).packages) == {EINOPS, NUMPY, PYTHON, SIX}


@pytest.mark.parametrize(
    ("made_in", "notes"),
    [
        (None, ()),
        ("envs", ()),
        ("link", ()),
        ("other", ("moved or copied from {0}/other, where it was made",)),
        ("gone", ("moved or copied from {0}/gone, where it was made",)),
    ],
)
def test_a_build_knows_where_it_was_made(made_in: str | None, notes: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "envs" / "generations" / "ai" / "0123456789abcdef"
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("envs")
    origin = {generations.ROOT: str(tmp_path / made_in)} if made_in else {}
    generations.write(Generation(str(path), (), origin=origin), str(path))
    found = generations.read(str(path))
    assert found
    assert generations.inspect(found).notes == tuple(note.format(tmp_path) for note in notes)


@pytest.mark.parametrize("name", ["history", "evenkeel-pin", "evenkeel-bytecode"])
def test_bookkeeping_that_changes_is_no_change(built: Generation, name: str) -> None:
    Path(built.path, "conda-meta", name).write_text("more")
    assert intact(built, generations.inspect(built))


# distributions, distribution


def test_distributions_are_those_of_any_python(tmp_path: Path) -> None:
    add_distribution(tmp_path, "six-1.17.0.dist-info")
    add_distribution(tmp_path, "six")
    (tmp_path / "lib" / "python3.1").symlink_to("python3.11")
    (tmp_path / "lib" / "python3.12" / "site-packages" / "old-1-py3.12.egg-info").mkdir(parents=True)
    assert generations.distributions(str(tmp_path)) == ("old-1-py3.12.egg-info", "six-1.17.0.dist-info")
    assert generations.distributions(str(tmp_path / "missing")) == ()


@pytest.mark.parametrize(
    ("directory", "name", "version"),
    [
        ("six-1.17.0.dist-info", "six", "1.17.0"),
        ("Foo.Bar_baz-1.0.post1.dist-info", "foo-bar-baz", "1.0.post1"),
        ("typing_extensions-4.12.2.dist-info", "typing-extensions", "4.12.2"),
        ("torch-2.5.0+cu124.dist-info", "torch", "2.5.0+cu124"),
        ("backports.zoneinfo-0.2.1-py3.8.egg-info", "backports-zoneinfo", "0.2.1"),
        ("my-tool-2-1.0.dist-info", "my-tool-2", "1.0"),
        ("mine.egg-info", "mine", ""),
    ],
)
def test_distribution(directory: str, name: str, version: str) -> None:
    assert generations.distribution(directory) == Package(name, version, "", "", PIP)


# otherwise


@pytest.mark.parametrize(
    ("change", "packages", "names"),
    [
        (None, (NUMPY, PYTHON, EINOPS), set()),
        (None, (NUMPY, PYTHON), set()),
        (None, (NUMPY, PYTHON, SIX, EINOPS), {"six-1.17.0-py_0"}),
        (None, (NUMPY, EINOPS), {"python-3.11.2-1_cpython"}),
        (None, (replace(NUMPY, version="2.4.0"), PYTHON), {"numpy-2.3.1-0", "numpy-2.4.0-0"}),
        (None, (replace(NUMPY, build="1"), PYTHON), {"numpy-2.3.1-0", "numpy-2.3.1-1"}),
        (None, (NUMPY, PYTHON, replace(EINOPS, name="trl")), {"trl"}),
        (pip_removes, (NUMPY, PYTHON, EINOPS), {"einops"}),
        (record_added, (NUMPY, PYTHON, EINOPS), {"six-1.17.0-py_0"}),
        (record_removed, (NUMPY, PYTHON, EINOPS), {"numpy-2.3.1-0"}),
    ],
)
def test_otherwise(
    built: Generation, change: Callable[[Path], None] | None, packages: tuple[Package, ...], names: set[str]
) -> None:
    if change:
        change(Path(built.path))
    assert generations.otherwise(built.path, packages) == names


# installed, foreign


def test_installed_reads_the_records_and_nothing_else(tmp_path: Path) -> None:
    for package in (PYTHON, NUMPY):
        write_record(tmp_path, package)
    for name in ("history", "frozen", "evenkeel", "state"):
        (tmp_path / "conda-meta" / name).write_text("{}")
    assert generations.installed(str(tmp_path)) == (NUMPY, PYTHON)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"name": "numpy"}'])
def test_a_package_with_a_damaged_record_is_missing(tmp_path: Path, text: str) -> None:
    write_record(tmp_path, PYTHON)
    write_record(tmp_path, NUMPY).write_text(text)
    assert generations.installed(str(tmp_path)) == (PYTHON,)
    assert generations.foreign(str(tmp_path)) == (PYTHON,)


def test_the_packages_of_a_hand_made_environment_are_condas_and_pips(tmp_path: Path) -> None:
    write_record(tmp_path, PYTHON)
    write_record(tmp_path, NUMPY, f"{SITE}/numpy-2.3.1.dist-info/METADATA", f"{SITE}/numpy/__init__.py")
    for name in ("numpy-2.3.1.dist-info", "einops-0.8.1.dist-info"):
        add_distribution(tmp_path, name)
    assert generations.foreign(str(tmp_path)) == (replace(EINOPS, sha256=""), NUMPY, PYTHON)


@pytest.mark.parametrize(
    ("direct", "url"),
    [
        (None, ""),
        ("", ""),
        ("[]", ""),
        ("{}", ""),
        ('{"url": "file:///home/anna/tools", "dir_info": {"editable": true}}', "file:///home/anna/tools"),
        (
            '{"url": "https://git.example/tools", "vcs_info": {"vcs": "git", "commit_id": "0123abcd"}}',
            "git+https://git.example/tools@0123abcd",
        ),
        ('{"url": "https://git.example/tools", "vcs_info": {"vcs": "git"}}', ""),
    ],
)
def test_where_pip_got_a_distribution_from(tmp_path: Path, direct: str | None, url: str) -> None:
    directory = add_distribution(tmp_path, "tools-1.0.dist-info")
    if direct is not None:
        (directory / "direct_url.json").write_text(direct)
    (found,) = generations.foreign(str(tmp_path))
    assert found == Package("tools", "1.0", "", "", PIP)
    assert found.url == url


# variables


@pytest.mark.parametrize(
    ("state", "variables"),
    [
        (None, {}),
        ("", {}),
        ("[]", {}),
        ("{}", {}),
        ('{"env_vars": null}', {}),
        ('{"env_vars": {"A": "1", "B": 2}}', {"A": "1", "B": "2"}),
    ],
)
def test_variables(tmp_path: Path, state: str | None, variables: dict[str, str]) -> None:
    (tmp_path / "conda-meta").mkdir()
    if state is not None:
        (tmp_path / "conda-meta" / "state").write_text(state)
    assert generations.variables(str(tmp_path)) == variables
