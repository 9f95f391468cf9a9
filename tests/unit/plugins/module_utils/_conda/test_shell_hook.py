# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import shell_hook
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.shell_hook import (
    BEGIN,
    END,
    FISH,
    PROFILE,
    ZSH_PROFILE,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

PREFIX = "/opt/miniconda3"
BLOCK = f"{BEGIN}\n. {PROFILE}\n{END}\n"
PROFILE_TEXT = """\
# Managed by Evenkeel: conda for login shells, without activating anything.
if [ -r /opt/miniconda3/etc/profile.d/conda.sh ]; then
    . /opt/miniconda3/etc/profile.d/conda.sh
fi
"""
FISH_TEXT = """\
# Managed by Evenkeel: conda for login shells, without activating anything.
if begin; status is-login; or status is-interactive; end; and test -r '/opt/miniconda3/etc/fish/conf.d/conda.fish'
    source '/opt/miniconda3/etc/fish/conf.d/conda.fish'
end
"""

State = dict[str, str | None]


# plan


@pytest.mark.parametrize(
    ("state", "files"),
    [
        ({PROFILE: None}, {PROFILE: PROFILE_TEXT}),
        ({PROFILE: "old"}, {PROFILE: PROFILE_TEXT}),
        ({PROFILE: PROFILE_TEXT}, {}),
        ({PROFILE: PROFILE_TEXT, ZSH_PROFILE: None}, {ZSH_PROFILE: BLOCK}),
        ({PROFILE: PROFILE_TEXT, ZSH_PROFILE: ""}, {ZSH_PROFILE: BLOCK}),
        ({PROFILE: PROFILE_TEXT, ZSH_PROFILE: "umask 027\n"}, {ZSH_PROFILE: f"umask 027\n{BLOCK}"}),
        ({PROFILE: PROFILE_TEXT, ZSH_PROFILE: f"umask 027\n{BLOCK}"}, {}),
        ({PROFILE: PROFILE_TEXT, FISH: None}, {FISH: FISH_TEXT}),
        ({PROFILE: PROFILE_TEXT, FISH: FISH_TEXT}, {}),
        (
            {PROFILE: None, ZSH_PROFILE: None, FISH: None},
            {PROFILE: PROFILE_TEXT, ZSH_PROFILE: BLOCK, FISH: FISH_TEXT},
        ),
    ],
)
def test_plan_to_have_it(state: State, files: State) -> None:
    plan = shell_hook.plan(state, PREFIX, wanted=True)
    assert dict(plan.files) == files
    assert plan.changed is bool(files)
    assert plan.lines == tuple(f"~ {path}" for path in files)


@pytest.mark.parametrize(
    ("state", "files"),
    [
        ({PROFILE: None}, {}),
        ({PROFILE: None, ZSH_PROFILE: None, FISH: None}, {}),
        ({PROFILE: PROFILE_TEXT}, {PROFILE: None}),
        ({PROFILE: None, FISH: FISH_TEXT}, {FISH: None}),
        ({PROFILE: None, ZSH_PROFILE: BLOCK}, {ZSH_PROFILE: None}),
        ({PROFILE: None, ZSH_PROFILE: f"umask 027\n{BLOCK}"}, {ZSH_PROFILE: "umask 027\n"}),
        ({PROFILE: None, ZSH_PROFILE: "umask 027\n"}, {}),
        ({PROFILE: None, ZSH_PROFILE: ""}, {}),
    ],
)
def test_plan_to_have_it_no_more(state: State, files: State) -> None:
    plan = shell_hook.plan(state, PREFIX, wanted=False)
    assert dict(plan.files) == files
    assert plan.lines == tuple(f"{'-' if content is None else '~'} {path}" for path, content in files.items())


def test_a_prefix_is_quoted() -> None:
    plan = shell_hook.plan({PROFILE: None, FISH: None}, "/opt/it's\\$HOME", wanted=True)
    files = dict(plan.files)
    assert """. '/opt/it'"'"'s\\$HOME/etc/profile.d/conda.sh'\n""" in (files[PROFILE] or "")
    assert r"source '/opt/it\'s\\$HOME/etc/fish/conf.d/conda.fish'" in (files[FISH] or "")


# with_block

OURS = f"{BEGIN}\nours\n{END}\n"
OLD = f"{BEGIN}\nold\nolder\n{END}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", OURS),
        ("a\n", f"a\n{OURS}"),
        ("a", f"a\n{OURS}"),
        (OURS, OURS),
        (f"a\n{OLD}b\n", f"a\n{OURS}b\n"),
        (f"a\n{OLD}b", f"a\n{OURS}b"),
        (f"a\n{OLD}"[:-1], f"a\n{OURS}"),
        (f"{BEGIN} \n{END}\t\na\n", f"{OURS}a\n"),
        (f"a\n{OLD}b\n{OLD}c\n", f"a\n{OURS}b\nc\n"),
        (f"a\n{BEGIN}\nb\n", f"a\n{BEGIN}\nb\n{OURS}"),
        (f"a\n{BEGIN}\nb\n{OLD}c\n", f"a\n{BEGIN}\nb\n{OURS}c\n"),
        (f"a\n{END}\nb\n", f"a\n{END}\nb\n{OURS}"),
        (f"echo {BEGIN}\nb\n{END}\n", f"echo {BEGIN}\nb\n{END}\n{OURS}"),
        ("a\x0cb\u2028c\r\n", f"a\x0cb\u2028c\r\n{OURS}"),
    ],
    ids=[
        "empty",
        "new",
        "no newline at the end",
        "as desired",
        "in place",
        "in place, no newline at the end",
        "last, no newline at the end",
        "white space",
        "twice",
        "end lost",
        "end lost, and whole",
        "beginning lost",
        "not a line of its own",
        "other line separators",
    ],
)
def test_with_block(text: str, expected: str) -> None:
    assert shell_hook.with_block(text, "ours\n") == expected
    assert shell_hook.with_block(expected, "ours\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("a", "a"),
        (OURS, ""),
        (f"a\n{OLD}b\n", "a\nb\n"),
        (f"a\n{OLD}{OURS}", "a\n"),
        (f"a\n{BEGIN}\nb\n", f"a\n{BEGIN}\nb\n"),
    ],
)
def test_without_block(text: str, expected: str) -> None:
    assert shell_hook.with_block(text, "") == expected


# read and apply


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's /etc, with the places of all three files."""
    for name in ("PROFILE", "ZSH_PROFILE", "FISH"):
        monkeypatch.setattr(shell_hook, name, f"{tmp_path}{getattr(shell_hook, name)}")
    monkeypatch.setattr(shell_hook, "ZSH", f"{tmp_path}/etc/zsh")
    monkeypatch.setattr(shell_hook, "FISH_SHELL", f"{tmp_path}/etc/fish")
    return tmp_path / "etc"


def converge(*, wanted: bool) -> tuple[str, ...]:
    plan = shell_hook.plan(shell_hook.read(), PREFIX, wanted=wanted)
    shell_hook.apply(plan)
    return plan.lines


def files(etc: Path) -> list[str]:
    return sorted(str(path.relative_to(etc)) for path in etc.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("shells", "expected"),
    [
        ([], ["profile.d/evenkeel-conda.sh"]),
        (["zsh"], ["profile.d/evenkeel-conda.sh", "zsh/zprofile"]),
        (["fish"], ["fish/conf.d/evenkeel-conda.fish", "profile.d/evenkeel-conda.sh"]),
    ],
)
def test_only_what_a_shell_of_the_node_reads_comes_and_all_of_it_goes(
    etc: Path, shells: list[str], expected: list[str]
) -> None:
    for shell in shells:
        (etc / shell).mkdir(parents=True)
    assert len(converge(wanted=True)) == len(expected)
    assert files(etc) == expected
    assert all((etc / file).stat().st_mode & 0o777 == 0o644 for file in expected)
    assert converge(wanted=True) == ()
    assert len(converge(wanted=False)) == len(expected)
    assert files(etc) == []
    assert converge(wanted=False) == ()


def test_what_is_not_utf_8_in_a_file_of_others_stays(etc: Path) -> None:
    profile = etc / "zsh" / "zprofile"
    profile.parent.mkdir(parents=True)
    profile.write_bytes(b"# f\xfcr alle\n")
    converge(wanted=True)
    assert profile.read_bytes().startswith(b"# f\xfcr alle\n# BEGIN")
    converge(wanted=False)
    assert profile.read_bytes() == b"# f\xfcr alle\n"


def test_a_profile_that_is_kept_elsewhere_stays_there(etc: Path) -> None:
    link, kept = Path(shell_hook.ZSH_PROFILE), etc / "kept" / "zprofile"
    for path in (link, kept):
        path.parent.mkdir(parents=True)
    kept.write_text("umask 027\n")
    link.symlink_to("../kept/zprofile")
    converge(wanted=True)
    assert link.is_symlink()
    assert "BEGIN" in kept.read_text()
    converge(wanted=False)
    assert link.is_symlink()
    assert kept.read_text() == "umask 027\n"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_directory_in_a_file_s_place_is_named(etc: Path, wanted: bool) -> None:
    Path(shell_hook.PROFILE).mkdir(parents=True)
    with pytest.raises(EvenkeelError, match=f"by {shell_hook.PROFILE} \\(Is a directory\\)"):
        converge(wanted=wanted)


def test_a_file_in_a_directory_s_place_is_named(etc: Path) -> None:
    etc.mkdir()
    (etc / "profile.d").touch()
    with pytest.raises(EvenkeelError, match=f"by {shell_hook.PROFILE} \\("):
        shell_hook.apply(shell_hook.Plan(((shell_hook.PROFILE, "text"),)))


def test_what_is_gone_meanwhile_is_no_failure(etc: Path) -> None:
    shell_hook.apply(shell_hook.Plan(((shell_hook.PROFILE, None),)))
    assert files(etc) == []
