# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import condarc
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import HEADER

Result = dict[str, Any]

OURS = "/etc/conda/condarc.d/evenkeel.yml"
ANNS = "/home/ann/.condarc"
CASES = Path(__file__).parents[1] / "plugin_utils" / "data" / "condarc"
A_PROBLEM_OF, ALONE = "A problem of the user", "which does not affect others"
PRIVATE = "https://mirror.example/t/tk-hush/main"


def file(path: str, text: str | None, scope: str = "system", user: str = "") -> Result:
    return {
        "path": path,
        "scope": scope,
        "user": user,
        "exists": text is not None,
        "text": text or "",
        "problem": "",
        "mode": 0o644 if text is not None else 0,
        "link": "",
    }


class Control:
    """A control node whose module answers as a node with these files would."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.others: list[Result] = []
        self.missing: list[str] = []
        self.conda = "26.7.1"
        self.calls: list[Result] = []
        self.check_mode = self.diff = self.precedes_run = False

    def execute_module(self, _: ActionBase, **call: Any) -> Result:
        self.calls.append(call)
        handed = call["module_args"][HANDED]
        if "write" in handed:
            write = handed["write"]
            self.text = write.get("text")
            return {"changed": True, **({"backup_file": f"{OURS}.1~"} if write["backup"] else {})}
        target = file(OURS, self.text)
        users = sorted({one["user"] for one in self.others} - {""})
        found = {"target": target, "files": [target, *self.others], "users": users, "problems": {}}
        return {"changed": False, "found": {**found, "conda": self.conda, "missing": self.missing}}

    def run(self, **arguments: Any) -> Result:
        self.calls.clear()
        plugin = condarc.ActionModule(
            task=SimpleNamespace(
                args=arguments, async_val=0, check_mode=self.check_mode, diff=self.diff, action="evenkeel.gpu.condarc"
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp/1")),  # noqa: S108
            play_context=None,
            loader=None,
            templar=None,
            shared_loader_obj=None,
        )
        plugin.precedes_run = self.precedes_run
        result: Result = plugin.run(task_vars={"inventory_hostname": "node"})
        return result

    @property
    def written(self) -> list[Result]:
        return [handed["write"] for call in self.calls if "write" in (handed := call["module_args"][HANDED])]


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control()
    monkeypatch.setattr(ActionBase, "_execute_module", lambda plugin, **call: control.execute_module(plugin, **call))
    return control


def test_a_change_is_two_executions_and_no_change_is_one(control: Control) -> None:
    result = control.run(state="exact", settings={"offline": True})
    assert (result["changed"], result["path"], result["conda_version"]) == (True, OURS, "26.7.1")
    assert control.written == [{"before": "", "mode": 0o644, "backup": False, "text": f"{HEADER}\noffline: true\n"}]
    assert not control.run(state="exact", settings={"offline": True})["changed"]
    assert len(control.calls) == 1


def test_what_is_written_is_bound_to_what_was_read(control: Control) -> None:
    control.text = "quiet: true\n"
    control.run(settings={"offline": True})
    assert control.written[0]["before"] == hashlib.sha256(b"quiet: true\n").hexdigest()
    assert control.text == "quiet: true\noffline: true\n"


def test_check_mode_tells_and_does_not_write(control: Control) -> None:
    control.check_mode = control.diff = True
    result = control.run(settings={"channels": [PRIVATE]})
    assert result["changed"]
    assert "********" in result["diff"]["after"]
    assert len(control.calls) == 1


def test_secrets_reach_the_node_only_to_be_written(control: Control) -> None:
    control.diff = True
    result = control.run(settings={"channels": [PRIVATE]})
    assert "hush" not in str(result)
    assert [("hush" in str(call["module_args"])) for call in control.calls] == [False, True]
    assert control.written[0]["mode"] == 0o600
    assert "conda stops for everybody else" in result["warnings"][0]


def test_a_file_is_removed(control: Control) -> None:
    control.text = f"{HEADER}\n"
    assert control.run(state="absent")["changed"]
    assert "text" not in control.written[0]
    assert not control.run(state="absent")["changed"]


@pytest.mark.parametrize(("given", "written"), [("", "auto_activate_base"), ("26.1.0", "auto_activate")])
def test_the_nodes_conda_or_the_one_that_is_named_decides_on_names(control: Control, given: str, written: str) -> None:
    control.conda = "24.1.0"
    result = control.run(settings={"auto_activate": False}, final=["auto_activate"], conda_version=given)
    assert control.text == f"{written}: false  #!final\n"
    assert result["conda_version"] == (given or "24.1.0")


def test_a_foreign_file_is_kept_and_told(control: Control) -> None:
    control.text = "quiet: true\n"
    result = control.run(state="exact", settings={"offline": True})
    assert result["backup_file"] == f"{OURS}.1~"
    assert result["warnings"] == [f"{OURS} was not written by Evenkeel; it is kept as {OURS}.1~"]
    control.text, control.check_mode = "quiet: true\n", True
    assert "would be kept beside it" in control.run(state="exact", settings={"offline": True})["warnings"][0]


def test_files_that_win_and_files_that_are_broken_are_told(control: Control) -> None:
    control.others = [file(ANNS, "offline: false\n", "user", "ann"), file("/home/ben/.condarc", "a: [", "user", "ben")]
    result = control.run(settings={"offline": True})
    assert result["defeated"] == [{"user": "ann", "path": ANNS, "keys": ["offline"]}]
    assert result["warnings"][0] == f"{ANNS} wins over {OURS} for ann: offline"
    assert result["user_problems"].keys() == {"ben"}
    assert result["user_problems"]["ben"][0].startswith("conda cannot use /home/ben/.condarc, line 1: ")
    assert result["warnings"][1] == f"{A_PROBLEM_OF} ben, {ALONE}: {result['user_problems']['ben'][0]}."


@pytest.mark.parametrize("name", ["bomb", "cycle", "deep"])
def test_hostile_files_are_problems_of_their_user_alone(control: Control, name: str) -> None:
    control.text = "offline: true\n"
    control.others = [file(ANNS, (CASES / f"{name}.condarc").read_text(), "user", "ann")]
    result = control.run(settings={"offline": True})
    assert not result.get("failed")
    (reported,) = result["user_problems"]["ann"]
    assert reported.startswith(f"conda cannot use {ANNS}, line ")
    assert result["warnings"] == [f"{A_PROBLEM_OF} ann, {ALONE}: {reported}."]


def test_names_of_files_reach_no_terminal_as_they_are(control: Control) -> None:
    name = "/home/ann/.conda/condarc.d/z\x1b]0;pwned\a\x1b[2K\r\x1b[32mok: [n1]\x1b[0m.yml"
    control.others = [file(name, "channels: [\n", "user", "ann"), file(ANNS, "offline: false\n", "user", "ann")]
    result = control.run(settings={"offline": True})
    shown = repr([result[key] for key in ("warnings", "user_problems")])
    assert "\\x1b]0;pwned" in shown.replace("\\\\", "\\")
    assert all(character.isprintable() for one in result["warnings"] for character in one)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"settings": {"chanels": ["a"]}}, "settings holds chanels"),
        ({"settings": {"offline": "maybe"}}, "conda wants true or false"),
        ({"settings": {"channels": []}}, "channels is empty"),
        ({"settings": {"auto_activate": True, "auto_activate_base": True}}, "are one setting"),
        ({"settings": {}, "final": ["offline"]}, "final names offline, which settings does not have"),
        ({"settings": {"offline": True}, "remove": ["offline"]}, "remove names offline, which settings has too"),
        ({"state": "exact", "remove": ["offline"]}, "remove is given with the state exact"),
        ({"state": "absent", "settings": {"offline": True}}, "settings are given, and state is absent"),
        ({"path": "/etc/conda/evenkeel.conf"}, "conda reads only files named"),
        ({"conda_version": "newest"}, "which is not a version"),
    ],
)
def test_bad_arguments_change_nothing(control: Control, arguments: Result, words: str) -> None:
    result = control.run(**arguments)
    assert result["failed"]
    assert words in result["msg"]
    assert not control.written


def test_a_file_that_settings_name_has_to_be_there(control: Control) -> None:
    control.missing = ["/etc/ssl/site.pem"]
    result = control.run(settings={"ssl_verify": "/etc/ssl/site.pem"})
    assert control.calls[0]["module_args"][HANDED]["needed_files"] == ["/etc/ssl/site.pem"]
    assert result["msg"].startswith("ssl_verify names /etc/ssl/site.pem, which the node does not have.")
    assert not control.written
    control.check_mode = True
    assert control.run(settings={"ssl_verify": "/etc/ssl/site.pem"})["warnings"] == [result["msg"]]


def test_what_fails_on_the_node_is_passed_on(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"failed": True, "msg": "The node has no user ann"}
    monkeypatch.setattr(ActionBase, "_execute_module", lambda *_, **__: failure)
    assert control.run(scope="user", user="ann") == failure


def test_a_survey_refuses_what_the_run_that_follows_would_refuse(control: Control) -> None:
    control.missing = ["/etc/ssl/site.pem"]
    control.check_mode = control.precedes_run = True
    result = control.run(settings={"ssl_verify": "/etc/ssl/site.pem"})
    assert (result["failed"], "ssl_verify names /etc/ssl/site.pem" in result["msg"]) == (True, True)
