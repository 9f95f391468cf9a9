# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: check or issue certificates on the control node; the module of the same name installs them."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tls_certificate import ARGUMENT_SPEC
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tls_files import CERTIFICATE, KEY
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import (
    moved_authority,
    tls_authority,
    tls_chain,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.tls_chain import Chain
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import ignored

LONGEST_RENEWAL = 365


class ActionModule(Action):
    """Read the control node's files, ask the node what it has, and hand over what differs."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, arguments = self.validate_argument_spec(
            ARGUMENT_SPEC,
            required_together=[("certificate", "key")],
            required_if=[("state", "present", ("certificate", "ca_directory"), True)],
            mutually_exclusive=[("certificate", "ca_directory")],
        )
        if arguments["state"] == "absent":
            options = {name: arguments[name] for name in ("directory", "state")}
            return (yield Call("tls_certificate", options))
        check(arguments)
        arguments["hosts"] = [tls_chain.host(one) for one in arguments["hosts"]]
        issue = self._keep if boolean(task_vars.get("evenkeel_pulls", False)) else self._issue
        way = self._bring if arguments["certificate"] else issue
        arguments["moved"] = self._moved(arguments, task_vars) if way == self._issue else []
        return (yield from way(arguments, datetime.now(UTC).replace(microsecond=0)))

    def _bring(self, arguments: dict[str, Any], now: datetime) -> Steps:
        """Install a certificate of the operator's."""
        where = Path(arguments["certificate"])
        chain = tls_chain.parse(self._load(where), str(where))
        key = self._load(Path(arguments["key"]))
        tls_chain.require_usable(chain, tls_chain.parse_key(key, arguments["key"]), arguments["hosts"], now, str(where))
        install = {"certificate": chain.pem, "key": key.decode()}
        answer = yield call({**arguments, "hosts": list(chain.hosts)}, install=install)
        if "found" not in answer:
            return answer
        result = self._result(arguments, answer, chain)
        if tls_chain.ends_within(chain.leaf, arguments["renew_days"], now):
            result["warnings"] = [f"The certificate {where} ends on {chain.not_after:%F}; have it renewed"]
        return result

    def _issue(self, arguments: dict[str, Any], now: datetime) -> Steps:
        """Install a certificate of the authority's, unless the node has a good one."""
        place = given_paths.absolute(arguments["ca_directory"], self._loader)
        days = arguments["renew_days"]
        authority = tls_authority.read(place, self._load, days, now, *arguments["moved"][:1])
        answer = yield call(arguments)
        if "found" not in answer:
            return answer
        chain = standing(answer["found"])
        reasons = tls_authority.reasons(chain, answer["match"], authority, arguments["hosts"], days, now)
        details = {"ca": str(place / tls_authority.CERTIFICATE), "reasons": reasons}
        if not reasons:
            return {**self._result(arguments, answer, chain), **details}
        if self._task.check_mode:
            tls_authority.require_writable(place)
            made = dict.fromkeys((KEY, CERTIFICATE), "replaced" if answer["found"] else "made")
            return {**self._result(arguments, {**answer, "changed": True, "files": made}, None), **details}
        answer, issued = yield from self._renew(arguments, place, now)
        return {**self._result(arguments, answer, issued), **details} if "found" in answer else answer

    def _moved(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> list[Path]:
        """Move the authority out of the inventory; return from where to where, also in check mode."""
        place = given_paths.absolute(arguments["ca_directory"], self._loader)
        earlier = moved_authority.earlier_than(place, task_vars)
        if earlier is None:
            return []
        if self._task.check_mode:
            there = any((earlier / name).exists() for name in tls_authority.MODES)
            if there:
                moved_authority.require_movable(place, earlier)
        else:
            there = moved_authority.move(place, earlier, tls_authority.MODES)
            if there:
                warn(f"The certificate authority has been moved from {earlier} to {place}")
        return [earlier, place] if there else []

    def _keep(self, arguments: dict[str, Any], now: datetime) -> Steps:
        """Keep what a node that pulls has: the authority's key is on no node, so the control node issues it."""
        answer = yield call(arguments)
        if "found" not in answer:
            return answer
        chain = standing(answer["found"])
        reasons = tls_authority.reasons(chain, answer["match"], None, arguments["hosts"], 0, now)
        wrong = [reason for reason in reasons if reason != tls_authority.OTHER]
        remedy = "Run the playbook for this node from the control node that has the authority"
        if chain is None or wrong:
            raise EvenkeelError(f"A node that pulls issues no certificate for itself: {', '.join(wrong)}", remedy)
        result = self._result(arguments, answer, chain)
        if tls_chain.ends_within(chain.leaf, arguments["renew_days"], now):
            result["warnings"] = [f"The certificate in {arguments['directory']} ends on {chain.not_after:%F}. {remedy}"]
        return result

    def _renew(
        self, arguments: dict[str, Any], place: Path, now: datetime
    ) -> Generator[Call, dict[str, Any], tuple[dict[str, Any], Chain | None]]:
        """Have the node make a key, and bring it a certificate for it; return the node's last answer too."""
        authority = tls_authority.ensure(place, self._load, arguments["renew_days"], now)
        if not ignored.by_git(place / tls_authority.KEY):
            warn(
                f"{place / tls_authority.KEY} is in a repository of git, which does not ignore it. Keep it out of all "
                "commits: who has it can impersonate any site to those who trust the authority"
            )
        asked = yield call(arguments, request=True)
        if "request" not in asked:
            return asked, None
        chain = authority.issue(asked["request"], arguments["hosts"], now)
        return (yield call(arguments, install={"certificate": chain.pem})), chain

    def _result(self, arguments: dict[str, Any], answer: dict[str, Any], chain: Chain | None) -> dict[str, Any]:
        """Return the task's result: the certificate as it is now, or would be."""
        directory = Path(arguments["directory"])
        result: dict[str, Any] = {
            "changed": answer["changed"] or bool(arguments["moved"]),
            "certificate": str(directory / CERTIFICATE),
            "key": str(directory / KEY),
            "not_after": chain.not_after.isoformat() if chain else "",
            "hosts": list(chain.hosts) if chain else arguments["hosts"],
        }
        if self._task.diff:
            before = standing(answer["found"])
            moved = [f"authority in {place}" for place in arguments["moved"]]
            after = chain.words if chain else (f"for {', '.join(arguments['hosts'])}", "issued in the run itself")
            result["diff"] = {
                "before_header": str(directory),
                "after_header": str(directory),
                "before": _lines([*(before.words if before else ()), *moved[:1]]),
                "after": _lines([*after, *(f"{name}: {what}" for name, what in answer["files"].items()), *moved[1:]]),
            }
        return result

    def _load(self, path: Path) -> bytes:
        """Return the content of a file of the control node, decrypted where it is Ansible Vault's."""
        try:
            return Path(self._loader.get_real_file(str(given_paths.absolute(str(path), self._loader)))).read_bytes()
        except (AnsibleError, OSError) as error:
            raise EvenkeelError(
                f"{path} can't be read on the control node: {error}",
                "Give a file that Ansible's user may read",
            ) from error


def call(arguments: dict[str, Any], **handed: Any) -> Call:
    """Return the call of the module."""
    return Call("tls_certificate", {name: arguments[name] for name in ("directory", "hosts")}, handed)


def check(arguments: dict[str, Any]) -> None:
    """Refuse options that don't fit.

    Raises
    ------
    EvenkeelError
        There is no host for a certificate that is to be issued, or the days are out of range.
    """
    if arguments["ca_directory"] and not arguments["hosts"]:
        raise EvenkeelError("hosts is empty", "Name the hosts that the certificate is for")
    if not 1 <= arguments["renew_days"] <= LONGEST_RENEWAL:
        raise EvenkeelError(
            f"renew_days is {arguments['renew_days']}", f"Set it to a number from 1 to {LONGEST_RENEWAL}"
        )


def standing(text: str) -> Chain | None:
    """Return the certificate that a node has; None when there is none or it can't be read."""
    try:
        return tls_chain.parse(text.encode(), "the node's file") if text else None
    except EvenkeelError:
        return None


def _lines(words: Any) -> str:
    return "".join(f"{word}\n" for word in words)
