#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a conda distribution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_distribution
short_description: Keep a conda distribution from a checksummed installer
version_added: 0.1.0
description:
  - Installs Miniconda, Miniforge or another distribution with the same contract from its shell installer, whose SHA-256
    is checked first, into a directory of its own below O(store).
  - O(prefix) is a symbolic link to that directory, set by one rename after the installation is complete. Another
    version or distribution is built beside the one in use and switched to by the same rename; when it fails, or the
    run is killed, the one in use stays as it was, and the next run removes the rest.
  - Named environments live outside of O(prefix), and so outlast an upgrade, a switch and a removal.
  - Base belongs to the distribution. It is frozen for conda (CEP 22) and externally managed for pip (PEP 668), and what
    has changed in it nevertheless is reported as RV(drift).
  - Whatever stands at O(prefix) and was not made by this module is left alone, and the module fails. Environments that
    people made inside a distribution are never removed, nor is the distribution around them.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  state:
    description:
      - V(present) installs, upgrades or switches.
      - V(absent) removes the link, the installations and the shell hooks, and nothing else.
    type: str
    choices: [present, absent]
    default: present
  url:
    description:
      - Where the installer is, an C(http), C(https) or C(file) URL that ends in the installer's own name.
      - Required when O(state=present), unless O(src) is given.
    type: str
  src:
    description: A path of the installer on the control node, from which it is brought to a node that lacks it.
    type: path
  sha256:
    description: The installer's SHA-256, 64 lower-case hexadecimal digits. Required when O(state=present).
    type: str
  prefix:
    description: The path under which people find the distribution.
    type: path
    default: /opt/miniconda3
  store:
    description: The directory that holds the installations, on a file system with room for several.
    type: path
    default: /opt/evenkeel/distributions
  force:
    description: Whether an older version of the distribution may take the place of a newer one.
    type: bool
    default: false
  heal_base:
    description: Whether a base that is not what was installed is replaced by a fresh one; otherwise that is reported.
    type: bool
    default: false
  keep:
    description: How many installations that are not in use stay, the last one in use first.
    type: int
    default: 1
  shell_hook:
    description:
      - Whether shells know the command C(conda) and C(conda activate), through C(/etc/profile.d), and where they are
        installed C(/etc/zsh/zprofile) (Debian's zsh) and C(/etc/fish/conf.d). Nothing is activated, and no file of a
        user is touched.
    type: bool
    default: true
  channels:
    description:
      - URLs of channels that people will use. One that serves C(terms.json) has terms of service, and the module fails
        before it changes anything until O(accept_tos) says that you agree.
      - A channel that can't be asked counts as one without terms, as it does for conda.
    type: list
    elements: str
    default: []
  accept_tos:
    description:
      - Whether you accept the terms of service of O(channels) for everyone on the node. It is recorded below
        C(/etc/conda/tos), where conda's own plugin looks. Nothing is accepted otherwise.
    type: bool
    default: false
  shared_cache:
    description: The package cache that the members of O(shared_cache_group) write together.
    type: path
    default: /opt/evenkeel/pkgs/shared
  shared_cache_group:
    description:
      - The group for O(shared_cache), which must exist. The cache is group-writable and setgid, and a default access
        control list keeps it so whatever the members' umask is.
      - Without it there is no shared cache. One that is there already is left alone.
    type: str
    default: ''
  offline:
    description: Whether nothing is asked of the network; O(channels) are then not asked for terms.
    type: bool
    default: false
  ca_path:
    description: A file on the node, in PEM, with the certificates to trust in place of the system's.
    type: path
  timeout:
    description: How many seconds the mirror may stay silent.
    type: int
    default: 30
  retries:
    description: How often a download is tried again after silence, a broken transfer or a 5xx answer.
    type: int
    default: 3
  lock_timeout:
    description: How many seconds to wait for another run on the same O(store).
    type: int
    default: 600
  brought:
    description: Set by the action of the same name; where it has put the installer.
    type: path
notes:
  - The action of the same name warns when the distribution's Python has no security support any more.
"""

EXAMPLES = r"""
- name: Install Miniconda
  evenkeel.gpu.conda_distribution:
    url: https://repo.anaconda.com/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh
    sha256: 7358a5961dc6a4941d087281cd70313728fcc68695735e18a337321bc31c7f51

- name: Switch to Miniforge, without a network on the node
  evenkeel.gpu.conda_distribution:
    src: files/Miniforge3-26.3.2-3-Linux-x86_64.sh
    sha256: 848194851a98903134187fbb4ab50efe87b003e0c0f808f97644b7524a62bf2c
    offline: true

- name: Remove it; environments stay
  evenkeel.gpu.conda_distribution:
    state: absent
"""

RETURN = r"""
prefix:
  description: The path under which people find the distribution.
  type: str
  returned: success
  sample: /opt/miniconda3
home:
  description: The directory that O(prefix) points at after the run; empty when there is none.
  type: str
  returned: success
  sample: /opt/evenkeel/distributions/Miniconda3-py313_26.5.3-1-Linux-x86_64-7358a5961dc6
drift:
  description: What is in base otherwise than it was installed, and stays so.
  type: list
  elements: str
  returned: success
  sample: ["+ six 1.17.0 (main)"]
stranded:
  description: Environments that people made inside distributions which are not in use; their paths still work.
  type: list
  elements: str
  returned: success
  sample: []
wanted:
  description: Whether the installer of O(src) is needed on the node, for the action of the same name.
  type: bool
  returned: when O(src) is given and lacking
  sample: true
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import distribution, shared_cache, shell_hook, terms
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build_progress import progress_in
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import copy, download, require_certificates
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

Params = dict[str, Any]


#: Many times what any of them has had so far, in bytes.
LARGEST_INSTALLER = 2 << 30


def main() -> None:
    run(
        converge,
        {
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
            "channels": {"type": "list", "elements": "str", "default": []},
            "accept_tos": {"type": "bool", "default": False},
            "shared_cache": {"type": "path", "default": "/opt/evenkeel/pkgs/shared"},
            "shared_cache_group": {"type": "str", "default": ""},
            "offline": {"type": "bool", "default": False},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
            "retries": {"type": "int", "default": 3},
            "lock_timeout": {"type": "int", "default": 600},
            "brought": {"type": "path"},
        },
        required_if=[("state", "present", ("sha256",)), ("state", "present", ("url", "src"), True)],
        mutually_exclusive=[("url", "src")],
    )


def converge(module: Module) -> dict[str, Any]:
    """Read, plan and, outside of check mode, apply; return the module's result."""
    params = module.params
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
    if params["state"] == "present":
        distribution.check(desired)
    else:
        distribution.check_places(desired)
    if _present(params) and params["ca_path"] and not params["offline"]:
        require_certificates(params["ca_path"])
    plan = _plan(params, desired)
    hook = _plan_hook(params)
    cache = _plan_cache(params)
    accepting = _plan_terms(params)
    if plan.install and params["offline"] and desired.url.startswith("http"):
        raise EvenkeelError(
            "%s is to be installed, and offline is true" % desired.url,
            "Name a file of the node by a file URL, or one of the control node by src",
        )
    others_changed = hook.changed or cache.changed or accepting.changed
    if (plan.changed or others_changed) and not module.check_mode:
        if plan.install and params["src"] and not params["brought"]:
            return {"changed": False, "wanted": True}
        with held(os.path.join(desired.store, ".locks", "store"), params["lock_timeout"]) as lock:
            plan = _plan(params, desired)
            run_installer = partial(module.run_command, pass_fds=[lock])
            terms.apply(accepting, datetime.now(timezone.utc))
            with progress_in(os.path.join(desired.store, ".progress")) as progress:
                distribution.apply(plan, desired, run_installer, partial(_fetch, params), progress.wait)
            shell_hook.apply(_plan_hook(params))  # others write there too, and an installation takes its time
            shared_cache.apply(cache)
    before, after = plan.lines
    return {
        "changed": plan.changed or others_changed,
        "diff": {"before": _text(before), "after": _text((*after, *hook.lines, *cache.lines, *accepting.lines))},
        "prefix": desired.prefix,
        "home": plan.after or "",
        "drift": list(plan.drift),
        "stranded": list(plan.stranded),
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


def _plan_hook(params: Params) -> shell_hook.Plan:
    return shell_hook.plan(shell_hook.read(), params["prefix"], wanted=_present(params) and params["shell_hook"])


def _plan_cache(params: Params) -> shared_cache.Plan:
    if not _present(params) or not params["shared_cache_group"]:
        return shared_cache.Plan()
    desired = shared_cache.Desired(params["shared_cache"], params["shared_cache_group"])
    return shared_cache.plan(shared_cache.read(desired), desired, shared_cache.group_id(desired))


def _plan_terms(params: Params) -> terms.Plan:
    if not _present(params) or params["offline"]:
        return terms.Plan()
    asked = terms.fetch(params["channels"], params["timeout"], params["ca_path"])
    roots = (*terms.SYSTEM, os.path.join(params["prefix"], "conda-meta", "tos"))
    answers = {one.channel: terms.accepted(one.channel, roots) for one in asked}
    return terms.plan(asked, answers, accept=params["accept_tos"])


def _fetch(params: Params, target: str) -> str:
    if params["brought"]:
        return copy(params["brought"], target)
    ca_path = None if params["offline"] else params["ca_path"]
    return download(params["url"], target, params["timeout"], params["retries"], ca_path, LARGEST_INSTALLER)


def _text(lines: Sequence[str]) -> str:
    return "".join("%s\n" % line for line in lines)


if __name__ == "__main__":
    main()
