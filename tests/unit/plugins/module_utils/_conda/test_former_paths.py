# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import former_paths
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.distribution import HOME
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.former_paths import Named, Plan

STORE, PREFIX = "/opt/evenkeel/distributions", "/opt/miniconda3"
OLD = f"{STORE}/Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000"
OLDER = f"{STORE}/Miniforge3-26.3.2-3-Linux-x86_64-111111111111-2"
BASHRC = "/home/alice/.bashrc"
#: What conda 26.7.1 writes, shortened.
BLOCK = """\
# >>> conda initialize >>>
__conda_setup="$('{0}/bin/conda' 'shell.bash' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then eval "$__conda_setup"
elif [ -f "{0}/etc/profile.d/conda.sh" ]; then . "{0}/etc/profile.d/conda.sh"
else export PATH="{0}/bin:$PATH"; fi
# <<< conda initialize <<<
"""


@pytest.mark.parametrize(
    ("found", "going", "named", "target", "plan"),
    [
        ({}, (), Named(), PREFIX, Plan(target=PREFIX)),
        ({}, (OLD,), Named(), PREFIX, Plan(target=PREFIX)),
        ({}, (OLD,), Named({OLD: (BASHRC,)}), PREFIX, Plan((OLD,), PREFIX, files={OLD: (BASHRC,)})),
        ({}, (OLD,), Named(complete=False), PREFIX, Plan((OLD,), PREFIX, files={OLD: ()})),
        ({OLD: PREFIX}, (), Named({OLD: (BASHRC,)}), PREFIX, Plan(target=PREFIX, files={OLD: (BASHRC,)})),
        ({OLD: "/opt/conda"}, (), Named({OLD: (BASHRC,)}), PREFIX, Plan((OLD,), PREFIX, files={OLD: (BASHRC,)})),
        ({OLD: PREFIX}, (), Named(), PREFIX, Plan((), PREFIX, (OLD,))),
        ({OLD: PREFIX}, (), Named(complete=False), PREFIX, Plan(target=PREFIX, files={OLD: ()})),
        (
            {OLDER: PREFIX},
            (OLD,),
            Named({OLD: (BASHRC,)}),
            PREFIX,
            Plan((OLD,), PREFIX, (OLDER,), files={OLD: (BASHRC,)}),
        ),
        ({}, (), Named({OLD: (BASHRC,)}), PREFIX, Plan(target=PREFIX)),
        ({OLD: PREFIX}, (), Named({OLD: (BASHRC,)}), "", Plan(unlink=(OLD,))),
    ],
    ids=[
        *("nothing", "goes unnamed", "goes and is named", "a home can't be read", "stays named", "prefix moved"),
        *("named no more", "perhaps named", "one for another", "named and there is no such", "conda goes"),
    ],
)
def test_plan(found: dict[str, str], going: tuple[str, ...], named: Named, target: str, plan: Plan) -> None:
    assert former_paths.plan(found, going, named, target) == plan


def test_lines_name_the_file() -> None:
    plan = Plan((OLD,), PREFIX, (OLDER,), {OLD: (BASHRC, "/home/bob/.zshrc")})
    assert plan.lines == (f"~ {OLD} -> {PREFIX}, named by {BASHRC} and 1 more", f"- {OLDER}")


class Node:
    """A node with a store, and with the home of anyone who runs the test."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.store, self.etc = directory / "home", directory / "store", directory / "etc"
        for path in (self.home, self.store, self.etc):
            path.mkdir()
        user = pwd.struct_passwd(("alice", "x", os.geteuid(), os.getegid(), "", str(self.home), "/bin/bash"))
        monkeypatch.setattr(former_paths, "local_users", lambda: ["alice"])
        monkeypatch.setattr(former_paths, "account", lambda name: user)
        monkeypatch.setattr(former_paths, "OF_ALL", (str(self.etc / "bash.bashrc"),))
        monkeypatch.setattr(former_paths, "FOLDERS_OF_ALL", (str(self.etc / "profile.d"),))
        monkeypatch.setattr(former_paths, "SERVICES", str(self.etc / "nsswitch.conf"))
        self.old = self.store / Path(OLD).name

    def named(self) -> Named:
        return former_paths.named(str(self.store), HOME)

    def converge(self, *going: Path) -> Plan:
        found = former_paths.links(str(self.store), HOME)
        plan = former_paths.plan(found, map(str, going), self.named(), PREFIX)
        former_paths.apply(plan)
        return plan


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", [".bashrc", ".zshrc", ".profile", ".config/fish/config.fish", ".tcshrc"])
def test_what_conda_init_wrote_is_found(node: Node, name: str) -> None:
    file = node.home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BLOCK.format(node.old))
    assert node.named() == Named({str(node.old): (str(file),)})


@pytest.mark.parametrize("name", ["bash.bashrc", "profile.d/conda.sh"])
def test_files_of_all_users_count_too(node: Node, name: str) -> None:
    file = node.etc / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(BLOCK.format(node.old))
    assert node.named() == Named({str(node.old): (str(file),)})


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.format(PREFIX),
        BLOCK.format("/elsewhere/Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000"),
        "{store}/.locks",
        "{store}/Miniconda3-py311_26.5.3-1-Linux-x86_64-000000000000.old",
        "\xff\xfe",
    ],
    ids=["the stable path", "another store", "no installation", "a longer name", "no text"],
)
def test_what_names_no_installation_is_none(node: Node, text: str) -> None:
    (node.home / ".bashrc").write_bytes(text.format(store=node.store).encode("latin-1"))
    assert node.named() == Named()


@pytest.mark.parametrize("kind", ["pipe", "directory", "too large", "link to a device"])
def test_what_is_no_file_of_text_is_not_read_and_may_name_anything(node: Node, kind: str) -> None:
    file = node.home / ".bashrc"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "too large":
        file.touch()
        os.truncate(file, 1 << 40)
    else:
        file.symlink_to("/dev/zero")
    assert node.named() == Named(complete=False)


@pytest.mark.parametrize(
    ("line", "complete"),
    [
        ("passwd: files", True),
        ("passwd:         files systemd", True),
        ("passwd: files sss # who else", False),
        ("passwd: files [NOTFOUND=return] ldap", False),
        ("passwd: files # sss", True),
        ("group: files sss", True),
    ],
)
def test_users_of_a_directory_service_may_name_anything(node: Node, line: str, complete: bool) -> None:
    (node.etc / "nsswitch.conf").write_text(f"# a comment\n\n{line}\n")
    assert node.named().complete is complete


def test_a_path_is_a_link_for_as_long_as_somebody_names_it(node: Node) -> None:
    file = node.home / ".bashrc"
    file.write_text(BLOCK.format(node.old))
    node.old.mkdir()
    plan = node.converge(node.old)
    assert plan.link == (str(node.old),)
    assert not node.old.is_symlink(), "the installation is still there"
    node.old.rmdir()
    former_paths.leave(plan, str(node.old))
    former_paths.leave(plan, OLDER)
    assert str(node.old.readlink()) == PREFIX
    assert not node.converge().changed
    file.write_text("")
    assert node.converge().unlink == (str(node.old),)
    assert list(node.store.iterdir()) == []


def test_only_links_at_the_places_of_installations_are_ours(node: Node) -> None:
    (node.store / "mine").symlink_to("/srv")
    node.old.mkdir()
    assert former_paths.links(str(node.store), HOME) == {}
    assert former_paths.links(str(node.store / "gone"), HOME) == {}
    assert not node.converge().changed
