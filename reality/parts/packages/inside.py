# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a container of a distribution: has its package manager resolve what the role ``nvidia_driver`` would ask for.

By the role's own code on a node: the same files of the package manager, the same simulation, the same judgement of it.
The first argument is the file of a JSON object, ``{"files": ..., "repository": ..., "epel": ...,
"sets": [...], "kernels": [...]}``; answers go to the file that is the second one, a JSON object in each line:
``{"key": ..., "problem": ..., "detail": ...}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import driver_request, kernel_packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Form
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge, transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted

#: The key of the answer that a repository can't be used, so that no set has an answer.
REPOSITORY = "repository"


def main(asked: str, answers: str) -> None:
    """Answer all that has no answer yet."""
    request = json.loads(Path(asked).read_text(encoding="utf-8"))
    path = Path(answers)
    done = {key: one for key, one in read(path).items() if key != REPOSITORY}  # of a run that was stopped
    path.write_text("".join(map(_line, done.values())), encoding="utf-8")
    with path.open("a", encoding="utf-8") as stream:
        for answer in answered(request, set(done)):
            stream.write(_line(answer))
            stream.flush()


def read(path: Path) -> dict[str, dict[str, str]]:
    """Return answers by key; the last line may be half written."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return {one["key"]: one for one in found}


def answered(request: Mapping[str, Any], done: set[str]) -> Iterator[dict[str, str]]:
    """Yield the answers to what is asked."""
    manager = converge.manager_of_node()
    if request["files"]:
        _put(request["files"])
        manager.refresh("")
    for name in request["kernels"]:
        if f"headers/{name}" not in done:
            yield _tried(f"headers/{name}", partial(headers, manager, name))
    try:
        for name in ("epel", "repository"):
            if request[name]:
                bring(repositories.parse(request[name]), manager)
    except EvenkeelError as error:
        yield {"key": REPOSITORY, "problem": error.what}
        return
    for one in request["sets"]:
        desired = desired_of(one)
        _put(driver_request.package_files(desired, manager.name))
        if f"resolves/{one['key']}" not in done:
            yield _tried(f"resolves/{one['key']}", partial(resolves, manager, desired))
        if manager.name == "apt" and f"pins/{one['key']}" not in done:
            yield _tried(f"pins/{one['key']}", partial(pins, manager, desired))


def bring(repository: Repository, manager: Manager) -> None:
    """Add a repository as roles do."""
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    manager.refresh(repository.path)


def desired_of(one: Mapping[str, Any]) -> Desired:
    """Return what the role would want of a set."""
    return Desired(
        flavour=one["flavour"],
        gpu=False,
        version=one["version"],
        repository=repositories.parse(one["repository"]) if one["repository"] else None,
        packages=tuple(Wanted(package["name"], package["version"]) for package in one["packages"]),
        absent=tuple(one["absent"]),
        family=tuple(one["family"]),
        dkms=one["dkms"],
        modules=one["modules"],
    )


def resolves(manager: Manager, desired: Desired) -> dict[str, str]:
    """Require that a set can be installed: at one version, and from no other repository; return what would come."""
    request = request_of(desired)
    if desired.modules:
        request = replace(request, wanted=(*request.wanted, *modules(manager, desired)))
    steps = transaction.plan(manager, request).steps
    family = transaction.matching([step.name for step in steps], _names(desired.family))
    if manager.name == "dnf" and desired.repository:
        specs = [manager.exact % (step.name, step.after) for step in steps if step.name in family]
        require_origin(specs, desired.repository.name)
    versions = {transaction.upstream(step.after) for step in steps if step.name in family and step.after}
    return {"detail": f"{len(steps)} packages, {len(family)} of the driver, at {', '.join(sorted(versions))}"}


def pins(manager: Manager, desired: Desired) -> dict[str, str]:
    """Require that preferences alone choose the version that is wanted, and the repository."""
    request = request_of(desired)
    plan = transaction.plan(manager, replace(request, wanted=tuple(Wanted(one.name) for one in request.wanted)))
    return {"detail": f"{len(plan.steps)} packages"}


def request_of(desired: Desired) -> Request:
    """Return the role's request; a container has no kernel, so that one may come, and no room that counts."""
    return replace(driver_request.packages(desired), refuse=(), into="")


def modules(manager: Manager, desired: Desired) -> list[Wanted]:
    """Return what brings the modules of the distribution's kernel."""
    possible = Form(manager.name, desired.modules).of_future(["linux-image-generic"])["linux-image-generic"]
    return [Wanted(next((name for name in possible if manager.versions(name)), possible[0]))]


def headers(manager: Manager, bringer: str) -> dict[str, str]:
    """Require that the kernel that a package brings has its headers; return that kernel, and the package's version."""
    form, versions = Form(manager.name), manager.versions(bringer)
    if not versions:
        raise EvenkeelError(f"no repository has {bringer}", "")
    if manager.name == "dnf":
        if versions[0] not in manager.versions(f"{bringer}-devel"):
            raise EvenkeelError(f"no repository has {bringer}-devel {versions[0]}", "")
        return {"detail": versions[0], "version": versions[0]}
    possible = form.of_future([bringer])[bringer]
    found = next((name for name in possible if manager.versions(name)), "")
    if not found:
        raise EvenkeelError(f"no repository has {' or '.join(possible)}", "")
    steps = manager.simulate([bringer, found], [])
    releases = kernel_packages.coming(steps)
    coming = {step.name for step in steps}
    missing = [release for release in releases if form.of(release) not in coming]
    if missing or not releases:
        raise EvenkeelError(f"{found} brings no headers of {', '.join(missing) or 'a kernel'}", "")
    return {"detail": ", ".join(releases), "version": versions[0]}


def require_origin(specs: Sequence[str], repository: str) -> None:
    """Require that dnf has these packages from one of its repositories."""
    form = "%{name}-%{epoch}:%{version}-%{release} %{repoid}\n"
    argv = ["dnf", "--quiet", "repoquery", "--available", "--queryformat", form, *specs]
    rows = [line.split() for line in command.require(argv, "").splitlines() if line.strip()]
    own = {name for name, origin in rows if origin == repository}
    foreign = sorted(set(specs) - own)
    if foreign:
        raise EvenkeelError(f"other repositories have {', '.join(foreign)}", "")


def _names(family: Sequence[str]) -> list[str]:
    return [pattern for pattern in family if not pattern.startswith("src:")]


def _put(files: Mapping[str, str | None]) -> None:
    """Write files of the package manager; this container ends with its run."""
    for path, text in files.items():
        if text is None:
            Path(path).unlink(missing_ok=True)
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")


def _line(answer: Mapping[str, str]) -> str:
    return json.dumps(answer) + "\n"


def _tried(key: str, ask: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return {"key": key, "problem": "", **ask()}
    except EvenkeelError as error:
        return {"key": key, "problem": error.what}


if __name__ == "__main__":
    main(*sys.argv[1:])
