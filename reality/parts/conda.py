# SPDX-License-Identifier: GPL-3.0-or-later
"""Part conda: real installers and their conda, and the shipped environments on conda-forge.

``EVENKEEL_CONDA`` names a conda, and ``EVENKEEL_INSTALLER_URL`` the URLs of installers, with spaces between them, in
place of the known ones; what holds for them are claims of their own.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import (
    DISTRIBUTIONS,
    LATEST,
    Installer,
    choose,
    parse,
)

from reality import junit, molecule
from reality.claims import DIFFERS, OWN, Claim, Result, SkippedError, proven
from reality.impersonal import last_name
from reality.reach import MIB, RefusedError
from reality.world import DISTRIBUTION_SITES, ROOT, World

TITLE = "Real conda"
#: A conda that is named needs none.
NETWORK = not os.environ.get("EVENKEEL_CONDA")
AT_ONCE = 1
SECONDS = 4 * 3600.0
PART = "conda"

BASE = "Real conda, by the tests that the lab's stand-in can't show"
SCENARIOS = "Molecule scenarios with a real installer"
ENVIRONMENTS = "Shipped environments locked on conda-forge and built"
#: What the lab can't show: a key, how it is called, and which tests are its own, by file and name.
CHECKLIST = (
    ("python", "its base has the Python that its name promises", r"real/base test_python_is"),
    ("unchanged", "a second run changes nothing", r"real/base test_a_second_run"),
    ("libmamba", "its solver is libmamba", r"real/base test_the_solver_is_libmamba"),
    ("protected", "its base is kept from conda and pip", r"real/base test_base_is_kept"),
    ("command", "the command elsewhere is the same conda", r"real/base test_a_link_elsewhere"),
    ("terms", "its plugin for terms of service knows ours", r"real/base test_the_plugin_for_terms_of_service"),
    ("init", "`conda init` writes what is expected", r"real/base test_what_conda_init_writes"),
    ("builder", "its Python builds environments", r"real/base test_environments_are_built"),
    ("doctor", "`conda doctor` finds what is wrong and nothing else", r"real/\w+ test_doctor"),
    ("records", "the records of both installers agree", r"real/environments test_records"),
    (
        "history",
        "`conda env export --from-history` is what was asked for",
        r"real/environments test_an_export_from_history",
    ),
    ("list", "`conda list` shows packages with their channel", r"real/environments test_packages_are_listed"),
    ("clone", "`conda create --clone` makes one that can be changed", r"real/environments test_a_clone"),
    ("activation", "variables and scripts of activation reach what runs", r"real/environments test_a_variable"),
    ("contract", "it answers the recorded calls", r"contract/"),
)
#: What the lab's conda is not meant to be: it has another solver and no plugins.
_NOT_OF_LAB = ("libmamba", "init", "doctor", "clone")
#: The largest installer has about 1.2 GB.
_MOST_BYTES = 4096 * MIB
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
#: What an installer says on a machine whose C library is too old for it.
_OLD_MACHINE = re.compile(r"Installer requires GLIBC \S+, but system has [\d.]*\d")
_SCENARIOS = ("miniconda", "distribution_life", "environment_life")
#: The CUDA version that shipped environments are locked for.
_CUDA = "12.8"
_OLDEST_PYTHON = 9
_CONDA_FORGE = "https://conda.anaconda.org/conda-forge/noarch/repodata.json"
#: The channel of the lab that its own environments are locked on.
_MAIN = "https://repo.anaconda.com/pkgs/main"
#: What people name; a conda is called by its variable, as its path may name that person.
_COMMAND, _URLS, _SUMS = "EVENKEEL_CONDA", "EVENKEEL_INSTALLER_URL", "EVENKEEL_INSTALLER_SHA256"


@dataclass(frozen=True)
class Case:
    """A conda to ask: the command of one, or an installer.

    Parameters
    ----------
    is_own
        Whether somebody names it, and it is no known one.
    """

    name: str
    command: str = ""
    url: str = ""
    sha256: str = ""
    is_own: bool = False


def claims(world: World) -> Iterable[Claim]:
    """Return the claims of each conda, of scenarios and of environments; where condas are named, of these alone."""
    asked = cases(world)
    found = [claim for case in asked for claim in _of_case(case)]
    found += _of_scenarios(max((case for case in asked if case.url), key=_age, default=None), world)
    for name in () if _named(world) else environments(world):
        text = f"The environment {name} is locked for CUDA and built"
        found.append(Claim(f"{PART}/environment/{name}", PART, text, ENVIRONMENTS))
    return found


def check(claim: Claim, world: World) -> Result:
    """Ask one of them."""
    _part, kind, *_more, key = claim.id.split("/")
    if kind == "environment":
        return _environment(key, world)
    if key in _SCENARIOS:
        return _scenario(key, world)
    case = next(one for one in cases(world) if claim in _of_case(one))
    rows, about = world.once(f"conda {case.name}", lambda: _tested(case, world))
    pattern = next(pattern for name, _what, pattern in CHECKLIST if name == key)
    found = junit.verdict(rows, pattern, case.name, about)
    if old := _OLD_MACHINE.search(found.detail):
        raise SkippedError(old[0])
    return world.differs(case.name, found.detail) if found.state == DIFFERS and key in _NOT_OF_LAB else found


def _of_case(case: Case) -> list[Claim]:
    kind, called = (OWN, _called(case)) if case.is_own else ("installer", case.name)
    return [
        Claim(f"{PART}/{kind}/{case.name}/{key}", PART, f"{called}: {what}", BASE) for key, what, _pattern in CHECKLIST
    ]


def _of_scenarios(case: Case | None, world: World) -> list[Claim]:
    """Return the claims of scenarios with an installer."""
    if case is None:
        return []
    kind, called = "scenario", "the lab's installer" if world.is_lab else "a real installer"
    if case.is_own:
        kind, called = f"{OWN}/{case.name}", _called(case)
    return [
        Claim(f"{PART}/{kind}/{name}", PART, f"The scenario {name} passes with {called}", SCENARIOS)
        for name in _SCENARIOS
    ]


def _called(own: Case) -> str:
    return own.name if own.command else f"{own.name}, which {_URLS} names"


def cases(world: World) -> list[Case]:
    """Return those that the environment names, else the newest known installer of each Python and of Miniforge.

    Raises
    ------
    EvenkeelError
        It names what is no program, no installer's URL, a URL with a login, or other checksums than one for each URL.
    """
    urls = world.environment.get(_URLS, "").split()
    sums = _digests(world.environment.get(_SUMS, "").split(), len(urls))
    if not _named(world):
        return [Case(one.file, url=_url(one), sha256=one.sha256) for one in _newest(world.installers())]
    command = world.environment.get(_COMMAND, "")
    known = {one.file: one.sha256 for one in world.installers()}
    found = [Case(_COMMAND, command=_program(command), is_own=True)] if command else []
    for number, url in enumerate(urls):
        name = _file(url)
        digest = sums[number] if sums else known.get(name, "")
        found.append(Case(name, url=url, sha256=digest, is_own=digest != known.get(name)))
    return found


def _program(command: str) -> str:
    found = shutil.which(command)
    if not found:
        raise EvenkeelError(f"{_COMMAND} names {command}, which is no program", "Name one such as /opt/conda/bin/conda")
    return str(Path(found).absolute())


def _digests(sums: list[str], urls: int) -> list[str]:
    if sums and len(sums) != urls:
        what = f"{_SUMS} has another number of checksums ({len(sums)}) than {_URLS} has URLs ({urls})"
        raise EvenkeelError(what, "Name one for each URL, in the same order, or none")
    if not all(_SHA256.fullmatch(one) for one in sums):
        raise EvenkeelError(f"{_SUMS} names what is no SHA-256", "Name 64 hexadecimal digits for each URL")
    return [one.lower() for one in sums]


def _named(world: World) -> bool:
    return bool(world.environment.get(_COMMAND) or world.environment.get(_URLS))


def _newest(known: list[Installer]) -> Iterator[Installer]:
    machine = platform.machine()
    fitting = [one for one in known if one.architecture == machine]
    pythons = sorted({one.python for one in fitting if one.python}, key=lambda name: int(name[3:]))
    for python in pythons:
        if int(python[3:]) >= _OLDEST_PYTHON:
            yield choose("miniconda", python, machine, fitting)
    if any(not one.python for one in fitting):
        yield choose("miniforge", LATEST, machine, fitting)


def _file(url: str) -> str:
    name, (scheme, _colon, rest) = last_name(url), url.partition("://")
    site, path, _rest = rest.partition("/")
    is_url = bool(name and site and path) and scheme in ("http", "https")
    if not is_url or "@" in site:
        what = "a URL with a login" if is_url else "what is no URL of an installer"
        raise EvenkeelError(f"{_URLS} names {what}", "Name URLs such as https://HOST/INSTALLER.sh")
    return name


def _url(installer: Installer) -> str:
    name = next(name for name, start in DISTRIBUTIONS.items() if installer.file.startswith(f"{start}-"))
    return f"{DISTRIBUTION_SITES[name]}/{installer.path}"


def _tested(case: Case, world: World) -> tuple[list[junit.Row], str]:
    """Return how all tests with a conda ended, and what it says of itself; results of a stopped run are read again."""
    folder = world.folder / PART / re.sub(r"[^\w.-]", "_", case.name)
    folder.mkdir(parents=True, exist_ok=True)
    if case.command:
        env = {"EVENKEEL_CONDA": case.command, "EVENKEEL_INSTALLER_URL": ""}
        suites = [_pytest(["tests/contract", "tests/real"], env, folder / "all.xml", world)]
    else:
        path = downloaded(case, world)
        env = {"EVENKEEL_CONDA": "", "EVENKEEL_INSTALLER_URL": path.as_uri(), "EVENKEEL_INSTALLER_SHA256": case.sha256}
        if not case.sha256:
            del env["EVENKEEL_INSTALLER_SHA256"]
        suites = [_pytest(["tests/real"], env, folder / "real.xml", world), _contract(path, folder, world)]
    rows = [row for found, _about in suites for row in found]
    return rows, next((text for _found, about in suites for text in about), "")


def downloaded(case: Case, world: World) -> Path:
    """Return an installer that has its checksum; what is there already is not fetched again.

    Raises
    ------
    SkippedError
        It has another, or is not there, which is the part data's to tell.
    """
    path = world.store / "installers" / case.name
    if not path.exists() or case.sha256 not in ("", sha256_of(str(path))):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".part")
        try:
            with new.open("wb") as stream:
                url = world.at(case.url) if "://" in case.url else case.url
                _size, digest = world.reach.sum(url, stream.write, most=_MOST_BYTES)
            if case.sha256 not in ("", digest):
                raise SkippedError(f"{case.name} has the SHA-256 {digest}, and not {case.sha256}")
            new.replace(path)
        except RefusedError as error:
            raise SkippedError(f"{case.name} is not at its URL: its site answered {error.status}") from None
        except OSError as error:
            # Of a full disk, a write does not say where it is.
            error.filename = error.filename or str(new)
            raise
        finally:
            new.unlink(missing_ok=True)
    return path


def _contract(installer: Path, folder: Path, world: World) -> tuple[list[junit.Row], list[str]]:
    """Ask an installer's conda the recorded calls; it is installed as a user would, and removed."""
    if (folder / "contract.xml").exists():
        return junit.read(folder / "contract.xml")
    with tempfile.TemporaryDirectory(prefix="ek-") as short:  # conda bears no long paths
        prefix = Path(short) / "conda"
        done = world.run(["bash", installer, "-b", "-p", prefix])
        if done.returncode:
            return [junit.Row("contract/recordings", "test_installer", "", junit.ERROR, done.stdout[-2000:])], []
        env = {"EVENKEEL_CONDA": str(prefix / "bin" / "conda"), "EVENKEEL_INSTALLER_URL": ""}
        return _pytest(["tests/contract"], env, folder / "contract.xml", world)


def _pytest(where: list[str], env: dict[str, str], results: Path, world: World) -> tuple[list[junit.Row], list[str]]:
    if not results.exists():
        new = results.with_suffix(".new")
        argv = [shutil.which("pytest") or "pytest", *where, "-q", "-p", "no:cacheprovider", f"--junitxml={new}"]
        done = world.run(argv, env=env, log=results.with_suffix(".log"))
        if not new.exists():
            return [junit.Row("run", "test_pytest", "", junit.ERROR, done.stdout[-2000:])], []
        new.replace(results)
    return junit.read(results)


def _scenario(name: str, world: World) -> Result:
    if os.geteuid() != 0:
        raise SkippedError("the lab's nodes take root: run it as root")
    world.tool("podman", "install podman")
    on, env = ("the lab's installer", {}) if world.is_lab and not _named(world) else _newest_installer(world)
    return molecule.tested(name, env, on, world.folder / PART / f"{name}.log", world)


def _newest_installer(world: World) -> tuple[str, dict[str, str]]:
    """Return the newest of the installers, and what has the lab's nodes use it; the lab is built where it is missing.

    Raises
    ------
    SkippedError
        The lab can't be built.
    """
    one = max((case for case in cases(world) if case.url), key=_age)
    lab = world.once("the lab", lambda: world.run(["make", "lab"], log=world.folder / "lab.log"))
    if lab.returncode:
        raise SkippedError(f"the lab can't be built: {lab.stdout[-500:]}")
    return one.name, {"EVENKEEL_INSTALLER_URL": one.url, "EVENKEEL_INSTALLER_SHA256": one.sha256}


def _age(case: Case) -> tuple[Any, ...]:
    found = parse(case.name)
    return found.age if found else ((), 0)


def environments(world: World) -> list[str]:
    """Return the names of the shipped environments, or of those that the lab has packages for."""
    return sorted(path.parent.name for path in _sources(world).glob("*/environment.yml"))


def _sources(world: World) -> Path:
    return ROOT / "lab" / "environments" if world.is_lab else ROOT / "environments"


def _environment(name: str, world: World) -> Result:
    _prefix, digest = world.once(f"environment {name}", lambda: built(name, world))
    return proven("the lab's channel" if world.is_lab else "conda-forge", f"CUDA {_CUDA}, digest {digest[:12]}")


def built(name: str, world: World) -> tuple[Path, str]:
    """Lock a shipped environment on conda-forge and build it; return where it is, and its digest.

    Raises
    ------
    EvenkeelError
        It can't be locked or built.
    """
    site = world.folder / PART / "site"
    lock = site / name / "conda-lock.yml"
    argv: list[str | Path]
    upstream = _upstream(world)
    if not lock.exists():
        shutil.copytree(_sources(world) / name, site / name, dirs_exist_ok=True)
        values = {"conda_environments_directory": str(site), "lock_env": name, "lock_cuda": _CUDA, **upstream}
        argv = ["ansible-playbook", "playbooks/lock.yml", "--extra-vars", json.dumps(values)]
        _must(world, f"{name} can't be locked", argv)
    prefix = world.store / "environments" / name
    argv = ["bin/evenkeel", "env", "sync", "--lock", lock, "--prefix", prefix, "--json"]
    if world.is_lab:
        argv += ["--mirror", upstream["evenkeel_mirror"], "--pip-index", upstream["evenkeel_pip_index"]]
    said = _must(world, f"{name} can't be built", argv)
    found = re.search(r'"digest": "([0-9a-f]+)"', said)
    return prefix, found[1] if found else ""


def _upstream(world: World) -> dict[str, Any]:
    """Return the variables that say what environments are made from.

    Raises
    ------
    TroubleError
        It can't be reached, which says nothing about environments.
    """
    if not world.is_lab:
        world.reach.head(_CONDA_FORGE)
        return {"evenkeel_mirror": "conda-forge"}
    site = world.at(_MAIN).removesuffix("/anaconda/pkgs/main")
    # The lab's packages need the C library of Debian 12.
    return {
        "evenkeel_mirror": f"{site}/anaconda",
        "evenkeel_pip_index": f"{site}/pypi/simple/",
        "lock_targets": ["debian-12"],
    }


def _must(world: World, what: str, argv: Sequence[str | Path]) -> str:
    done = world.run(argv)
    if done.returncode:
        raise EvenkeelError(f"{what}: {done.stdout[-1500:]}", "Read what it says")
    return done.stdout
