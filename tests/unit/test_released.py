# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and defaults of the last release are today's, or data/renamed.yml says what they are now."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs
from packaging.version import Version

from maintenance import released

RELEASE = released.last()
TODAY = released.names(released.ROOT)
KINDS = ("roles", "playbooks", "modules")
OWNERS = [(kind, owner) for kind in KINDS for owner in getattr(RELEASE, kind)]
TOMBSTONES = yaml.safe_load((released.ROOT / "meta" / "runtime.yml").read_text()).get("plugin_routing", {})


def changes_since_release() -> str:
    """Return what the changelog's fragments and its newer releases have."""
    changelogs = released.ROOT / "changelogs"
    releases = yaml.safe_load((changelogs / "changelog.yaml").read_text())["releases"]
    newer = [str(one) for version, one in releases.items() if Version(version) > Version(RELEASE.version)]
    return "\n".join([*newer, *(path.read_text() for path in (changelogs / "fragments").glob("*.y*ml"))])


CHANGELOG = changes_since_release()


def of_release(kind: str, owner: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(RELEASE, kind)[owner]
    return found


@pytest.mark.parametrize(("kind", "owner"), OWNERS)
def test_each_released_name_is_there_or_its_new_name_is_known(kind: str, owner: str) -> None:
    if owner not in TODAY[kind]:
        assert "tombstone" in TOMBSTONES[kind][owner]
        return
    new_names = {**inputs.changes()[kind].get(owner, {})}
    internal = inputs.changes()["internal_options"].get(owner, []) if kind == "modules" else []
    gone = of_release(kind, owner).keys() - TODAY[kind][owner].keys()
    assert gone == new_names.keys() | set(internal)
    of_roles = {name for names in TODAY["roles"].values() for name in names} if kind == "playbooks" else set()
    assert set(new_names.values()) <= TODAY[kind][owner].keys() | of_roles


def test_a_renamed_option_is_a_deprecated_alias() -> None:
    for module, new_names in inputs.changes()["modules"].items():
        source = (released.ROOT / "plugins" / "modules" / f"{module}.py").read_text()
        for old in new_names:
            assert f'"name": "{old}"' in source.partition("deprecated_aliases")[2], f"{module}: {old}"


@pytest.mark.parametrize(("kind", "owner"), OWNERS)
def test_each_changed_default_is_reported(kind: str, owner: str) -> None:
    before, now = of_release(kind, owner), TODAY[kind].get(owner, {})
    changed = {name: (before[name], now[name]) for name in before.keys() & now.keys() if before[name] != now[name]}
    if kind == "roles":
        kinds = ("changed_defaults", "moved_defaults")
        reported = {name: one for kind in kinds for name, one in inputs.changes()[kind].get(owner, {}).items()}
        assert {name: (change["before"], change["now"]) for name, change in reported.items()} == changed
    else:
        computed = inputs.changes()["computed_defaults"].get(owner, {})
        assert {name: (default, None) for name, default in computed.items()} == changed
    assert [name for name in changed if name not in CHANGELOG] == []


def test_a_shallow_clone_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(released, "ROOT", tmp_path)
    with pytest.raises(released.ReleaseError, match=f"{RELEASE.commit} of the release .* is not in this clone"):
        released.install(RELEASE, tmp_path / "collections")


def test_two_builds_of_a_commit_are_the_same_and_can_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    described = {"namespace": "acme", "name": "tools", "version": "1.0.0", "readme": "README.md", "authors": ["Ana"]}
    (root / "galaxy.yml").write_text(yaml.safe_dump(described))
    for name in ("README.md", "docs/use.md"):
        (root / name).write_text(name)
    git = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@site.example"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=Begin"]):
        subprocess.run([*git, *arguments], cwd=root, check=True)
    monkeypatch.setattr(released, "ROOT", root)
    archives = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        archives.append(released.built("HEAD", tmp_path / place))
    one, other = (path.read_bytes() for path in archives)
    assert one == other
    install = ["ansible-galaxy", "collection", "install", str(archives[0]), "--offline", "--collections-path"]
    subprocess.run([*install, str(tmp_path / "collections")], check=True, capture_output=True)
    installed = tmp_path / "collections" / "ansible_collections" / "acme" / "tools"
    assert (installed / "docs" / "use.md").read_text() == "docs/use.md"
