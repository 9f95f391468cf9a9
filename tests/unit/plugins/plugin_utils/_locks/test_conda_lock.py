# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import (
    Lock,
    content_hash,
    packages_for,
    read,
    render,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from jsonschema import Draft202012Validator

CHANNEL = "https://conda.anaconda.org/conda-forge"
PYTHON = Package(
    "python",
    "3.11.10",
    "hc5c86c4_0_cpython",
    "1b" * 32,
    url=f"{CHANNEL}/linux-64/python-3.11.10-hc5c86c4_0_cpython.conda",
    md5="0a" * 16,
    size=30_000_000,
    depends=("__glibc >=2.17", "tzdata"),
)
TZDATA = Package(
    "tzdata", "2024b", "hc8b5060_0", "3d" * 32, url=f"{CHANNEL}/noarch/tzdata-2024b-hc8b5060_0.conda", md5="2c" * 16
)
HUMANIZE = Package(
    "humanize",
    "4.11.0",
    "",
    "4e" * 32,
    "pip",
    url="https://files.example/packages/humanize-4.11.0-py3-none-any.whl",
    size=130_000,
)
PINNED = replace(
    HUMANIZE,
    name="pinned",
    url="https://wheels.example/own/pinned-4.11.0-py3-none-any.whl",
    index="https://wheels.example/own/simple",
)
TOOL = Package("tool", "0.1", "", "", "pip", url=f"git+https://host.example/tool@{'5f' * 20}")
LOCK = Lock(
    channels=(CHANNEL,),
    sources=("environment.yml",),
    packages={"linux-64": (PYTHON, TZDATA, HUMANIZE, PINNED, TOOL), "linux-aarch64": (TZDATA,)},
    content_hash={"linux-64": "aa" * 32, "linux-aarch64": "bb" * 32},
    virtual_packages={"linux-64": {"__glibc": "2.36"}, "linux-aarch64": {"__glibc": "2.36"}},
    variables={"OMP_NUM_THREADS": "8"},
)
BY_CONDA_LOCK = Path(__file__).parents[1] / "data" / "conda-lock-4.0.3.txt"


def whole(lock: Lock) -> dict[str, list[dict[str, Any]]]:
    """Return all fields of the packages, those too that equality ignores."""
    return {platform: [vars(package) for package in packages] for platform, packages in lock.packages.items()}


def changed(tmp_path: Path, of: str = "python", **fields: Any) -> Path:
    """Write a lock of conda-lock in which the first entry of a package has other ``fields``, or none of them."""
    content = yaml.safe_load(BY_CONDA_LOCK.read_text())
    entry = next(entry for entry in content["package"] if entry["name"] == of)
    entry |= fields
    for name in [name for name, value in fields.items() if value is None]:
        del entry[name]
    path = tmp_path / "conda-lock.yml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(render(LOCK, "ai-dev"))
    assert read(path) == LOCK
    assert whole(read(path)) == whole(LOCK)


@pytest.mark.parametrize(
    "sizes",
    [
        "[1]",
        '{"linux-64": 1}',
        *(f'{{"linux-64": {{"conda": {{"python": {size}}}}}}}' for size in ('"large"', "Infinity", "-1", "true")),
        "[" * 100_000,
    ],
    ids=lambda sizes: sizes[:40],
)
def test_sizes_that_are_none_are_told(tmp_path: Path, sizes: str) -> None:
    content = yaml.safe_load(render(LOCK, "ai-dev"))
    content["metadata"]["custom_metadata"]["evenkeel-sizes"] = sizes
    path = tmp_path / "conda-lock.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(EvenkeelError, match=f"^{path} is malformed"):
        read(path)


def test_a_lock_without_indexes_of_its_own_names_none() -> None:
    assert "indexes" in render(LOCK, "ai-dev")
    assert "indexes" not in render(replace(LOCK, packages={"linux-64": (PYTHON, HUMANIZE)}), "ai-dev")


def test_a_lock_says_which_packages_are_builds_for_gpus(tmp_path: Path) -> None:
    torch = Package("torch", "2.4.0+cu121", "", "7b" * 32, "pip", url="https://files.example/torch-2.4.0-any.whl")
    jax = Package("jaxlib", "0.4", "cuda126py311", "6a" * 32, url=f"{CHANNEL}/linux-64/jaxlib-0.4-cuda126py311.conda")
    lock = replace(LOCK, packages={"linux-64": (jax, PYTHON, torch), "linux-aarch64": (TZDATA,)})
    path = tmp_path / "conda-lock.yml"
    path.write_text(render(lock, "ai-dev"))
    ours = yaml.safe_load(path.read_text())["metadata"]["custom_metadata"]
    builds = {"linux-64": ["jaxlib 0.4 cuda126py311", "torch 2.4.0+cu121"]}
    assert json.loads(ours["evenkeel-gpu-builds"]) == builds
    assert read(path).packages["linux-64"] == (jax, PYTHON, torch)
    assert "gpu-builds" not in render(LOCK, "ai-dev")


SCHEMA = Path(__file__).parents[1] / "data" / "conda-lock-v1.schema.yml"


def breaches(text: str) -> list[str]:
    """Return what conda-lock's schema has against a lock."""
    errors = Draft202012Validator(yaml.safe_load(SCHEMA.read_text())).iter_errors(yaml.safe_load(text))
    return [error.message for error in errors]


def test_conda_locks_schema_takes_what_is_written() -> None:
    built = replace(TOOL, name="built", version="1.0", sha256="6f" * 32, url="wheels/6f/built-1.0-py3-none-any.whl")
    gpu = replace(PYTHON, name="jaxlib", build="cuda126py311_0", depends=("cuda-version", "python >=3.11,<3.12.0a0"))
    packages = {"linux-64": (*LOCK.packages["linux-64"], gpu, built), "linux-aarch64": (TZDATA,)}
    lock = replace(LOCK, packages=packages, built={"6f" * 32: {"source": "https://files.example/built-1.0.tar.gz"}})
    text = render(lock, "ai-dev")
    assert breaches(text) == []
    content = yaml.safe_load(text)
    metadata, entries = content["metadata"], content["package"]
    ours = {f"evenkeel-{name}" for name in ("digest", "variables", "virtual-packages", "sizes", "indexes", "built")}
    assert metadata["custom_metadata"].keys() == {*ours, "evenkeel-gpu-builds"}
    # The schema does not say it, and conda-lock needs it.
    assert all("md5" in entry["hash"] for entry in entries if entry["manager"] == "conda")
    assert metadata["content_hash"].keys() == set(metadata["platforms"])
    keys = [(entry["manager"], entry["name"], entry["platform"]) for entry in entries]
    assert len(set(keys)) == len(keys)


def test_the_schema_is_that_of_conda_locks_own_locks() -> None:
    text = BY_CONDA_LOCK.read_text()
    assert breaches(text) == []
    assert breaches(text.replace("  manager: conda\n", "", 1))
    assert breaches(text.replace("  optional: false\n", "  optional: false\n  more: 1\n", 1))
    assert breaches(text.replace("manager: conda", "manager: npm", 1))


def test_equal_locks_have_equal_bytes() -> None:
    shuffled = {platform: tuple(reversed(found)) for platform, found in reversed(LOCK.packages.items())}
    assert render(replace(LOCK, packages=shuffled), "ai-dev") == render(LOCK, "ai-dev")


def test_it_tells_how_to_update() -> None:
    assert "playbooks/lock.yml -e lock_env=ai-dev -e lock_update=numpy,pandas\n" in render(LOCK, "ai-dev")


def test_dependencies_are_told_by_name() -> None:
    depends = ("b >=1", "a", "b <2", "c[version='>=3']", "d 1.0 py311_0")
    lock = replace(LOCK, packages={"linux-64": (replace(TZDATA, depends=depends),)})
    (entry,) = yaml.safe_load(render(lock, "ai-dev"))["package"]
    assert entry["dependencies"] == {"a": "", "b": "<2,>=1", "c": "[version='>=3']", "d": "1.0 py311_0"}


def test_a_lock_of_conda_lock_is_read(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(BY_CONDA_LOCK.read_text())
    lock = read(path)
    assert [vars(package) for package in lock.packages["linux-64"]] == [
        vars(replace(package, size=0)) for package in (PYTHON, TZDATA, replace(HUMANIZE, index=HUMANIZE.url))
    ]
    assert sorted(lock.packages) == ["linux-64", "linux-aarch64"]
    assert (lock.channels, lock.sources) == (("conda-forge",), ("environment.yml",))
    assert lock.inputs == {"environment.yml": "ae" * 32}
    assert lock.virtual_packages is None


def test_an_entry_without_a_sha256_is_read(tmp_path: Path) -> None:
    python = read(changed(tmp_path, hash={"md5": "0A" * 16})).packages["linux-64"][0]
    assert (python.name, python.sha256, python.md5) == ("python", "", "0a" * 16)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hash": {}}, "python-3.11.10-hc5c86c4_0_cpython.conda has no hash"),
        ({"hash": {"md5": "0a" * 15}}, "has the md5 '0a0a.*', which is not valid"),
        ({"hash": {"md5": "0a" * 16, "sha256": "xy" * 32}}, "has the sha256 'xyxy.*', which is not valid"),
        ({"hash": {"md5": 5}}, "is malformed: hash.md5 of python is 5, which is not text"),
        ({"hash": {"sha256": int("1" * 64)}}, "is malformed: hash.sha256 of python is 1{64}, which is not text"),
        ({"hash": ["a"]}, "is malformed: hash of python is .* which is not keys and values"),
        ({"hash": None}, "is malformed: there is no 'hash'"),
        ({"of": "humanize", "version": 1.1}, "is malformed: version of humanize is 1.1, which is not text"),
        ({"of": "humanize", "name": False}, "is malformed: name of a package is False, which is not text"),
        ({"dependencies": ["a"]}, "is malformed: dependencies of python is .* which is not keys and values"),
        ({"url": f"{CHANNEL}/linux-64/python.whl"}, "is not the URL of a package of conda"),
        ({"url": "python-3.11.10-0.conda"}, "is not the URL of a package of conda"),
        ({"name": "tzdata", "url": f"{CHANNEL}/noarch/tzdata-2025a-0.conda"}, "holds tzdata twice: 20.* and 20"),
        ({"platform": "win-64"}, "python is for win-64, which is not among the platforms"),
        ({"manager": "npm"}, "python is of 'npm', neither conda's nor pip's"),
        ({"of": "humanize", "hash": {"md5": "0a" * 16}}, "humanize-4.11.0-py3-none-any.whl has no SHA-256"),
        (
            {"of": "humanize", "url": "git+https://host.example/tool@main"},
            "humanize is at 'git.*may change at any time",
        ),
        ({"of": "humanize", "url": "./humanize"}, "humanize is at './humanize', whose content may change at any time"),
    ],
)
def test_a_lock_that_proves_nothing_is_refused_by_name(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = changed(tmp_path, **fields)
    with pytest.raises(EvenkeelError, match=f"^{path}.*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\n", "version is 2, and only 1"),
        ("metadata: {}\n", "is no lock in conda-lock's format. Lock"),
        ("version: 1\n", "is malformed: there is no 'metadata'"),
        ("version: 1\nmetadata: []\npackage: []\n", "is malformed: metadata is .*, which is not keys and values"),
        (
            "version: 1\nmetadata: {platforms: linux-64}\npackage: []\n",
            "is malformed: metadata.platforms is 'linux-64', which is not a list",
        ),
        (
            "version: 1\nmetadata: {platforms: [linux-64]}\npackage: [a]\n",
            "is malformed: package holds 'a', which is not keys and values",
        ),
        ("version: 1\nmetadata: {platforms: [linux-64]}\npackage:\n", "is malformed: package is empty, which is not"),
        ("version: 1\nversion: 1\n", "line 2: the mapping has the key 'version' twice"),
        ("- 1\n", "does not hold keys and values"),
        ("# platform: linux-64\n@EXPLICIT\nhttps://h/a\n", "is an explicit file, not a lock. Name it as explicit"),
    ],
)
def test_a_file_that_is_no_lock(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(text)
    with pytest.raises(EvenkeelError, match=f"^{path}.*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("name", "locks", "remedy"),
    [
        ("environment.yml", ["conda-lock.yml"], "Name its lock, {}/conda-lock.yml"),
        ("gpu.yml", ["gpu.conda-lock.yml", "conda-lock.yml"], "Name its lock, {}/gpu.conda-lock.yml"),
        (
            "environment.yml",
            [],
            "Lock the environment with Evenkeel's playbook lock.yml, and name the conda-lock.yml that it writes",
        ),
    ],
)
def test_an_environment_in_place_of_its_lock(tmp_path: Path, name: str, locks: list[str], remedy: str) -> None:
    path = tmp_path / name
    path.write_text("dependencies: [numpy]\n")
    for lock in locks:
        (tmp_path / lock).write_text("version: 1\n")
    with pytest.raises(EvenkeelError) as caught:
        read(path)
    assert str(caught.value) == f"{path} is no lock in conda-lock's format. {remedy.format(tmp_path)}."


@pytest.mark.parametrize("variables", [{"X;touch /tmp/p;Y": "1"}, {"A\0": "1"}, {"": "1"}, {"A": "b\0"}, {"A": 1}])
def test_variables_that_no_shell_may_evaluate_are_refused(tmp_path: Path, variables: dict[str, Any]) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(render(replace(LOCK, variables=variables), "ai-dev"))
    with pytest.raises(EvenkeelError, match=f"^{path}: evenkeel-variables sets '.*, which no variable can have"):
        read(path)


def test_a_lock_without_packages_for_a_platform_is_refused() -> None:
    lock = replace(LOCK, packages={"linux-64": (), "linux-aarch64": (TZDATA,)})
    with pytest.raises(EvenkeelError, match=r"^conda-lock\.yml has no packages for linux-64; only those of .* main"):
        packages_for(lock, "linux-64", Path("conda-lock.yml"))
    assert packages_for(lock, "linux-aarch64", Path("conda-lock.yml")) == (TZDATA,)


@pytest.mark.parametrize("versions", ['{"linux-64": 5}', '{"linux-64": {"__glibc": 2.36}}'])
def test_virtual_packages_that_are_none_are_refused(tmp_path: Path, versions: str) -> None:
    content = yaml.safe_load(render(LOCK, "ai-dev"))
    content["metadata"]["custom_metadata"]["evenkeel-virtual-packages"] = versions
    path = tmp_path / "conda-lock.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(EvenkeelError, match=f"^{path} is malformed: .* is no mapping of virtual packages"):
        read(path)


@pytest.mark.parametrize("platform", ["../../x", "linux-64/x", "", "linux-64\n", 1])
def test_a_platform_that_is_none_is_refused(tmp_path: Path, platform: Any) -> None:
    content = yaml.safe_load(BY_CONDA_LOCK.read_text())
    content["metadata"]["platforms"].append(platform)
    path = tmp_path / "conda-lock.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(EvenkeelError, match=f"^{path} is malformed: .* is no platform"):
        read(path)


def test_all_that_is_wrong_with_packages_is_said_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, url=f"{CHANNEL}/win-64/python-3.11.10-0.conda")
    text = path.read_text()
    path.write_text(text.replace("https://files", "https://ada:sesame@files"))
    with pytest.raises(
        EvenkeelError, match=f"^{path} has 2 mistakes:\n- .*python-3.11.10-0.conda is for win-64"
    ) as error:
        read(path)
    assert "carries credentials" in str(error.value)


@pytest.mark.parametrize("url", ["https://ada:sesame@h.example/c", "https://h.example/t/sesame/c"])
def test_credentials_of_a_channel_are_neither_taken_nor_shown(tmp_path: Path, url: str) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(BY_CONDA_LOCK.read_text().replace("url: conda-forge", f"url: {url}"))
    with pytest.raises(EvenkeelError, match="carries credentials") as error:
        read(path)
    assert "sesame" not in str(error.value)


def test_a_lock_edited_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(render(LOCK, "ai-dev").replace("1b" * 32, "1c" * 32))
    with pytest.raises(EvenkeelError, match=f"^{path}: the packages of linux-64 are not those that were locked"):
        read(path)


def test_a_lock_for_other_platforms_names_them() -> None:
    with pytest.raises(EvenkeelError, match=r"^conda-lock\.yml is for linux-64, linux-aarch64, not for osx-arm64"):
        packages_for(LOCK, "osx-arm64", Path("conda-lock.yml"))


ENVIRONMENT = EnvironmentFile(
    Path("environment.yml"), (CHANNEL, "https://b"), ("python", "numpy"), ("a", "b"), {"C": "d"}
)
NODE = {"__glibc": "2.36"}


@pytest.mark.parametrize(
    ("other", "platform", "node", "equal"),
    [
        (replace(ENVIRONMENT, packages=("numpy", "python"), pip=("b", "a")), "linux-64", NODE, True),
        (replace(ENVIRONMENT, path=Path("other.yml")), "linux-64", NODE, True),
        (replace(ENVIRONMENT, packages=("numpy",)), "linux-64", NODE, False),
        (replace(ENVIRONMENT, channels=ENVIRONMENT.channels[::-1]), "linux-64", NODE, False),
        (replace(ENVIRONMENT, pip=("a",)), "linux-64", NODE, False),
        (replace(ENVIRONMENT, variables={"C": "e"}), "linux-64", NODE, False),
        (ENVIRONMENT, "linux-aarch64", NODE, False),
        (ENVIRONMENT, "linux-64", {"__glibc": "2.39"}, False),
    ],
)
def test_the_hash_is_of_the_meaning(other: EnvironmentFile, platform: str, node: dict[str, str], equal: bool) -> None:
    assert (content_hash(other, platform, node) == content_hash(ENVIRONMENT, "linux-64", NODE)) is equal


def test_a_wheel_beside_the_lock_is_named_by_its_path_and_how_it_was_made(tmp_path: Path) -> None:
    path = "wheels/0123456789abcdef/tool-1.0-py3-none-any.whl"
    wheel = Package("tool", "1.0", "", "cd" * 32, PIP, url=path)
    made = {wheel.sha256: {"source": "https://files.example/tool-1.0.tar.gz", "requirements": ["setuptools==80.9.0"]}}
    lock = Lock(
        ("https://conda.example/main",),
        ("a.yml",),
        {"linux-64": (wheel,)},
        {"linux-64": "0"},
        {"linux-64": {}},
        built=made,
    )
    file = tmp_path / "conda-lock.yml"
    file.write_text(render(lock, "ai-dev"))
    assert yaml.safe_load(file.read_text())["package"][0]["url"] == path
    found = read(file)
    assert (found.built, found.packages["linux-64"][0].url) == (made, path)
    assert render(found, "ai-dev") == file.read_text()
    assert "evenkeel-built" not in render(replace(lock, built={}), "ai-dev")
