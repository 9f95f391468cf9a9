# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Ask dnf about packages by its own interface; run by the system's own Python as a program of its own.

That Python may be 3.6, and no other has dnf. The only argument is a JSON object, ``{"question": ..., "settings": {NAME:
VALUE}}`` with settings of dnf and with what the question needs. The answer is one JSON object on standard output:
``{"answer": ...}``, ``{"missing": TEXT}`` where this Python has no dnf, or ``{"error": TEXT}``. Beside metadata of
repositories, no question writes anything that stays.
"""

import json
import os
import sys
import tempfile
from typing import Any, Dict, List


def start(settings: Dict[str, str]) -> Any:
    """Return dnf's base, set up as its command does it; a program can have only one.

    Our own holds must not be in our own way, and nothing is written to the node's own cache, so the plugins for that
    are left out; others may be what brings a repository.
    """
    import dnf

    base = dnf.Base()
    base.conf.substitutions.update_from_etc(base.conf.installroot)
    base.conf.read()
    base.conf.install_weak_deps = False
    for name, value in settings.items():
        setattr(base.conf, name, value)
    base.init_plugins(["versionlock", "generate_completion_cache"])
    base.pre_configure_plugins()
    base.read_all_repos()
    base.configure_plugins()
    return base


def load(base: Any, repositories: bool) -> None:
    """Load the installed packages, and those of the repositories if asked; what was marked before is forgotten."""
    base.fill_sack(load_system_repo="auto", load_available_repos=repositories)


def full_version(package: Any) -> str:
    """Return a package's epoch, version and release."""
    return "%d:%s-%s" % (int(package.epoch), package.version, package.release)


def versions(request: Dict[str, Any]) -> List[str]:
    """Return the versions that the repositories have of a package, or of a package with its version, newest first."""
    base = start(request["settings"])
    load(base, repositories=True)
    available = base.sack.query().available()
    found = {*available.filter(name=request["name"]), *available.filter(nevra=request["name"])}
    return [full_version(one) for one in sorted(found, reverse=True)]


def duplicates(request: Dict[str, Any]) -> List[str]:
    """Return the installed packages that are there twice although only one may be."""
    # Without repositories there is no metadata to keep.
    base = start({**request["settings"], "cachedir": request["settings"]["logdir"]})
    load(base, repositories=False)
    installed = base.sack.query().installed()
    side_by_side = installed.filter(provides=base.conf.installonlypkgs)
    return sorted({one.name for one in installed.difference(side_by_side).duplicated()})


def simulate(request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return what installing the specs ``install`` and then removing the names ``remove`` would change.

    Each change is ``{"name": ..., "version": ..., "goes": whether the package is removed}``.
    """
    base = start(request["settings"])
    changes = []
    if request["install"]:
        load(base, repositories=True)
        for spec in request["install"]:
            base.install(spec)
        changes += resolved(base)
    if request["remove"]:
        # Without repositories, as `dnf remove` does it: what depends on a package goes too, and nothing replaces it.
        load(base, repositories=False)
        base.conf.clean_requirements_on_remove = False
        for name in request["remove"]:
            base.remove(name)
        changes += resolved(base)
    return changes


def resolved(base: Any) -> List[Dict[str, Any]]:
    """Return the changes of the transaction that dnf finds."""
    from dnf.transaction import FORWARD_ACTIONS, PKG_OBSOLETED, PKG_REMOVE

    base.resolve(allow_erasing=True)
    return [
        {"name": one.pkg.name, "version": full_version(one.pkg), "goes": one.action not in FORWARD_ACTIONS}
        for one in base.transaction
        if one.action in (*FORWARD_ACTIONS, PKG_OBSOLETED, PKG_REMOVE)
    ]


QUESTIONS = {"versions": versions, "duplicates": duplicates, "simulate": simulate}


def answer(request: Dict[str, Any]) -> Dict[str, Any]:
    """Return the answer to a request, or why there is none."""
    try:
        import dnf
        import dnf.exceptions
        import dnf.transaction
    except ImportError as error:
        return {"missing": str(error)}
    try:
        with tempfile.TemporaryDirectory(prefix="evenkeel-dnf-") as folder:
            settings = dict({"logdir": folder, "persistdir": folder}, **request["settings"])
            return {"answer": QUESTIONS[request["question"]](dict(request, settings=settings))}
    except (dnf.exceptions.Error, OSError, ValueError) as error:
        return {"error": str(error)}


def main() -> None:
    """Keep standard output for the answer: plugins may print."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    json.dump(answer(json.loads(sys.argv[1])), output)
    output.close()


if __name__ == "__main__":
    main()
