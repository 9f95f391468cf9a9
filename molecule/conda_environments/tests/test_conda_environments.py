# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role conda_environments, whichever way its environments are defined and made."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from testinfra.host import Host

CONDA = "/opt/miniconda3/bin/conda"
ROOT = "/opt/evenkeel"
#: All of one lock.
LOCKED = ("locked", "by-sha256", "by-md5", "by-conda-lock", "by-pixi", "by-conda")
NAMES = ("listed.2", "solved", *LOCKED)
PIP = {
    "solved": {"humanize": "4.9.0", "tabulate": None},
    "locked": {"deprecation": None, "permissive-wheel": "1.0", "xxhash": None},
    "by-conda": {"deprecation": None, "permissive-wheel": "1.0", "xxhash": None},
}
VARIABLES = {"solved": ("SOLVED_THREADS", "8"), "locked": ("LOCKED_GREETING", 'it\'s a "quoted" $value')}

#: Prints the modules below the prefix without bytecode that Python believes without a look at the source. A link to a
#: module is left out.
UNREADY = """
import importlib.util, pathlib, sys
for source in pathlib.Path(sys.prefix, "lib").rglob("*.py"):
    bytecode = pathlib.Path(importlib.util.cache_from_source(source))
    if bytecode.exists():
        flags = int.from_bytes(bytecode.read_bytes()[4:8], "little")
        if flags != 0b01:
            print(bytecode, "has the flags", flags)
    elif not source.is_symlink():
        try:
            compile(source.read_bytes(), source, "exec")
        except (SyntaxError, ValueError):
            continue
        print(source, "has no bytecode")
"""
#: Prints the files that records of conda list and that are not as they say.
ALTERED = """
import hashlib, json, pathlib, sys
prefix = pathlib.Path(sys.prefix)
for file in prefix.glob("conda-meta/*.json"):
    record = json.loads(file.read_text())
    for path in record["files"]:
        if not (prefix / path).exists():
            print(file.name, path, "is missing")
    for entry in record["paths_data"]["paths"]:
        path, expected = prefix / entry["_path"], entry.get("sha256_in_prefix")
        if expected and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            print(file.name, path, "is altered")
"""


def marker(host: Host, name: str) -> dict[str, Any]:
    """Return what Evenkeel noted about the environment."""
    content: dict[str, Any] = json.loads(host.file(f"{ROOT}/envs/{name}/conda-meta/evenkeel").content_string)
    return content


def versions(host: Host, name: str, manager: str) -> dict[str, str]:
    """Return name and version of the packages that the environment was built from."""
    packages = marker(host, name)["packages"]
    return {package["name"]: package["version"] for package in packages if package["manager"] == manager}


@pytest.mark.parametrize("name", NAMES)
def test_name_is_a_link_to_a_complete_generation(host: Host, name: str) -> None:
    generation = marker(host, name)["digest"][:16]
    assert host.file(f"{ROOT}/envs/{name}").linked_to == f"{ROOT}/generations/{name}/{generation}"
    assert host.check_output("ls %s/generations/%s", ROOT, name) == generation


def test_equal_packages_have_equal_digests_whatever_tells_or_links_them(host: Host) -> None:
    markers = {name: marker(host, name) for name in LOCKED}
    assert [marker["installer"] for marker in markers.values()] == ["rattler"] * 5 + ["conda"]
    without_variables = {name: marker["digest"] for name, marker in markers.items() if name != "locked"}
    assert len(set(without_variables.values())) == 1, without_variables
    identities = {
        name: sorted((one["name"], one["version"], one["build"], one["sha256"]) for one in marker["packages"])
        for name, marker in markers.items()
    }
    assert all(found == identities["locked"] for found in identities.values())


@pytest.mark.parametrize("name", NAMES)
def test_conda_lists_it(host: Host, name: str) -> None:
    listed = json.loads(host.check_output("sudo -u nobody %s list --json --name %s", CONDA, name))
    recorded = marker(host, name)["packages"]
    assert {
        (one["name"], one["version"], one["build_string"] if one["channel"] != "pypi" else "") for one in listed
    } == {(one["name"], one["version"], one["build"]) for one in recorded}


@pytest.mark.parametrize("name", ["listed.2", "by-conda"])
def test_conda_runs_it(host: Host, name: str) -> None:
    code = "import sys, idna; print(sys.prefix)"
    ran = host.check_output("sudo -u nobody %s run --name %s python -c %s", CONDA, name, code)
    assert ran in (f"{ROOT}/envs/{name}", host.file(f"{ROOT}/envs/{name}").linked_to)


@pytest.mark.parametrize("name", ["listed.2", "locked"])
def test_a_login_shell_activates_it(host: Host, name: str) -> None:
    script = f"conda activate {name} && echo $CONDA_DEFAULT_ENV && python -c 'import idna' && which python"
    active, python = host.check_output("sudo -u nobody bash --login -c %s", script).splitlines()
    assert active == name
    assert python == f"{ROOT}/envs/{name}/bin/python"


@pytest.mark.parametrize("name", VARIABLES)
def test_activation_sets_its_variables_and_takes_them_back(host: Host, name: str) -> None:
    variable, value = VARIABLES[name]
    script = f'conda activate {name}; echo "${variable}"; conda deactivate; echo "left: ${variable}"'
    assert host.check_output("sudo -u nobody bash --login -c %s", script).splitlines() == [value, "left: "]


@pytest.mark.parametrize("name", NAMES)
def test_conda_finds_no_file_altered_or_missing(host: Host, name: str) -> None:
    """As ``conda doctor`` does, which the lab's conda lacks."""
    assert host.check_output("sudo -u nobody %s/envs/%s/bin/python -c %s", ROOT, name, ALTERED) == ""


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("listed.2", ["idna", "python=3.11"]),
        ("locked", ["python=3.11", "idna<3.11", "prefixed", "permissive", "permissive-noarch"]),
        ("by-conda", []),
    ],
)
def test_its_history_is_what_was_asked_for(host: Host, name: str, asked: list[str]) -> None:
    history = host.file(f"{ROOT}/envs/{name}/conda-meta/history").content_string.splitlines()
    assert [line for line in history if " specs: " in line] == ([f"# update specs: {asked}"] if asked else [])


@pytest.mark.parametrize("name", ["solved", "by-conda"])
def test_conda_exports_it(host: Host, name: str) -> None:
    exported = yaml.safe_load(host.check_output("sudo -u nobody %s env export --name %s", CONDA, name))
    assert exported["name"] == name
    *conda, pip = exported["dependencies"]
    assert {spec.split("=")[0]: spec.split("=")[1] for spec in conda} == versions(host, name, "conda")
    assert dict(spec.split("==") for spec in pip["pip"]) == versions(host, name, "pip")


def test_conda_exports_what_was_asked_for(host: Host) -> None:
    text = host.check_output("sudo -u nobody %s env export --from-history --name listed.2", CONDA)
    assert yaml.safe_load(text)["dependencies"] == ["idna", "python=3.11"]


@pytest.mark.parametrize("name", ["locked", "by-conda"])
def test_it_is_frozen_and_says_how_to_change_it(host: Host, name: str) -> None:
    answer = host.run("%s install --json --yes --name %s six", CONDA, name)
    assert answer.rc == 1
    refusal = json.loads(answer.stdout)
    assert refusal["exception_name"] == "EnvironmentIsFrozenError"
    assert "Change its packages in the inventory and run site.yml" in refusal["message"]
    assert f"conda create --name mine --clone {name}" in refusal["message"]


@pytest.mark.parametrize("name", PIP)
def test_packages_of_pip_are_there_by_uv_and_fit(host: Host, name: str) -> None:
    reported = versions(host, name, "pip")
    assert {package: PIP[name].get(package) or reported[package] for package in PIP[name]}.items() <= reported.items()
    pip = f"sudo -u nobody {ROOT}/envs/{name}/bin/python -m pip"
    listed = {one["name"]: one["version"] for one in json.loads(host.check_output(f"{pip} list --format json"))}
    assert reported.items() <= listed.items()
    assert host.check_output(f"{pip} check") == "No broken requirements found."
    notes = " ".join(f"{package}-{version}.dist-info/INSTALLER" for package, version in reported.items())
    not_by_uv = f"cd {ROOT}/envs/{name}/lib/python3.11/site-packages && grep --files-without-match '^uv$' {notes}"
    assert host.run(not_by_uv).stdout == ""


def test_what_conda_has_pip_does_not_bring_again(host: Host) -> None:
    assert "packaging" in versions(host, "solved", "conda")
    for name in NAMES:
        assert versions(host, name, "conda").keys().isdisjoint(versions(host, name, "pip"))


@pytest.mark.parametrize("name", ["locked", "by-conda"])
def test_every_module_has_bytecode_that_is_never_stale(host: Host, name: str) -> None:
    assert host.check_output("sudo -u nobody %s/envs/%s/bin/python -B -c %s", ROOT, name, UNREADY) == ""


@pytest.mark.parametrize("module", ["json", "idna.core", "xxhash"])
def test_sources_and_bytecode_are_linked_from_the_caches(host: Host, module: str) -> None:
    code = f"import {module} as it; print(it.__file__, it.__cached__)"
    for path in host.check_output("%s/envs/locked/bin/python -c %s", ROOT, code).split():
        inode = host.check_output("stat --format %%i %s", path)
        assert host.check_output("find %s/pkgs -inum %s", ROOT, inode), path


def test_whoever_may_not_write_imports_bytecode(host: Host) -> None:
    ran = host.run("sudo -u nobody %s/envs/locked/bin/python -v -c 'import json, idna, prefixed, xxhash'", ROOT)
    assert ran.rc == 0
    from_sources = [line for line in ran.stderr.splitlines() if "code object from" in line and ".pyc" not in line]
    assert from_sources == []
    assert "wrote" not in ran.stderr


def test_everybody_can_read_and_only_root_can_write(host: Host) -> None:
    unreadable = "! -perm -o=r -o -type d ! -perm -o=x -o -perm -u=x ! -perm -o=x"
    places = f"{ROOT}/envs {ROOT}/generations {ROOT}/runtime {ROOT}/distributions"
    writable = "-perm /go=w -o -perm /u=s,g=s -o ! -user root"
    wrong = f"find {places} ! -type l ! -path '*/.locks*' '(' {unreadable} -o {writable} ')'"
    assert host.check_output(wrong) == ""


@pytest.mark.parametrize("name", ["locked", "by-conda"])
@pytest.mark.parametrize("file", ["permissive", "permissive_noarch", "permissive_wheel"])
def test_no_user_changes_what_others_run(host: Host, name: str, file: str) -> None:
    site = f"{ROOT}/envs/{name}/lib/python3.11/site-packages"
    poison = f"echo 'import os; os.system(\"touch /tmp/poisoned-$(id -u)\")' >>{site}/{file}.pth"
    assert host.run("sudo -u nobody sh -c %s", poison).rc != 0
    assert host.run("sudo -u nobody sh -c %s", f"cd {ROOT}/envs/{name} && rm -f bin/{file.replace('_', '-')}").rc != 0
    assert host.check_output(f"{ROOT}/envs/{name}/bin/python -c 'import {file}; print({file}.__name__)'") == file
    assert host.run("ls /tmp/poisoned-*").rc != 0


@pytest.mark.parametrize("cache", ["bytecode", "conda", "rattler", "uv"])
def test_no_user_looks_into_a_cache_that_environments_are_linked_from(host: Host, cache: str) -> None:
    assert host.file(f"{ROOT}/pkgs/{cache}").is_directory
    assert host.run("sudo -u nobody ls %s/pkgs/%s", ROOT, cache).rc != 0


def test_files_that_hold_their_prefix_hold_that_of_their_generation(host: Host) -> None:
    for name in ("by-pixi", "by-conda"):
        generation = host.file(f"{ROOT}/envs/{name}").linked_to
        assert host.file(f"{generation}/lib/prefixed.txt").content_string == f"prefix={generation}\n"
        reported = host.check_output(f"{generation}/bin/python -c 'import prefixed; print(prefixed.PREFIX)'")
        assert reported == generation
