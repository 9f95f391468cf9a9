# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_distribution: a conda distribution."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    conda_command,
    distribution,
    former_paths,
    shared_cache,
    shell_hook,
    terms,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build_progress import progress_in
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made, processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import (
    Beginning,
    beginning,
    copy,
    download,
    require_certificates,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sudo_path import secure_path

Params = dict[str, Any]


#: Many times what any of them has had so far, in bytes.
LARGEST_INSTALLER = 2 << 30

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "url": {"type": "str"},
    "src": {"type": "path"},
    "sha256": {"type": "str"},
    "prefix": {"type": "path", "default": "/opt/miniconda3"},
    "store": {"type": "path", "default": "/opt/evenkeel/distributions"},
    "force": {"type": "bool", "default": False},
    "heal_base": {"type": "bool", "default": False},
    "keep": {"type": "int", "default": 1},
    "shell_hook": {"type": "bool", "default": True},
    "command_directory": {"type": "path", "default": "/usr/local/bin"},
    "channels": {"type": "list", "elements": "str", "default": []},
    "accept_tos": {"type": "bool", "default": False},
    "shared_cache": {"type": "path", "default": "/opt/evenkeel/pkgs/shared"},
    "shared_cache_group": {"type": "str", "default": ""},
    "offline": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
    "retries": {"type": "int", "default": 3},
    "lock_timeout": {"type": "int", "default": 600},
}
#: Where the action has put the installer.
FROM_ACTION: dict[str, Any] = {"brought": {"type": "path"}}
RULES: dict[str, Any] = {
    "required_if": [("state", "present", ("sha256",)), ("state", "present", ("url", "src"), True)],
    "mutually_exclusive": [("url", "src")],
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan and, outside of check mode, apply; return the module's result."""
    url = params["url"] or "file:///%s" % os.path.basename(params["src"] or "absent.sh")
    desired = distribution.Desired(
        url,
        params["sha256"] or "",
        params["prefix"],
        params["store"],
        params["force"],
        params["heal_base"],
        params["keep"],
    )
    if params["command_directory"]:
        require_normalised("command_directory", params["command_directory"])
    if params["state"] == "present":
        distribution.check(desired)
    else:
        distribution.check_places(desired)
    if _present(params) and params["ca_path"] and not params["offline"]:
        require_certificates(params["ca_path"])
    plan = _plan(params, desired)
    left = [] if _present(params) else distribution.stays(distribution.read(desired), plan, desired)
    former = _plan_former(params, desired, plan)
    hook = _plan_hook(params)
    link = _plan_command(params)
    cache = _plan_cache(params)
    if plan.install and params["offline"] and desired.url.startswith("http"):
        raise EvenkeelError(
            "%s is to be installed, and offline is true" % desired.url,
            "Name a file of the node by a file URL, or one of the control node by src",
        )
    if plan.install and check_mode and not params["src"]:
        distribution.rehearse(desired, partial(_begin, params))
    accepting = _plan_terms(params, plan)
    others_changed = any(other.changed for other in (former, hook, link, cache, accepting))
    if (plan.changed or others_changed) and not check_mode:
        if plan.install and params["src"] and not params["brought"]:
            return {"changed": False, "wanted": True}
        with held(os.path.join(desired.store, ".locks", "store"), params["lock_timeout"]) as lock:
            plan = _plan(params, desired)
            former = _plan_former(params, desired, plan)
            run_installer = partial(_run_installer, lock)
            terms.apply(accepting, datetime.now(timezone.utc))
            former_paths.apply(former)
            with progress_in(os.path.join(desired.store, ".progress")) as progress:
                distribution.apply(
                    plan,
                    desired,
                    run_installer,
                    partial(_fetch, params),
                    progress.wait,
                    partial(former_paths.leave, former),
                )
            if plan.after and accepting.without:
                distribution.note_without_terms(plan.after, accepting.without)
            hook = _plan_hook(params)  # others write there too, and an installation takes its time
            kept_files.apply_all(_record(hook))
            shell_hook.apply(hook)
            conda_command.apply(link)
            shared_cache.apply(cache)
    if not _present(params) and not check_mode:
        distribution.clean_store(desired.store)
    before, after = plan.lines
    after = (*after, *former.lines, *hook.lines, *link.lines, *cache.lines, *accepting.lines)
    return {
        "changed": plan.changed or others_changed,
        "diff": {"before": _text(before), "after": _text(after)},
        "prefix": desired.prefix,
        "home": plan.after or "",
        "drift": list(plan.drift),
        "stranded": list(plan.stranded),
        "left": left,
        "former_paths": {path: list(files) for path, files in former.files.items()},
        "warnings": _warnings(link, params["prefix"]),
    }


def _present(params: Params) -> bool:
    return bool(params["state"] == "present")


def _plan(params: Params, desired: distribution.Desired) -> distribution.Plan:
    decide = distribution.plan if _present(params) else distribution.plan_absence
    state = distribution.read(desired)
    plan = decide(state, desired)
    if plan.prune:
        plan = decide(replace(state, busy=processes.using(plan.prune)), desired)
    return plan


def _plan_former(params: Params, desired: distribution.Desired, plan: distribution.Plan) -> former_paths.Plan:
    """Look at people's start-up files, where an installation goes or links stand for former ones."""
    found = former_paths.links(desired.store, distribution.HOME)
    if not _present(params) or not (found or plan.going):
        return former_paths.plan(found, (), former_paths.Named(), "")
    named = former_paths.named(desired.store, distribution.HOME)
    return former_paths.plan(found, plan.going, named, desired.prefix)


def _plan_command(params: Params) -> conda_command.Plan:
    directory = params["command_directory"]
    path = os.path.join(directory, conda_command.NAME) if directory else ""
    ours = conda_command.recorded()
    found = conda_command.read(filter(None, [path, *ours]))
    target = os.path.join(params["prefix"], "bin", conda_command.NAME)
    return conda_command.plan(found, ours, path, target, wanted=_present(params))


def _warnings(link: conda_command.Plan, prefix: str) -> list[str]:
    if link.link:
        path = secure_path()
        directory = os.path.dirname(link.link)
        return (
            ["sudo does not look into %s (secure_path in /etc/sudoers): write sudo %s/bin/conda." % (directory, prefix)]
            if path is not None and directory not in path
            else []
        )
    if not link.in_the_way:
        return []
    return [
        "%s was not made by Evenkeel and was left as it is, so the command conda there may not be %s/bin/conda. "
        "Move it away, or set command_directory (miniconda_command_directory of the role) to another directory, or to "
        "'' for none." % (link.in_the_way, prefix)
    ]


def _plan_hook(params: Params) -> shell_hook.Plan:
    return shell_hook.plan(shell_hook.read(), params["prefix"], wanted=_present(params) and params["shell_hook"])


def _record(hook: shell_hook.Plan) -> list[kept_files.Change]:
    """Return what changes in the record of files in which others write too."""
    changes = []
    for path, content in hook.files:
        before = kept_files.text(path)
        after = None if content is None else Kept(content)
        changes.append(kept_files.Change(path, None if before is None else Kept(before), after))
    return made.of_files("conda_distribution", changes, shell_hook.BEGIN)


def _plan_cache(params: Params) -> shared_cache.Plan:
    if not _present(params):
        return shared_cache.plan_absence(params["shared_cache"])
    if not params["shared_cache_group"]:
        return shared_cache.Plan()
    desired = shared_cache.Desired(params["shared_cache"], params["shared_cache_group"])
    return shared_cache.plan(shared_cache.read(desired), desired, shared_cache.group_id(desired))


def _plan_terms(params: Params, plan: distribution.Plan) -> terms.Plan:
    """Ask for terms of service where that is not settled; an installation settles nothing that was before it."""
    if not _present(params) or params["offline"]:
        return terms.Plan()
    roots = (*terms.SYSTEM, os.path.join(params["prefix"], "conda-meta", "tos"))
    channels = params["channels"]
    if not plan.install:
        channels = terms.unsettled(channels, plan.without_terms, roots)
    asked = terms.fetch(channels, params["timeout"], params["ca_path"])
    answers = {channel: terms.accepted(channel, roots) for channel in asked}
    return terms.plan(asked, answers, accept=params["accept_tos"])


def _run_installer(lock: int, argv: Sequence[str]) -> tuple[int, str, str]:
    """Run an installer, which holds the lock for as long as it lives, even if this process is killed."""
    done = command.run(argv, pass_fds=[lock])
    return done.status, done.output, done.errors


def _begin(params: Params, url: str) -> Beginning:
    ca_path = None if params["offline"] else params["ca_path"]
    return beginning(url, params["timeout"], params["retries"], ca_path, LARGEST_INSTALLER)


def _fetch(params: Params, target: str) -> str:
    if params["brought"]:
        return copy(params["brought"], target)
    ca_path = None if params["offline"] else params["ca_path"]
    limits = params["timeout"], params["retries"], ca_path, LARGEST_INSTALLER
    return download(params["url"], target, *limits, sha256=params["sha256"])


def _text(lines: Sequence[str]) -> str:
    return "".join("%s\n" % line for line in lines)
