# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes that pull from a real git server, over HTTP and over SSH; a test begins where the one before has ended."""

from __future__ import annotations

from .conftest import Pulling

CONDARC = "/etc/conda/condarc.d/evenkeel.yml"
CURRENT = "readlink /opt/evenkeel/pull/current"


def commits(pulling: Pulling) -> set[str]:
    """Return the commits that the nodes have, as the server's reports say."""
    return {str(report["commit"]) for report in pulling.delivered()}


def test_the_first_commit_is_applied_and_reported(pulling: Pulling) -> None:
    made = pulling.site.git("rev-parse", "HEAD")
    assert [(report["outcome"], report["commit"], report["host"]) for report in pulling.delivered()] == [
        ("applied", made, "debian12-1"),
        ("applied", made, "debian12-2"),
    ]
    assert pulling.fleet.run(f"head -1 {CONDARC}") != ""
    assert pulling.fleet.run("systemctl is-active evenkeel-pull.timer") == "active"


def test_secrets_are_roots_alone(pulling: Pulling) -> None:
    assert pulling.fleet.run("find /etc/evenkeel/pull -type f -perm /077") == ""
    assert pulling.fleet.run("ls /etc/evenkeel/pull").split() == [
        *("allowed_signers", "git_key", "git_token", "known_hosts", "report_key", "report_token", "settings.json"),
        "variables.yml",
    ]
    # Ansible shows what it does with --diff, and the journal is for more people than root.
    assert pulling.fleet.run("journalctl --unit evenkeel-pull | grep -c -e the-token -e from-a-file || true") == "0"


def test_a_commit_of_nobody_allowed_is_refused(pulling: Pulling) -> None:
    before = commits(pulling)
    pulling.site.commit("mallory", files={"node.yml": "- hosts: all\n"})
    assert pulling.pull() == ["refused", "refused"]
    pulling.site.commit("", files={"node.yml": "- hosts: all\n"})
    assert pulling.pull() == ["refused", "refused"]
    assert "no signature of an allowed signer" in pulling.delivered()[1]["reason"]
    assert commits(pulling) == before
    pulling.site.git("reset", "--quiet", "--hard", *before)


def test_a_bad_commit_shows_and_leaves_the_nodes(pulling: Pulling) -> None:
    (before,) = commits(pulling)
    inventory = pulling.fleet.fingerprint()
    pulling.site.commit("ana", files={"node.yml": "- hosts: [gpu_nodes\n"})
    assert pulling.pull() == ["failed", "failed"]
    assert all("node.yml" in str(report["reason"]) for report in pulling.delivered())
    assert commits(pulling) == {before}
    changed = [line for node, lines in pulling.fleet.fingerprint().items() for line in lines ^ inventory[node]]
    own = ("/var/lib/evenkeel/pull", "/var/log/", "/srv/")  # the last is the server's
    assert [line for line in changed if not line.startswith(own)] == []
    pulling.site.git("reset", "--quiet", "--hard", before)


def test_a_new_commit_converges_and_updates_the_agent_itself(pulling: Pulling) -> None:
    version = pulling.fleet.run(CURRENT)
    tree = pulling.site.work / "plugins/module_utils/_pull/tree.py"
    variables = "condarc_settings:\n  remote_read_timeout_secs: 61.5\n"
    made = pulling.site.commit(
        "ana",
        files={
            "plugins/module_utils/_pull/tree.py": f"{tree.read_text()}# Another version.\n",
            "inventories/site/group_vars/gpu_nodes.yml": variables,
        },
    )
    assert pulling.pull() == ["applied", "applied"]
    assert commits(pulling) == {made}
    assert pulling.fleet.run(f"grep remote_read_timeout_secs {CONDARC}") == "remote_read_timeout_secs: 61.5"
    assert pulling.fleet.run(CURRENT) != version
    assert pulling.fleet.run("readlink /opt/evenkeel/pull/previous") == version
    assert pulling.pull() == ["applied", "applied"]
    assert [report["counts"]["changed"] for report in pulling.delivered()] == [0, 0]


def test_an_older_commit_is_refused(pulling: Pulling) -> None:
    (before,) = commits(pulling)
    pulling.site.git("reset", "--quiet", "--hard", "HEAD~1")
    pulling.site.push()
    assert pulling.pull() == ["refused", "refused"]
    assert "does not follow" in pulling.delivered()[0]["reason"]
    pulling.site.git("reset", "--quiet", "--hard", before)
    pulling.site.push()


def test_a_token_that_has_expired_and_a_host_key_that_has_changed_are_named(pulling: Pulling) -> None:
    pulling.on(0, "echo another-token >/srv/tokens")
    pulling.on(1, "cp -a /etc/evenkeel/pull/known_hosts /root; sed -i s/AAAAI/AAAAJ/ /etc/evenkeel/pull/known_hosts")
    assert pulling.pull() == ["unreachable", "unreachable"]
    first, second = pulling.reports()
    assert "see whether the token in pull_agent_git_token has expired" in first["reason"]
    assert "ask the people who run it" in second["reason"]
    pulling.on(0, "echo the-token >/srv/tokens")
    pulling.on(1, "mv /root/known_hosts /etc/evenkeel/pull")
    assert pulling.reports()[0]["commit"] == pulling.site.git("rev-parse", "HEAD")


def test_the_kill_switch_stops_a_node(pulling: Pulling) -> None:
    pulling.fleet.run("touch /etc/evenkeel/pull/stop")
    assert pulling.pull() == ["stopped", "stopped"]
    assert "/etc/evenkeel/pull/stop" in pulling.delivered()[0]["reason"]
    pulling.fleet.run("rm /etc/evenkeel/pull/stop")


def test_a_node_that_pulls_no_more_keeps_nothing_of_it(pulling: Pulling) -> None:
    for check in (True, False):
        pulling.fleet.module("evenkeel.gpu.pull_agent", check=check, enabled=False)
    # git stays where it was installed for this, and that it was is not forgotten.
    made = "/var/lib/evenkeel/made/pull_agent.json"
    left = f'find /etc /opt /usr/local /var/lib/evenkeel -name "*pull*" ! -path {made}'
    assert pulling.fleet.run(left) == ""
    assert pulling.fleet.run("systemctl is-active evenkeel-pull.timer || true") == "inactive"
    assert not pulling.fleet.module("evenkeel.gpu.pull_agent", enabled=False)["changed"]
