# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way into and out of every module, as Ansible runs it."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import entry, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, carrying
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN

PLUGINS = Path(__file__).parents[5] / "plugins"
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
ROOMS = sorted((PLUGINS / "module_utils").glob("_*"))
UTILS = "ansible_collections.evenkeel.gpu.plugins.module_utils"
LATIN_1 = os.fsdecode(b"caf\xe9.txt")
ESCAPE = "\x1b[2K\r\x9b32mok: [n1]"
SHOWN = r"\x1b[2K\x0d\u009b32mok: [n1]"
SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "default": "x"},
    "secret": {"type": "str", "no_log": True},
    "limits": {"type": "dict", "default": {}, "options": {"memory": {"type": "str"}}},
}

Result = dict[str, Any]
Run = Callable[..., Result]
Logic = Callable[[Result, bool], Result]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    # As on a node, where no test has loaded what the control node has.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {}, raising=False)
    before = os.umask(0o077)

    def run(
        logic: Logic,
        verbatim: tuple[str, ...] = (),
        secrets: Callable[[Result], set[str]] = lambda params: set(),
        from_action: Result | None = None,
        renews_lease: bool = True,
        **arguments: Any,
    ) -> Result:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            entry.run(
                logic, SPEC, from_action=from_action, verbatim=verbatim, secrets=secrets, renews_lease=renews_lease
            )
        result: Result = json.loads(capfdbinary.readouterr().out.decode())
        return result

    yield run
    os.umask(before)


def everything(result: Result) -> str:
    return json.dumps(result, ensure_ascii=False)


def test_a_result_is_text_that_can_be_shown_whatever_the_names_are(run: Run) -> None:
    result = run(
        lambda *_: {
            "changed": True,
            "files": {LATIN_1: [ESCAPE]},
            "diff": [{"before": "", "after": ESCAPE}],
            "warnings": [f"{LATIN_1}:\n{ESCAPE}"],
            "found": [{"text": ESCAPE, "path": LATIN_1}],
        },
        ("found",),
        name=ESCAPE,
        _ansible_diff=True,
    )
    assert result["changed"]
    assert result["files"] == {r"caf\xe9.txt": [SHOWN]}
    assert result["diff"] == [{"before": "", "after": SHOWN}]
    assert rf"caf\xe9.txt: {SHOWN}" in everything(result["warnings"]).replace("\\\\", "\\")
    assert result["found"] == [{"text": ESCAPE, "path": r"caf\xe9.txt"}]
    assert result["invocation"]["module_args"]["name"] == SHOWN


def test_nothing_changed_where_nothing_is_said_and_a_diff_is_only_for_those_who_ask(run: Run) -> None:
    result = run(lambda *_: {"diff": {"prepared": "+ a"}})
    assert not result["changed"]
    assert "diff" not in result


def fail_as(error: Exception) -> Logic:
    def logic(*_: Any) -> Result:
        raise error

    return logic


@pytest.mark.parametrize(
    ("logic", "words"),
    [
        (fail_as(EvenkeelError(f"{ESCAPE} is odd", "Remove it", rc=3)), f"{SHOWN} is odd. Remove it."),
        (
            fail_as(OSError(28, "No space left on device", "/opt/" + LATIN_1)),
            r"/opt/caf\xe9.txt: No space left on device",
        ),
        (fail_as(ValueError(ESCAPE)), f"An error in Evenkeel itself: ValueError: {SHOWN}"),
        (lambda *_: {"failed": True, "msg": ESCAPE, "gpus": []}, SHOWN),
    ],
    ids=["domain", "system", "own", "verdict"],
)
def test_failures_have_the_same_way_out(run: Run, logic: Logic, words: str) -> None:
    result = run(logic)
    assert result["failed"]
    assert words in result["msg"]
    assert "\x1b" not in everything(result)


def test_warnings_precede_a_result_and_an_error_in_the_one_way_that_ansible_has(run: Run) -> None:
    def fail(*_: Any) -> Result:
        with carrying(["first"]):
            raise EvenkeelError("It is odd", "Remove it")

    for result in (run(lambda *_: {"warnings": ["first"]}), run(fail)):
        assert "first" in everything(result["warnings"])
        assert "deprecations" not in result


def test_details_of_an_error_come_with_it(run: Run) -> None:
    assert run(fail_as(EvenkeelError("It is odd", "Remove it", rc=3)))["rc"] == 3


@pytest.mark.parametrize("secret", ["hunter\x1b[2K2", "hunter\u202e2", "hunter2"])
def test_a_secret_is_masked_however_it_is_shown(run: Run, secret: str) -> None:
    def logic(params: Result, _: bool) -> Result:
        assert params["secret"] == secret
        with carrying([f"of {secret}"]):
            raise EvenkeelError(f"https://me:{secret}@host is odd", "Remove it", said=secret)

    result = run(logic, secret=secret)
    assert "is odd. Remove it." in result["msg"]
    assert "hunter" not in everything(result)


@pytest.mark.parametrize("secret", ["short", "long-enough"])
def test_credentials_of_urls_are_in_no_message(run: Run, secret: str) -> None:
    url = f"https://me:{secret}@host/simple"

    def logic(*_: Any) -> Result:
        with carrying([f"of {url}"]):
            raise EvenkeelError(f"{url} is odd", "Remove it")

    assert secret not in everything({**run(logic, name=url), "invocation": None})
    assert "of https://********@host/simple" in everything(run(logic, name=url))


def test_files_of_modules_are_for_everybody_to_read(run: Run, tmp_path: Path) -> None:
    def logic(*_: Any) -> Result:
        (tmp_path / "file").touch()
        return {}

    run(logic)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_what_a_module_calls_a_secret_is_shown_nowhere(run: Run) -> None:
    result = run(
        lambda params, _: {"said": [params["name"]], "warnings": [f"of {params['name']}"]},
        secrets=lambda params: {params["name"]},
        name="s3cret",
    )
    assert "s3cret" not in everything(result)
    assert "of ****" in everything(result["warnings"])


OF_ACTION = {"found": {"type": "list", "elements": "int"}, "brought": {"type": "path"}}


def test_what_an_action_hands_over_is_no_option(run: Run) -> None:
    handed = {entry.HANDED: {"found": ["1"]}}
    result = run(lambda params, _: {"seen": params}, from_action=OF_ACTION, name="n", **handed)
    options = {"name": "n", "secret": None, "limits": {"memory": None}}
    assert result["seen"] == {**options, "found": [1], "brought": None}
    assert result["invocation"]["module_args"] == options
    assert run(lambda params, _: {"seen": params}, from_action=OF_ACTION)["seen"]["brought"] is None


@pytest.mark.parametrize("from_action", [OF_ACTION, None])
@pytest.mark.parametrize("arguments", [{"found": [1]}, {entry.HANDED: {"else": 1}}, {entry.HANDED: {"found": "x"}}])
def test_what_no_action_hands_over_is_refused(run: Run, from_action: Result | None, arguments: Result) -> None:
    assert run(lambda *_: {}, from_action=from_action, **arguments)["failed"]


def test_a_run_leaves_the_specification_as_it_was(run: Run) -> None:
    assert run(lambda params, _: {"limits": params["limits"]})["limits"] == {"memory": None}
    assert SPEC["limits"]["default"] == {}


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_logic_is_a_function_of_options_and_check_mode(run: Run, check_mode: bool) -> None:
    result = run(lambda params, mode: {"seen": [params["name"], mode]}, name="n", _ansible_check_mode=check_mode)
    assert result["seen"] == ["n", check_mode]


@pytest.mark.parametrize(
    ("variable", "options", "user", "runs"),
    [
        ("", {}, 0, True),
        ("a run", {}, 0, False),
        ("a run", {"_ansible_check_mode": True}, 0, True),
        ("a run", {"renews_lease": False}, 0, True),
        ("a run", {}, 1000, True),
    ],
    ids=["none", "lost", "check mode", "the lease's own", "not root"],
)
def test_a_module_of_a_run_that_has_lost_the_node_does_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, options: Result, user: int, runs: bool
) -> None:
    def lost(text: str) -> None:
        raise EvenkeelError(f"{text} has lost the node", "Run again")

    monkeypatch.setattr(run_lease, "renew", lost)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv(RUN, variable)
    result = run(lambda params, _: {"done": True}, **options)
    assert result.get("done", result.get("msg")) == (True if runs else "a run has lost the node. Run again.")


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_a_module_is_documentation_and_the_call_of_its_logic(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not functions:  # an action alone
        assert [ast.unparse(node) for node in imports] == ["from __future__ import annotations"]
        return
    _, *logic_and_entry = sorted(map(ast.unparse, imports))
    room = next(one for one in ROOMS if (one / f"{path.stem}.py").exists())
    assert logic_and_entry == sorted(
        [f"from {UTILS}.{room.name} import {path.stem}", f"from {UTILS}._node.entry import run"]
    )
    (main,) = functions
    assert ast.unparse(main.body[-1]).startswith(f"run({path.stem}.")
    assert len(main.body) == 1


def test_nothing_but_the_entry_knows_an_ansible_module() -> None:
    names = {"AnsibleModule", "exit_json", "fail_json", "no_log_values", "run_command"}
    knowing = {
        path.relative_to(PLUGINS).as_posix()
        for path in PLUGINS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")) in names
    }
    assert knowing == {"module_utils/_node/entry.py"}
