# SPDX-License-Identifier: GPL-3.0-or-later
"""Every recorded call, made again: the answer must have the recorded fields, types, names, statuses and messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.contract.recording import FOLDER, differences, load
from tests.contract.world import World

Prepare = Callable[[World], object]


def after(*names: str) -> Prepare:
    """Return a preparation that makes other recorded calls first."""

    def prepare(world: World) -> None:
        for name in names:
            answer = world.repeat(name)
            assert answer.status == load(name).status, answer

    return prepare


def frozen(world: World) -> None:
    """Make the environment e3 and freeze it."""
    world.run("create", "--json", "-p", "/srv/envs/e3", "--override-channels", "-c", "http://mirror.example/conda/main")
    (world.envs / "e3" / "conda-meta" / "frozen").touch()


def partial(world: World) -> None:
    """Leave what a killed create leaves: no history."""
    (world.envs / "e5" / "conda-meta").mkdir(parents=True)


def stranger(world: World) -> None:
    """Put somebody's file where an environment will be made."""
    after("create_ok")(world)
    (world.envs / "e6").mkdir()
    (world.envs / "e6" / "thesis.tex").write_text("years of work")


def explicit(world: World) -> None:
    """List an environment's packages by URL, and take the environment and the package cache away."""
    after("create_ok")(world)
    listing = world.run("list", "--explicit", "--md5", "-p", "/srv/envs/e1").stdout
    (world.folder / "explicit.txt").write_text(world.here(listing))


def explicit_installed(world: World) -> None:
    """Install from a list of URLs."""
    explicit(world)
    assert world.repeat("create_explicit").status == 0


def wrong_hash(base: str) -> Prepare:
    """Return a preparation that lists pip with a hash that is not its own."""

    def prepare(world: World) -> None:
        python, pip = "linux-64/python-3.11.2-1_cpython.conda", f"noarch/pip-26.3-py_0.conda#{'0' * 32}"
        lines = ("@EXPLICIT", f"{base}/conda/main/{python}", f"{base}/conda/main/{pip}")
        (world.folder / "bad.txt").write_text(world.here("\n".join(lines) + "\n"))

    return prepare


INSTALLED = ("  - http:", "  - idna=", "  - pip=", "  - python=")

three = after("create_ok", "create_again_existing_prefix", "install_add")
SAME_VALUES = {
    "create_ok": after(),
    "create_again_existing_prefix": after("create_ok"),
    "create_dry_run_existing": after("create_ok"),
    "create_dry_run_new": after("create_ok"),
    "create_over_non_env_dir": stranger,
    "create_explicit_bad_md5_http": wrong_hash("http://mirror.example"),
    "install_add": after("create_ok", "create_again_existing_prefix"),
    "install_channel_404": after("create_ok"),
    "install_env_missing": after(),
    "install_frozen": frozen,
    "install_missing_pkg": after("create_ok"),
    "install_noop": after("create_ok"),
    "install_partial_prefix": partial,
    "install_unsat": after("create_ok"),
    "remove_all": three,
    "remove_all_again": after("create_ok", "remove_all"),
    "remove_pkg": three,
}
SAME_SHAPE = {
    "config_show": after(),
    "env_export_json": explicit_installed,
    "env_list_json": after("create_ok"),
    "info_envs_json": after("create_ok"),
    "info_json": after("create_ok"),
    "list_json": explicit_installed,
}


@pytest.mark.parametrize("name", SAME_VALUES)
def test_answers_with_the_recorded_values(world: World, name: str) -> None:
    recorded = load(name)
    SAME_VALUES[name](world)
    answer = world.repeat(name)
    assert answer.status == recorded.status, answer
    expected = json.loads(recorded.stdout.replace("nochannel", "missing"))
    assert not list(differences(expected, answer.json, values=True))


@pytest.mark.parametrize("name", SAME_SHAPE)
def test_answers_in_the_recorded_shape(world: World, name: str) -> None:
    SAME_SHAPE[name](world)
    answer = world.repeat(name)
    assert answer.status == load(name).status, answer
    assert not list(differences(load(name).answer, answer.json, values=False))


@pytest.mark.parametrize(
    ("name", "prepare"), [("create_explicit", explicit), ("create_explicit_bad_md5", wrong_hash("file:///srv/mirror"))]
)
def test_installs_from_a_list_of_urls_without_a_word(world: World, name: str, prepare: Prepare) -> None:
    prepare(world)
    answer = world.repeat(name)
    assert (answer.status, answer.stdout.strip()) == (load(name).status, load(name).stdout.strip())
    assert (world.envs / ("e2" if name == "create_explicit" else "e4") / "conda-meta" / "history").is_file()


@pytest.mark.parametrize(("name", "digits"), [("list_explicit_md5", 32), ("list_explicit_sha256", 64)])
def test_lists_urls_with_hashes(world: World, name: str, digits: int) -> None:
    explicit_installed(world)
    answer = world.repeat(name)
    header, _, urls = load(name).stdout.partition("@EXPLICIT\n")
    assert answer.stdout.startswith(f"{header}@EXPLICIT\n")
    lines = answer.stdout.partition("@EXPLICIT\n")[2].split()
    assert len(lines) == 3
    assert "python-3.11.2" in lines[0]
    for line in lines + urls.split():
        assert re.fullmatch(
            rf"http://mirror.example/conda/main/(noarch|linux-64)/\S+\.conda#[0-9a-f]{{{digits}}}", line
        )


@pytest.mark.parametrize("name", ["env_export", "env_export_from_history"])
def test_exports_as_yaml(world: World, name: str) -> None:
    explicit_installed(world)
    unfolded = world.repeat(name).stdout.replace(": \n  /", ": /")  # a real conda folds a path as long as this world's
    recorded, answered = load(name).stdout.splitlines(), unfolded.splitlines()
    others = {line for line in recorded if line.startswith("  - ") and not line.startswith(INSTALLED)}
    assert sorted(answered) == sorted(line for line in recorded if line not in others)
    assert [line for line in answered if line[:1].isalpha()] == [line for line in recorded if line[:1].isalpha()]


@pytest.mark.parametrize(("package", "recorded"), [("python", "record_python"), ("idna", "record_noarch_idna")])
def test_writes_the_recorded_package_records(world: World, package: str, recorded: str) -> None:
    explicit_installed(world)
    (file,) = (world.envs / "e2" / "conda-meta").glob(f"{package}-*.json")
    written = json.loads(world.recorded(file.read_text()))
    expected = json.loads((FOLDER / f"{recorded}.json").read_text())
    paths, expected_paths = written["paths_data"].pop("paths"), expected["paths_data"].pop("paths")
    assert not list(differences(expected, written, values=False))
    for field in ("channel", "url", "fn", "requested_spec", "requested_specs", "subdir", "noarch", "package_type"):
        assert written.get(field) == expected.get(field)
    for entry in paths:
        if entry["path_type"] == "pyc_file":  # a real conda compiles bytecode; the recording is cut before it
            continue
        alike = next(other for other in expected_paths if other["path_type"] == entry["path_type"])
        assert entry.keys() == alike.keys()
        assert entry["_path"].partition("/")[0] == alike["_path"].partition("/")[0]


def test_writes_history_and_registers_the_environment(world: World) -> None:
    explicit_installed(world)
    recorded = (FOLDER / "conda-meta-history.txt").read_text().splitlines()
    written = world.recorded((world.envs / "e2" / "conda-meta" / "history").read_text()).splitlines()
    changed = [line for line in written if line.startswith("+")]
    assert changed == sorted(changed)
    assert "+http://mirror.example/conda/main/noarch::idna-3.20-py_0" in set(changed) & set(recorded)
    pattern = r"==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <=="
    assert re.fullmatch(pattern, written[0])
    assert re.fullmatch(pattern, recorded[0])
    assert written[1].startswith("# cmd: ")
    assert written[1].endswith(recorded[1].partition("__main__.py")[2])
    assert written[2] == recorded[2]
    listed = world.recorded((world.folder / "home" / ".conda" / "environments.txt").read_text()).split()
    assert listed == ["/srv/envs/e1", "/srv/envs/e2"]
    assert set(listed) & set((FOLDER / "environments.txt").read_text().split())


def test_create_in_a_directory_keeps_what_is_in_it(world: World) -> None:
    stranger(world)
    assert world.repeat("create_over_non_env_dir").status == 0
    assert (world.envs / "e6" / "thesis.tex").exists()


def test_a_create_that_fails_in_a_directory_keeps_what_is_in_it(world: World) -> None:
    wrong_hash("http://mirror.example")(world)
    (world.envs / "e4").mkdir()
    (world.envs / "e4" / "thesis.tex").write_text("years of work")
    assert world.repeat("create_explicit_bad_md5_http").status == 1
    assert (world.envs / "e4" / "thesis.tex").exists()
