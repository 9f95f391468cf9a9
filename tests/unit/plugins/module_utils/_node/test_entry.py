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
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import entry
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MODULES = sorted((Path(__file__).parents[5] / "plugins" / "modules").glob("*.py"))
LATIN_1 = os.fsdecode(b"caf\xe9.txt")
ESCAPE = "\x1b[2K\r\x9b32mok: [n1]"
SHOWN = r"\x1b[2K\x0d\u009b32mok: [n1]"
SPEC = {"name": {"type": "str", "default": "x"}, "secret": {"type": "str", "no_log": True}}

Result = dict[str, Any]
Run = Callable[..., Result]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    # As on a node, where no test has loaded what the control node has.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {}, raising=False)
    before = os.umask(0o077)

    def run(logic: Callable[[Module], Result], verbatim: tuple[str, ...] = (), **arguments: Any) -> Result:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            entry.run(logic, SPEC, verbatim=verbatim)
        result: Result = json.loads(capfdbinary.readouterr().out.decode())
        return result

    yield run
    os.umask(before)


def everything(result: Result) -> str:
    return json.dumps(result, ensure_ascii=False)


def test_a_result_is_text_that_can_be_shown_whatever_the_names_are(run: Run) -> None:
    result = run(
        lambda _: {
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
    result = run(lambda _: {"diff": {"prepared": "+ a"}})
    assert not result["changed"]
    assert "diff" not in result


def fail_as(error: Exception) -> Callable[[Module], Result]:
    def logic(_: Module) -> Result:
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
        (lambda _: {"failed": True, "msg": ESCAPE, "gpus": []}, SHOWN),
    ],
    ids=["domain", "system", "own", "verdict"],
)
def test_failures_have_the_same_way_out(run: Run, logic: Callable[[Module], Result], words: str) -> None:
    result = run(logic)
    assert result["failed"]
    assert words in result["msg"]
    assert "\x1b" not in everything(result)


def test_details_of_an_error_come_with_it(run: Run) -> None:
    assert run(fail_as(EvenkeelError("It is odd", "Remove it", rc=3)))["rc"] == 3


@pytest.mark.parametrize("secret", ["hunter\x1b[2K2", "hunter\u202e2", "hunter2"])
def test_a_secret_is_masked_however_it_is_shown(run: Run, secret: str) -> None:
    def logic(module: Module) -> Result:
        assert module.params["secret"] == secret
        module.warn(f"of {secret}")
        raise EvenkeelError(f"https://me:{secret}@host is odd", "Remove it", said=secret)

    result = run(logic, secret=secret)
    assert "is odd. Remove it." in result["msg"]
    assert "hunter" not in everything(result)


@pytest.mark.parametrize("secret", ["short", "long-enough"])
def test_credentials_of_urls_are_in_no_message(run: Run, secret: str) -> None:
    url = f"https://me:{secret}@host/simple"

    def logic(module: Module) -> Result:
        module.warn(f"of {url}")
        raise EvenkeelError(f"{url} is odd", "Remove it")

    assert secret not in everything({**run(logic, name=url), "invocation": None})
    assert "of https://********@host/simple" in everything(run(logic, name=url))


def test_files_of_modules_are_for_everybody_to_read(run: Run, tmp_path: Path) -> None:
    def logic(_: Module) -> Result:
        (tmp_path / "file").touch()
        return {}

    run(logic)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_every_module_goes_through_it(path: Path) -> None:
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & {"AnsibleModule", "exit_json", "fail_json", "print"}
    main = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert all(ast.unparse(function.body[-1]).startswith("run(") for function in main)
    assert main or not any(isinstance(node, ast.FunctionDef) for node in tree.body)  # an action alone
