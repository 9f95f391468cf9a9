# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments that somebody has changed by hand: reported in check mode, replaced otherwise."""

from __future__ import annotations

import pytest

from lab.nodes.fleet import Fleet
from lab.upstream import mirror

ROOT = "/opt/evenkeel"
CONDA = "/opt/miniconda3/bin/conda"
PYTHON = "python=3.11"
SITE_PACKAGES = "lib/python3.11/site-packages"


def in_use(fleet: Fleet, name: str) -> str:
    """Return the name of the generation in use."""
    return fleet.run(f"basename $(readlink {ROOT}/envs/{name})")


def test_packages_that_root_added_and_files_of_users(fleet: Fleet) -> None:
    packages = (PYTHON, "pip", "idna")
    fleet.environment("touched", *packages)
    prefix, drifted = f"{ROOT}/envs/touched", in_use(fleet, "touched")
    index = f"--index-url {mirror.url()}/pypi/simple/ --trusted-host {mirror.address()}"
    pip = f"{prefix}/bin/python -m pip install --quiet --break-system-packages --root-user-action=ignore {index}"
    fleet.run(f"{pip} humanize==4.9.0")
    fleet.run(f"{CONDA} install --quiet --yes --override-frozen --name touched six >/dev/null")
    fleet.run(f"rm {prefix}/conda-meta/frozen && mkdir {prefix}/notes && echo mine >{prefix}/notes/today.txt")
    plan = [
        "- humanize 4.9.0",
        "- six 1.17.0",
        "! missing conda-meta/frozen",
        f"~ generation {drifted} -> {drifted}-2",
    ]

    reported = fleet.environment("touched", *packages, check=True)
    assert reported["plan"] == plan
    assert reported["user_files"] == ["notes/today.txt"]
    assert in_use(fleet, "touched") == drifted

    replaced = fleet.environment("touched", *packages)
    assert (replaced["plan"], replaced["user_files"]) == (plan, ["notes/today.txt"])
    assert in_use(fleet, "touched") == f"{drifted}-2"
    fleet.run(f"{prefix}/bin/python -c 'import idna' && ! {prefix}/bin/python -c 'import six' 2>/dev/null")
    assert not fleet.environment("touched", *packages)["changed"]

    kept = fleet.environment("touched", *packages, keep=1)["kept"]
    assert kept == [f"{ROOT}/kept/touched/{drifted}/notes/today.txt"]
    assert fleet.run(f"cat {kept[0]}; ls {ROOT}/generations/touched") == f"mine\n{drifted}-2"


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_files_that_somebody_edited_or_deleted(fleet: Fleet, installer: str) -> None:
    name = f"edited-{installer}"

    def keep(other: str = name, *, check: bool = False) -> list[str]:
        result = fleet.environment(other, PYTHON, "six", installer=installer, verify="files", check=check)
        plan: list[str] = result["plan"]
        return plan

    keep()
    prefix, drifted = f"{ROOT}/envs/{name}", in_use(fleet, name)
    module, bytecode = f"{SITE_PACKAGES}/six.py", f"{SITE_PACKAGES}/__pycache__/six.cpython-311.pyc"
    sums = f"cd {prefix} && sha256sum {module} {bytecode}"
    before = fleet.run(sums)
    fleet.run(
        f"cd {prefix} && echo 'raise ImportError' | tee --append {module} {bytecode} && rm lib/python3.11/this.py"
    )
    assert not fleet.environment(name, PYTHON, "six", installer=installer)["changed"]
    plan = [
        f"! edited {bytecode}",
        f"! edited {module}",
        "! missing lib/python3.11/this.py",
        f"~ generation {drifted} -> {drifted}-2",
    ]
    assert keep(check=True) == plan
    assert keep() == plan

    assert fleet.run(sums) == before
    fleet.run(f"{prefix}/bin/python -c 'import six, this'")
    assert keep() == []
    keep(f"{name}-too")  # from the same cache, whose files were edited with the first one's
    assert keep(f"{name}-too", check=True) == []


def test_what_users_may_change_is_reported_and_taken_back(fleet: Fleet) -> None:
    name, packages = "loose", (PYTHON, "permissive", "permissive-noarch")
    fleet.environment(name, *packages)
    prefix, before = f"{ROOT}/envs/{name}", in_use(fleet, name)
    assert not fleet.environment(name, *packages)["changed"]
    pth, deep = f"{SITE_PACKAGES}/permissive.pth", f"{SITE_PACKAGES}/permissive/open"
    fleet.run(f"cd {prefix} && chmod o+w {pth} {deep} && chmod u+s bin/permissive")
    # Not all that a node reports is the same on each: builds begin at their own times.
    for of_node in fleet.module("evenkeel.gpu.conda_environment_info", name=name).of_node.values():
        (reported,) = of_node["environments"]
        assert reported["drift"] == [f"others may change bin/permissive, {pth}, {deep}"]
    fleet.run(f'echo \'import os; open("/tmp/poisoned", "w")\' >>{prefix}/{pth}', user="nobody")

    plan = [
        f"! others may change bin/permissive, {pth}",
        f"~ generation {before} -> {before}-2",
        f"~ permissions of 2 files in generation {before}",
    ]
    assert fleet.environment(name, *packages, check=True)["plan"] == plan
    assert fleet.environment(name, *packages)["plan"] == plan
    assert not fleet.environment(name, *packages)["changed"]
    fleet.run(f"{prefix}/bin/python -c 'import permissive' && ! test -e /tmp/poisoned")
    loose = f"find {ROOT}/generations/{name} ! -type l -perm /go=w,u=s,g=s"
    assert fleet.run(loose) == ""
    assert fleet.environment(name, generation=before)["changed"]  # the file that was poisoned is known as such
    assert fleet.environment(name, *packages, check=True)["plan"][0] == "! others could change its files"
    fleet.environment(name, state="absent")


def test_what_an_older_version_left_open_is_closed_once(fleet: Fleet) -> None:
    name, packages = "old", (PYTHON, "permissive", "permissive-noarch")
    fleet.environment(name, *packages)
    prefix, before = f"{ROOT}/envs/{name}", in_use(fleet, name)
    pth = f"{SITE_PACKAGES}/permissive.pth"
    marker = f'sed --in-place \'s/"format": 3/"format": 2/\' {prefix}/conda-meta/evenkeel'
    fleet.run(
        f"cd {prefix} && chmod o+w {pth} && chmod g+w lib/python3.11/this.py && chmod 755 {ROOT}/pkgs/* && {marker}"
    )
    fleet.run(f"echo '# poison' >>{prefix}/{pth}", user="nobody")

    replaced = fleet.environment(name, *packages)
    caches = [f"~ permissions of {ROOT}/pkgs/{cache}" for cache in ("bytecode", "conda", "rattler", "uv", "wheels")]
    assert replaced["plan"] == [
        f"! others may change {pth}",
        f"~ generation {before} -> {before}-2",
        *caches,
        f"~ permissions of 2 files in generation {before}",
    ]
    assert not fleet.environment(name, *packages)["changed"]
    fleet.run(f"! grep poison {prefix}/{pth} && ! ls {ROOT}/pkgs/rattler 2>/dev/null", user="nobody")
    fleet.environment(name, state="absent")
