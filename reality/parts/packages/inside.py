# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a container of a distribution: has its package manager resolve what the roles would ask for.

By the roles' own code on a node: the same files of the package manager, the same simulation, the same judgement of it.
The first argument is the file of a JSON object, ``{"files": ..., "kernels": [...], "sets": [...]}``; answers go to the
file that is the second one, a JSON object in each line: ``{"key": ..., "problem": ..., "detail": ...}``, and
``"absent"`` where the repository does not have a toolkit.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    container_toolkit,
    cuda_toolkits,
    driver_request,
    kernel_packages,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Form
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge, transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted

#: What apt must not have of a driver where another set is asked for.
_NO_PREFERENCES = {driver_request.PREFERENCES: None}
#: More than all answers of a platform have.
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Asked:
    """What the code of a role makes of a set.

    Parameters
    ----------
    is_own
        Whether a package, by its name, has to come from the set's own repository.
    is_stray
        Whether it must not come at all, such as a part of another toolkit.
    """

    request: Request
    is_own: Callable[[str], bool]
    is_stray: Callable[[str], bool] = lambda _name: False


def main(asked: str, answers: str) -> None:
    """Answer all that has no answer yet; what had a problem is asked again."""
    request = json.loads(Path(asked).read_text(encoding="utf-8"))
    path = Path(answers)
    done = {key: one for key, one in read(path).items() if not one["problem"]}  # of a run that was stopped
    write_atomically(str(path), "".join(map(_line, done.values())))
    with path.open("a", encoding="utf-8") as stream:
        for answer in answered(request, set(done)):
            stream.write(_line(answer))
            stream.flush()


def read(path: Path) -> dict[str, dict[str, str]]:
    """Return answers by key; a line that is none, such as a last one that is half written, is left out."""
    lines = _content(path).splitlines(keepends=True)
    found = [answer for line in lines if line.endswith(b"\n") and (answer := _answer(line))]
    return {one["key"]: one for one in found}


def _content(path: Path) -> bytes:
    """Return what is in a regular file, else nothing: the host reads here what a container wrote."""
    try:
        with open(path, "rb", opener=_open_at_once) as stream:
            return stream.read(_MOST_BYTES) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else b""
    except OSError:
        return b""


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _answer(line: bytes) -> dict[str, str] | None:
    try:
        one = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(one, dict) or not all(isinstance(text, str) for text in one.values()):
        return None
    says_something = one.get("problem") or one.get("absent") or "detail" in one
    return one if says_something and {"key", "problem"} <= one.keys() else None


def keys(request: Mapping[str, Any]) -> set[str]:
    """Return the keys of what is asked, but for those that come before another of the same set."""
    return {
        *(f"headers/{name}" for name in request.get("kernels", ())),
        *(f"resolves/{one['key']}" for one in request.get("sets", ())),
    }


def answered(request: Mapping[str, Any], done: set[str]) -> Iterator[dict[str, str]]:
    """Yield the answers to what is asked."""
    manager = converge.manager_of_node()
    if request["files"]:
        _put(request["files"])
        manager.refresh("")
    asks = [(f"headers/{name}", partial(headers, manager, name)) for name in request["kernels"]]
    brought: dict[str, str] = {}
    for one in request["sets"]:
        asks.append((f"resolves/{one['key']}", partial(_with_repositories, resolves, manager, one, brought)))
        if manager.name == "apt" and one["role"] == "nvidia_driver":
            asks.append((f"pins/{one['key']}", partial(_with_repositories, pins, manager, one, brought)))
    for key, ask in asks:
        if key not in done:
            yield _tried(key, ask)


def _with_repositories(
    ask: Callable[[Manager, Mapping[str, Any]], dict[str, str]],
    manager: Manager,
    one: Mapping[str, Any],
    brought: dict[str, str],
) -> dict[str, str]:
    """Bring what a set needs, once for all sets, and ask; ``brought`` has the problem of each repository."""
    for needed in one["needs"]:
        repository = repositories.parse(needed)
        if repository.name not in brought:
            brought[repository.name] = _brought(repository, manager)
        if brought[repository.name]:
            raise EvenkeelError(brought[repository.name], "")
    _put(driver_request.package_files(driver(one), manager.name) if one["role"] == "nvidia_driver" else _NO_PREFERENCES)
    return ask(manager, one)


def _brought(repository: Repository, manager: Manager) -> str:
    """Add a repository, and return why that can't be; then it does not disturb others."""
    try:
        bring(repository, manager)
    except EvenkeelError as error:
        Path(repository.path).unlink(missing_ok=True)
        return error.what
    return ""


def bring(repository: Repository, manager: Manager) -> None:
    """Add a repository as roles do."""
    with repositories.trial(repository, {}) as trial:
        trial.apply()
    manager.refresh(repository.path)


def driver(one: Mapping[str, Any]) -> Desired:
    """Return what the role nvidia_driver would want of a set."""
    return Desired(
        flavour=one["flavour"],
        gpu=False,
        version=one["version"],
        repository=_repository(one),
        packages=_wanted(one),
        absent=tuple(one["absent"]),
        family=tuple(one["family"]),
        companions=tuple(one["companions"]),
        dkms=one["dkms"],
        modules=one["modules"],
    )


def of_driver(manager: Manager, one: Mapping[str, Any]) -> Asked:
    """Return a driver's request, with what brings the modules of the distribution's kernel."""
    desired = driver(one)
    request = _in_container(driver_request.packages(desired))
    if desired.modules:
        request = replace(request, wanted=(*request.wanted, *modules(manager, desired)))
    family = [pattern for pattern in desired.family if not pattern.startswith("src:")]
    return Asked(request, lambda name: bool(transaction.matching([name], family)))


def of_toolkit(manager: Manager, one: Mapping[str, Any]) -> Asked:
    """Return a CUDA toolkit's request, with the newest NCCL for it."""
    (minor,), parts = one["toolkits"], one["parts"]
    wanted = (*_wanted(one), *(Wanted(name, nccl(manager, name, minor)) for name in one["nccl"]))
    desired = cuda_toolkits.Desired((minor,), packages=wanted, parts=parts, refuse=tuple(one["refuse"]))
    names = {wish.name for wish in wanted}
    return Asked(
        cuda_toolkits.request(desired, (), manager=manager.name),
        lambda name: name in names or bool(cuda_toolkits.part_of(name, parts)),
        lambda name: cuda_toolkits.part_of(name, parts) not in ("", minor),
    )


def of_container_toolkit(manager: Manager, one: Mapping[str, Any]) -> Asked:
    """Return the request for the container toolkit, all of whose packages have its version."""
    desired = container_toolkit.Desired(packages=_wanted(one))
    request = container_toolkit.request(desired, manager=manager.name)
    names = [wish.name for wish in desired.packages]
    return Asked(replace(request, of_version=dict.fromkeys(names, one["version"])), names.__contains__)


#: By role.
_REQUESTS: Mapping[str, Callable[[Manager, Mapping[str, Any]], Asked]] = {
    "nvidia_driver": of_driver,
    "cuda_toolkit": of_toolkit,
    "nvidia_container_toolkit": of_container_toolkit,
}


def resolves(manager: Manager, one: Mapping[str, Any]) -> dict[str, str]:
    """Require that a set can be installed: at one version, and from no other repository; return what would come."""
    first = one["packages"][0]["name"]
    if one["role"] == "cuda_toolkit" and not manager.versions(first):
        return {"absent": f"no repository has {first}"}
    asked = _REQUESTS[one["role"]](manager, one)
    steps = transaction.plan(manager, asked.request).steps
    coming = {step.name: step.after for step in steps if step.after}
    stray = sorted(filter(asked.is_stray, coming))
    if stray:
        raise EvenkeelError(f"parts of other toolkits come with it: {', '.join(stray)}", "")
    own = {name: version for name, version in coming.items() if asked.is_own(name)}
    repository = _repository(one)
    if repository:
        require_origin(manager, own, repository)
    versions = sorted({transaction.upstream(own[wish.name]) for wish in asked.request.wanted if wish.name in own})
    return {"detail": f"{len(steps)} packages, {len(own)} of the set, at {', '.join(versions)}"}


def pins(manager: Manager, one: Mapping[str, Any]) -> dict[str, str]:
    """Require that preferences alone choose the version that is wanted, and the repository."""
    request = _in_container(driver_request.packages(driver(one)))
    plan = transaction.plan(manager, replace(request, wanted=tuple(Wanted(wish.name) for wish in request.wanted)))
    return {"detail": f"{len(plan.steps)} packages"}


def _in_container(request: Request) -> Request:
    """Return a request for a container, which has no kernel, so that one may come, and no room that counts."""
    return replace(request, refuse=(), into="")


def _repository(one: Mapping[str, Any]) -> Repository | None:
    return repositories.parse(one["repository"]) if one["repository"] else None


def _wanted(one: Mapping[str, Any]) -> tuple[Wanted, ...]:
    return tuple(Wanted(package["name"], package["version"]) for package in one["packages"])


def nccl(manager: Manager, name: str, minor: str) -> str:
    """Return the newest version of a package of NCCL for the CUDA of a toolkit, which its version ends in."""
    major = minor.partition(".")[0]
    found = [version for version in manager.versions(name) if f"+cuda{major}." in version]
    if not found:
        raise EvenkeelError(f"no repository has {name} for CUDA {major}", "")
    return found[0].partition(":")[2] or found[0]


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


def require_origin(manager: Manager, versions: Mapping[str, str], repository: Repository) -> None:
    """Require that packages at these versions are in one of the node's repositories."""
    if manager.name == "apt":
        offers = manager.offers(list(versions))
        own = {
            name
            for name, found in offers.items()
            for offer in found
            if offer.version == versions[name]
            and transaction.place(repository.url) in map(transaction.place, offer.urls)
        }
    else:
        own = _of_dnf([manager.exact % one for one in versions.items()], repository.name)
    foreign = sorted(set(versions) - own)
    if foreign:
        raise EvenkeelError(f"other repositories have {', '.join(foreign)}", "")


def _of_dnf(specs: Sequence[str], repository: str) -> set[str]:
    """Return the names of those packages that one of dnf's repositories has."""
    if not specs:
        return set()
    argv = ["dnf", "--quiet", "repoquery", "--available", "--queryformat", "%{name} %{repoid}\n", *specs]
    rows = [line.split() for line in command.require(argv, "").splitlines() if line.strip()]
    return {name for name, origin in rows if origin == repository}


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
