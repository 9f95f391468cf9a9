# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file, places

TEXT = "channels: [conda-forge]\ndependencies: [python]\n"


def make(root: Path, *paths: str) -> None:
    """Make folders, whose names end with a slash, and environment files."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (root / path).mkdir(exist_ok=True)
        else:
            (root / path).write_text(TEXT)


@pytest.mark.parametrize(
    ("there", "inventories", "expected"),
    [
        (["clone/environments/", "clone/inventories/mine/"], ["clone/inventories/mine"], "clone/environments"),
        (["clone/environments/", "clone/hosts.yml"], ["clone/hosts.yml"], "clone/environments"),
        (
            ["clone/environments/", "clone/inventories/eu/prod/hosts.yml"],
            ["clone/inventories/eu/prod/hosts.yml"],
            "clone/environments",
        ),
        (["work/environments/", "etc/hosts"], ["etc/hosts"], "work/environments"),
        (["work/environments/"], ["node1,node2"], "work/environments"),
        (["work/environments/"], ["nowhere/hosts"], "work/environments"),
        ([], [], "work/environments"),
        # The folder above the repository is somebody else's.
        (["environments/", "fleet/.git/", "fleet/hosts.yml"], ["fleet/hosts.yml"], "work/environments"),
        (["fleet/.git/", "fleet/environments/", "fleet/hosts.yml"], ["fleet/hosts.yml"], "fleet/environments"),
        # Many keep their inventories in a folder of this name.
        (["fleet/environments/prod/hosts.yml"], ["fleet/environments/prod"], "work/environments"),
        (
            ["clone/environments/", "clone/inventories/a/", "clone/inventories/b/"],
            ["clone/inventories/a", "clone/inventories/b"],
            "clone/environments",
        ),
    ],
    ids=[
        "a folder of a clone",
        "a file beside it",
        "nested",
        "elsewhere",
        "a list of hosts",
        "no inventory there",
        "nothing",
        "above the repository",
        "at the top of the repository",
        "of inventories",
        "two inventories of one clone",
    ],
)
def test_the_folder_of_a_run(tmp_path: Path, there: list[str], inventories: list[str], expected: str) -> None:
    make(tmp_path, *there)
    named = [name if "," in name else str(tmp_path / name) for name in inventories]
    assert places.default_directory(named, tmp_path / "work") == tmp_path / expected


def test_inventories_of_two_fleets_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "a/environments/", "a/hosts", "b/environments/", "b/hosts")
    inventories = [str(tmp_path / "b" / "hosts"), str(tmp_path / "a" / "hosts")]
    with pytest.raises(EvenkeelError) as error:
        places.default_directory(inventories, tmp_path)
    assert str(error.value) == (
        f"The inventories of this run have more than one folder of environments: {tmp_path}/a/environments, "
        f"{tmp_path}/b/environments. Set conda_environments_directory to the one to use."
    )


def test_all_places_that_were_looked_in_are_reported(tmp_path: Path) -> None:
    make(tmp_path, "fleet/.git/", "fleet/inventories/hosts", "work/")
    places.require_directory(tmp_path / "fleet", [], tmp_path)
    for directory, said in (
        ("work/environments", f"environments in {tmp_path}/fleet/inventories, {tmp_path}/fleet, {tmp_path}/work. Set"),
        ("other", f"{tmp_path}/other. Set conda_environments_directory to the folder with your environments."),
    ):
        with pytest.raises(EvenkeelError) as error:
            places.require_directory(
                tmp_path / directory, [str(tmp_path / "fleet/inventories/hosts")], tmp_path / "work"
            )
        assert str(error.value).startswith(f"There is no folder {said}")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("envs", "/fleet/envs"), ("../envs", "/fleet/../envs"), ("/srv", "/srv"), ("~/e", "/home/a/e")],
)
def test_a_directory_means_the_same_to_all(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    assert places.absolute(given, Path("/fleet")) == Path(expected)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["ai/environment.yml"], "ai/environment.yml"),
        (["ai/environment.yaml"], "ai/environment.yaml"),
        (["ai/environment-gpu.yml"], "ai/environment-gpu.yml"),
        (["ai/conda.yaml"], "ai/conda.yaml"),
        (["ai/env.yml", "ai/conda-lock.yml", "ai/env.conda-lock.yml", "ai/.old.yml"], "ai/env.yml"),
        (["ai/environment.yml", "ai/environment-gpu.yml"], "ai/environment.yml"),
        (["ai.yml"], "ai.yml"),
        (["ai.yaml", "other.yml"], "ai.yaml"),
        (["ai/pixi/"], "ai/environment.yml"),
        ([], "ai/environment.yml"),
    ],
    ids=str,
)
def test_the_file_of_a_name(tmp_path: Path, there: list[str], expected: str) -> None:
    make(tmp_path, *there)
    assert places.environment_named(tmp_path, "ai") == tmp_path / expected


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (
            ["ai/environment.yml", "ai/environment.yaml"],
            "{}/ai has 2 environment files: environment.yml, environment.y",
        ),
        (
            ["ai/cpu.yml", "ai/gpu.yml"],
            "{}/ai has 2 environment files: cpu.yml, gpu.yml. Name one of them in conda_env",
        ),
        (["ai.yml", "ai.yaml"], "{}/ai has 2 environment files: ai.yml, ai.yaml"),
    ],
    ids=str,
)
def test_several_files_of_a_name_are_refused(tmp_path: Path, there: list[str], named: str) -> None:
    make(tmp_path, *there)
    with pytest.raises(EvenkeelError) as error:
        places.environment_named(tmp_path, "ai")
    assert str(error.value).startswith(named.format(tmp_path))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("dependencies:\n- python\n", True),
        ("name: x\ndependencies: [python]\n", True),
        ("dependencies:   # of the GPU nodes\n- python\n", True),
        ('"dependencies": [python]\n', True),
        ("dependencies: [python\n", True),
        ("package:\n- name: a\n  dependencies:\n    python: ''\n", False),
        ("dependencies: {a: b}\n", False),
        ("services: {}\n", False),
        ("", False),
    ],
)
def test_what_is_an_environment_file(tmp_path: Path, text: str, is_one: bool) -> None:
    path = tmp_path / "gpu.yml"
    path.write_text(text)
    (tmp_path / "environment.yml").write_text("")
    assert places.environments_in(tmp_path) == [tmp_path / "environment.yml", *([path] if is_one else [])]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_an_environment_file_in_any_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "gpu.yml"
    path.write_text("dependencies:\n- python  # für alle\n", encoding=encoding)
    assert places.environments_in(tmp_path) == [path]


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("gone.yml")


@pytest.mark.parametrize("name", ["", "ai", "ai/environment.yml"])
@pytest.mark.parametrize(
    ("made", "what"),
    [
        (folder, "is a folder, no regular file"),
        (pipe, "is a named pipe, no regular file"),
        (dangling, "is a link to gone.yml, which is not there"),
    ],
)
def test_an_environment_that_is_no_file_is_named_for_what_it_is(
    tmp_path: Path, made: Callable[[Path], None], what: str, name: str
) -> None:
    make(tmp_path, "ai/", "nlp/environment.yml")
    path = tmp_path / "ai" / "environment.yml"
    made(path)
    found = places.environments_to_lock(tmp_path, name, tmp_path)
    assert found == [path, *([] if name else [tmp_path / "nlp/environment.yml"])]
    assert places.environment_named(tmp_path, "ai") == path
    with pytest.raises(EvenkeelError, match=f"{path} {what}"):
        environment_file.read(path)


def test_another_name_that_is_no_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    make(tmp_path, "ai/")
    dangling(tmp_path / "ai" / "gpu.yml")
    assert places.environments_to_lock(tmp_path, "ai/gpu.yml", tmp_path) == [tmp_path / "ai" / "gpu.yml"]


THERE = ["ai/environment.yml", "ai/environment-gpu.yml", "jupyter/environment.yaml", "cpu.yml", ".git/environment.yml"]
ALL = ["cpu.yml", "ai/environment-gpu.yml", "ai/environment.yml", "jupyter/environment.yaml"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ALL),
        ("ai", ["ai/environment-gpu.yml", "ai/environment.yml"]),
        ("ai/", ["ai/environment-gpu.yml", "ai/environment.yml"]),
        ("jupyter", ["jupyter/environment.yaml"]),
        ("cpu", ["cpu.yml"]),
        ("cpu.yml", ["cpu.yml"]),
        ("ai/environment-gpu", ["ai/environment-gpu.yml"]),
        ("ai/environment-gpu.yml", ["ai/environment-gpu.yml"]),
        ("environments/cpu.yml", ["cpu.yml"]),
        ("{}/environments/cpu.yml", ["cpu.yml"]),
    ],
)
def test_what_is_locked(tmp_path: Path, name: str, expected: list[str]) -> None:
    directory = tmp_path / "environments"
    make(directory, *THERE)
    found = places.environments_to_lock(directory, name.format(tmp_path), tmp_path)
    assert found == [directory / path for path in expected]


@pytest.mark.parametrize(
    ("there", "name", "words"),
    [
        (
            [],
            "",
            "There is no environment file in {0} or its folders. Write {0}/NAME/environment.yml, or set conda_env",
        ),
        (
            [],
            "ai",
            "There is no environment file in {0} or its folders. Write {0}/ai/environment.yml, or set conda_env",
        ),
        (
            ["ai/gpu.yml", "x.yml"],
            "aj",
            "There is no environment file {0}/aj, and no such folder with one. Set compile_env to a folder or a "
            "file that is there (x.yml, ai/gpu.yml), or conda_environments_directory to another directory.",
        ),
    ],
    ids=["nothing", "nothing of a name", "another name"],
)
def test_nothing_to_lock_is_refused(tmp_path: Path, there: list[str], name: str, words: str) -> None:
    make(tmp_path, *there)
    with pytest.raises(EvenkeelError) as error:
        places.environments_to_lock(tmp_path, name, tmp_path, "compile_env")
    assert str(error.value).startswith(words.format(tmp_path))


@pytest.mark.parametrize("stem", ["environment", "gpu"])
def test_two_files_of_one_lock_are_refused_by_name_and_the_others_go_on(tmp_path: Path, stem: str) -> None:
    make(tmp_path, f"ai/{stem}.yml", f"ai/{stem}.yaml", "ai/other.yml", "nlp/environment.yml")
    both = [tmp_path / f"ai/{stem}.yml", tmp_path / f"ai/{stem}.yaml"]
    found = places.environments_to_lock(tmp_path, "", tmp_path)
    assert len(set(found) & set(both)) == 1
    assert set(found) - set(both) == {tmp_path / "ai/other.yml", tmp_path / "nlp/environment.yml"}
    for path in found:
        if path not in both:
            places.require_own_lock(path)
    for path, other in (both, reversed(both)):
        with pytest.raises(EvenkeelError, match=rf"^{path} and {other.name} would have the same lock, .*\. Rename one"):
            places.require_own_lock(path)


@pytest.mark.parametrize(
    ("environment", "sources", "lock", "explicit", "named"),
    [
        ("environment.yml", None, "conda-lock.yml", "conda-linux-64.lock", "ai"),
        ("environment.yaml", None, "conda-lock.yml", "conda-linux-64.lock", "ai"),
        ("gpu.yml", None, "gpu.conda-lock.yml", "gpu.conda-linux-64.lock", "ai/gpu.yml"),
        ("environment-gpu.yaml", None, *(f"environment-gpu.conda-{one}" for one in ("lock.yml", "linux-64.lock")), ""),
        # As earlier releases and conda-lock write it.
        ("gpu.yml", ["gpu.yml"], "conda-lock.yml", "conda-linux-64.lock", "ai/gpu.yml"),
        ("gpu.yml", ["environment.yml"], "gpu.conda-lock.yml", "gpu.conda-linux-64.lock", ""),
        ("gpu.yml", ["environment.yml", "gpu.yml"], "gpu.conda-lock.yml", "gpu.conda-linux-64.lock", ""),
    ],
)
def test_the_lock_of_a_file(
    tmp_path: Path, environment: str, sources: list[str] | None, lock: str, explicit: str, named: str
) -> None:
    path = tmp_path / "ai" / environment
    path.parent.mkdir()
    if sources:
        path.with_name("conda-lock.yml").write_text(json.dumps({"metadata": {"sources": sources}}))
    assert places.lock_beside(path) == path.with_name(lock)
    assert places.explicit_beside(places.lock_beside(path), "linux-64") == path.with_name(explicit)
    assert not named or places.lock_env(path) == named


def test_a_lock_of_its_own_comes_before_the_shared_one(tmp_path: Path) -> None:
    (tmp_path / "conda-lock.yml").write_text(json.dumps({"metadata": {"sources": ["gpu.yml"]}}))
    own = tmp_path / "gpu.conda-lock.yml"
    own.write_text("")
    assert places.lock_beside(tmp_path / "gpu.yml") == own
