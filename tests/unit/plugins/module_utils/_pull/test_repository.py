# SPDX-License-Identifier: GPL-3.0-or-later
"""A real repository, fetched and verified by git: what is applied, and what is refused before it reaches the disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.repository import Refused, Repository, Unreachable
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings

from lab.git_site import GitSite


def copy(places: Places, of: GitSite, **changed: Any) -> Repository:
    """Return a node's copy."""
    return Repository(places, replace(Settings(host="gpu1", remote=of.url, inventory="hosts.yml"), **changed))


def checked_out(places: Places) -> list[str]:
    """Return the names of what is checked out, and of what a run has left beside it."""
    return sorted(path.name for path in Path(places.checkouts).glob("*"))


def test_a_signed_commit_reaches_the_disk_as_it_is(places: Places, remote: GitSite) -> None:
    files = {"site.yml": "[]\n", "roles/a/tasks/main.yml": "a: ä\r\n", ".gitattributes": "* filter=evil\n"}
    (remote.work / "link").symlink_to("roles/a")
    made = remote.commit("ana", files=files)
    node = copy(places, remote)
    node.ensure()
    assert node.fetch() == made
    node.verify()
    path = Path(node.check_out(made))
    assert {name: (path / name).read_bytes().decode() for name in files} == files
    assert (path / "link").readlink() == Path("roles/a")
    assert checked_out(places) == [made]
    assert node.check_out(made) == str(path)


def test_nothing_that_others_configure_is_run(
    tmp_path: Path, places: Places, remote: GitSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = remote.commit("ana", files={".gitattributes": "* filter=evil\n", "site.yml": "[]\n"})
    ran, hook, settings = tmp_path / "ran", tmp_path / "hook", tmp_path / ".gitconfig"
    hook.write_text(f"#!/bin/sh\necho $0 >>{ran}\ncat\n")
    hook.chmod(0o755)
    settings.write_text(f'[filter "evil"]\nsmudge = {hook}\n[core]\nfsmonitor = {hook}\nhooksPath = {tmp_path}/hooks\n')
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, str(settings))
    node = copy(places, remote)
    node.ensure()
    for folder in (Path(places.repository) / "hooks", tmp_path / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("reference-transaction", "post-checkout", "post-index-change"):
            (folder / name).symlink_to(hook)
    assert node.fetch() == made
    node.verify()
    node.check_out(made)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("signer", "word"),
    [("", "signer: it has none"), ("mallory", "No principal matched"), ("renamed", "No principal matched")],
)
def test_a_commit_of_nobody_allowed_is_refused(places: Places, remote: GitSite, signer: str, word: str) -> None:
    remote.commit(signer)
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    with pytest.raises(Refused, match=word):
        node.verify()
    replace(node, settings=replace(node.settings, signed="nothing")).verify()


def test_a_signature_counts_for_its_own_commit_alone(places: Places, remote: GitSite) -> None:
    remote.commit("ana")
    good = remote.git("cat-file", "commit", "HEAD")
    forged = remote.folder / "forged"
    forged.write_text(good.replace("Change", "Change of another") + "\n")
    name = remote.git("hash-object", "-t", "commit", "-w", str(forged))
    remote.git("push", "--quiet", "--force", remote.url, f"{name}:refs/heads/main")
    node = copy(places, remote)
    node.ensure()
    assert node.fetch() == name
    with pytest.raises(Refused, match="no signature of an allowed signer"):
        node.verify()


def test_signers_are_those_of_the_node_and_not_of_the_repository(places: Places, remote: GitSite) -> None:
    remote.commit("mallory", files={"allowed_signers": remote.allowed("mallory"), ".gitconfig": "[gpg]\n"})
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    with pytest.raises(Refused):
        node.verify()
    Path(places.allowed_signers).unlink()
    with pytest.raises(Refused):
        node.verify()


@pytest.mark.parametrize(
    ("signer", "name", "refused"), [("bo", "v1", ""), ("", "v1", "no signature"), ("eve", "v1", "principal")]
)
def test_tags_are_verified_where_they_are_asked_for(
    places: Places, remote: GitSite, signer: str, name: str, refused: str
) -> None:
    made = remote.commit()
    remote.tag(name, signer)
    node = copy(places, remote, branch="", tag=name, signed="tag")
    node.ensure()
    assert node.fetch() == made
    if refused:
        with pytest.raises(Refused, match=refused):
            node.verify()
    else:
        node.verify()


def test_a_tag_under_another_name_is_refused(places: Places, remote: GitSite) -> None:
    remote.commit()
    remote.tag("v1", "ana")
    remote.git("push", "--quiet", remote.url, "refs/tags/v1:refs/tags/v2")
    node = copy(places, remote, branch="", tag="v2", signed="tag")
    node.ensure()
    node.fetch()
    with pytest.raises(Refused, match="signed under another name"):
        node.verify()
    remote.git("push", "--quiet", "--force", remote.url, "HEAD:refs/tags/v2")
    node.fetch()
    with pytest.raises(Refused, match="plain tag"):
        node.verify()


def test_what_follows_and_what_does_not(places: Places, remote: GitSite) -> None:
    first = remote.commit()
    second = remote.commit()
    remote.git("reset", "--quiet", "--hard", first)
    other = remote.commit(files={"b": "1"})
    node = copy(places, remote)
    node.ensure()
    assert node.fetch() == other
    assert node.follows(other, first)
    assert node.follows(other, other)
    assert not node.follows(other, second)
    assert not node.follows(first, other)


@pytest.mark.parametrize(
    ("link", "word"),
    [("/etc/shadow", "the link bad leads out of the repository, to /etc/shadow"), ("../..", "the link bad")],
)
def test_a_link_that_leads_out_is_refused(places: Places, remote: GitSite, link: str, word: str) -> None:
    (remote.work / "bad").symlink_to(link)
    made = remote.commit()
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    with pytest.raises(Refused, match=word):
        node.check_out(made)
    assert not Path(places.checkouts).exists()


def test_a_submodule_is_refused(places: Places, remote: GitSite) -> None:
    first = remote.commit()
    remote.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub")
    remote.git("commit", "--quiet", "--no-gpg-sign", "--message=Submodule")
    remote.push()
    node = copy(places, remote)
    node.ensure()
    made = node.fetch()
    with pytest.raises(Refused, match="sub is a submodule"):
        node.check_out(made)


def test_what_killed_runs_leave_is_removed(places: Places, remote: GitSite) -> None:
    made = remote.commit()
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    for left in ("refs/evenkeel/candidate.lock", "shallow.lock", "objects/pack/tmp_pack_x"):
        (Path(places.repository) / left).touch()
    node.check_out(made)
    for left in (".partial-abc", "older"):
        (Path(places.checkouts) / left).mkdir()
    newer = remote.commit(files={"b": "1"})
    node.ensure()
    assert node.fetch() == newer
    node.prune([made, newer])
    assert checked_out(places) == [made]
    node.check_out(newer)
    assert checked_out(places) == sorted([made, newer])


def test_a_checkout_that_was_cut_short_is_made_anew(places: Places, remote: GitSite) -> None:
    made = remote.commit()
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    cut = Path(places.checkouts) / f"{repository.PARTIAL}{made}"
    cut.mkdir(parents=True)
    (cut / "site.yml").write_text("half")
    node.prune([made])
    assert (Path(node.check_out(made)) / "site.yml").read_text() == "[]\n"


@pytest.mark.parametrize("damage", ["HEAD", "objects", "all", "file"])
def test_a_damaged_copy_is_fetched_anew(places: Places, remote: GitSite, damage: str) -> None:
    made = remote.commit("ana")
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    top = Path(places.repository)
    if damage == "HEAD":
        (top / "HEAD").write_text("")
    elif damage == "objects":
        for path in (top / "objects").rglob("*"):
            if path.is_file():
                path.chmod(0o600)
                path.write_bytes(b"")
    else:
        shutil.rmtree(top)
        if damage == "file":
            top.write_text("")
    for _run in range(2):
        try:
            node.ensure()
            fetched = node.fetch()
            node.verify()
            break
        except (Unreachable, EvenkeelError):
            continue
    assert fetched == made


def test_a_remote_that_is_gone_is_named(places: Places, remote: GitSite) -> None:
    remote.commit()
    node = copy(places, remote, remote="/nowhere/site.git")
    node.ensure()
    with pytest.raises(Unreachable, match=r"/nowhere/site\.git can't be fetched"):
        node.fetch()
    with pytest.raises(Unreachable, match="couldn't find remote ref refs/heads/other"):
        copy(places, remote, branch="other").fetch()


def test_a_disk_without_room_is_named_before_anything_is_written(
    places: Places, remote: GitSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = remote.commit(files={"large": "x" * 1000})
    node = copy(places, remote)
    node.ensure()
    node.fetch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(EvenkeelError, match="needs 2000 bytes"):
        node.check_out(made)
    assert checked_out(places) == []


def test_a_fetch_has_an_end(places: Places) -> None:
    done = repository.bounded(["sh", "-c", "sleep 1000 & wait"], {"PATH": os.environ["PATH"]}, 0.2)
    assert (done.status, done.errors) == (124, "it did not end within 0 seconds")


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "another host key"),
        (
            "No ED25519 host key is known for a and you have requested strict checking.\nHost key verification failed.",
            "another",
        ),
        ("git@a: Permission denied (publickey).", "pull_agent_git_key"),
        ("fatal: Authentication failed for 'https://a/'", "expired"),
        ("fatal: unable to access 'https://a/': The requested URL returned error: 403", "expired"),
        ("server certificate verification failed. certificate is not yet valid", "clock"),
        ("SSL certificate problem: certificate has expired", "clock"),
        ("SSL certificate problem: unable to get local issuer certificate", "pull_agent_ca_bundle"),
        ("fatal: write error: No space left on device", "/var/lib/evenkeel"),
        ("fatal: couldn't find remote ref refs/heads/x", "pull_agent_branch"),
        ("Could not resolve host: a", "stays as it is"),
    ],
)
def test_what_git_says_has_a_way_out(said: str, word: str) -> None:
    assert word in repository.way_out(said)


def test_ssh_asks_nobody_and_believes_known_keys_alone(places: Places) -> None:
    command = repository.ssh_command(places, "git_key")
    assert "StrictHostKeyChecking=yes" in command
    assert f"UserKnownHostsFile={places.known_hosts}" in command
    assert "IdentitiesOnly" not in command
    Path(places.path("git_key")).touch()
    assert f"IdentitiesOnly=yes -i {places.path('git_key')}" in repository.ssh_command(places, "git_key")


def test_a_token_is_in_no_argument(places: Places, remote: GitSite, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def bounded(argv: list[str], environment: dict[str, str], timeout: float) -> repository.Done:
        asked.append((argv, environment))
        return repository.Done(0, "a" * 40, "")

    monkeypatch.setattr(repository, "bounded", bounded)
    token = Path(places.path("git_token"))
    token.write_text("a-long-token\n")
    token.chmod(0o600)
    copy(places, remote, remote="https://git.example/site.git").fetch()
    argv, environment = asked[0]
    assert "a-long-token" not in " ".join(argv)
    number = next(key[-2:].strip("_") for key, value in environment.items() if value.endswith("site.git.extraHeader"))
    assert environment[f"GIT_CONFIG_VALUE_{number}"] == "Authorization: Basic dG9rZW46YS1sb25nLXRva2Vu"
    copy(places, remote, remote="git@git.example:site.git").fetch()
    assert not any("Authorization" in value for value in asked[2][1].values())
