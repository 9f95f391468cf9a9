# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that pull from a real git server, over HTTP and over SSH; a test begins where the one before has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.nodes import playbooks

from .conftest import FILES, GROUP, TIMER, Pulling

CONDARC = "/etc/conda/condarc.d/evenkeel.yml"
CURRENT = "readlink /opt/evenkeel/pull/current"
TREE = "plugins/module_utils/_pull/tree.py"
STATE = "/var/lib/evenkeel/pull/state.json"


def in_the_fleet(pulling: Pulling, folder: Path) -> tuple[playbooks.Run, dict[str, Any]]:
    """Merge what has been delivered, and return the run with the hosts of the fleet's report."""
    (folder / "delivered").mkdir()
    for report in pulling.delivered():
        (folder / "delivered" / f"{report['host']}.json").write_text(json.dumps(report))
    run = playbooks.play(
        "playbooks/drift_merge.yml",
        GROUP,
        drift_pulled=str(folder / "delivered"),
        drift_directory=str(folder / "drift"),
    )
    hosts: dict[str, Any] = json.loads((folder / "drift" / "report.json").read_text())["hosts"]
    return run, hosts


def test_the_first_commit_is_applied_and_reported(pulling: Pulling) -> None:
    made = pulling.site.git("rev-parse", "HEAD")
    assert [(report["outcome"], report["commit"], report["host"]) for report in pulling.delivered()] == [
        ("applied", made, node.name) for node in pulling.found
    ]
    assert pulling.fleet.run(f"head -1 {CONDARC}") != ""
    assert pulling.fleet.run(f"systemctl is-active {TIMER}") == "active"


def test_git_is_there_where_it_was_missing(pulling: Pulling) -> None:
    for node in pulling.found[1:]:
        if not node.release.startswith("rocky"):
            assert '"git"' in pulling.on(node, "cat /var/lib/evenkeel/made/pull_agent.json")


def test_nodes_do_not_ask_all_at_once(pulling: Pulling) -> None:
    after = f"systemctl show --property=NextElapseUSecMonotonic --value {TIMER}"
    assert len({pulling.on(node, after) for node in pulling.found}) == len(pulling.found)


def test_secrets_are_roots_alone(pulling: Pulling) -> None:
    assert pulling.fleet.run("find /etc/evenkeel/pull -type f -perm /077") == ""
    assert pulling.fleet.run("ls /etc/evenkeel/pull").split() == [
        *("allowed_signers", "git_key", "git_token", "known_hosts", "report_key", "report_token", "settings.json"),
        "variables.yml",
    ]
    # Ansible shows what it does with --diff, and the journal is for more people than root.
    assert pulling.fleet.run("journalctl --unit evenkeel-pull | grep -c -e the-token -e from-a-file || true") == "0"


def test_a_commit_of_nobody_allowed_is_refused(pulling: Pulling, tmp_path: Path) -> None:
    before = pulling.commits()
    pulling.site.commit("mallory", files={"node.yml": "- hosts: all\n"})
    assert pulling.pull() == {"refused"}
    pulling.site.commit("", files={"node.yml": "- hosts: all\n"})
    assert pulling.pull() == {"refused"}
    assert "no signature of an allowed signer" in pulling.delivered()[1]["reason"]
    assert pulling.commits() == before
    run, hosts = in_the_fleet(pulling, tmp_path)
    assert run.status == 2
    assert {(host["state"], host["message"].startswith("Pulls: refused: The commit")) for host in hosts.values()} == {
        ("drifted", True)
    }
    pulling.site.git("reset", "--quiet", "--hard", *before)


def test_a_bad_commit_shows_and_leaves_the_nodes(pulling: Pulling) -> None:
    (before,) = pulling.commits()
    inventory = pulling.fleet.fingerprint()
    pulling.site.commit("ana", files={"node.yml": "- hosts: [gpu_nodes\n"})
    assert pulling.pull() == {"failed"}
    assert all("node.yml" in str(report["reason"]) for report in pulling.delivered())
    assert pulling.commits() == {before}
    changed = [line for node, lines in pulling.fleet.fingerprint().items() for line in lines ^ inventory[node]]
    own = ("/var/lib/evenkeel/pull", "/var/log/", "/srv/")  # the last is the server's
    assert [line for line in changed if not line.startswith(own)] == []
    pulling.site.git("reset", "--quiet", "--hard", before)


def test_a_server_that_lets_no_node_in_shows_for_a_day(pulling: Pulling, tmp_path: Path) -> None:
    pulling.on_server("echo another-token >/srv/tokens")
    for node in pulling.over_ssh:
        pulling.on(node, "cd /etc/evenkeel/pull && cp -a known_hosts /root && sed -i s/AAAAI/AAAAJ/ known_hosts")
    assert pulling.pull() == {"unreachable"}
    reasons = {report["host"]: str(report["reason"]) for report in pulling.reports()}
    for found, words in (
        (pulling.over_http, "see whether the token in pull_agent_git_token has expired"),
        (pulling.over_ssh, "ask the people who run it"),
    ):
        assert all(words in reasons[node.name] for node in found)
    # A day later.
    pulling.fleet.run(f"""sed -i 's/"since": ".*"/"since": "2026-01-01T00:00:00Z"/' {STATE}""")
    for node in pulling.over_ssh:
        pulling.on(node, "mv /root/known_hosts /etc/evenkeel/pull")
    pulling.on_server("echo the-token >/srv/tokens; mv /srv/git/site.git /srv/git/away")
    assert pulling.pull() == {"unreachable"}
    assert {report["since"] for report in pulling.delivered()} == {"2026-01-01T00:00:00Z"}
    run, hosts = in_the_fleet(pulling, tmp_path)
    assert run.status == 2
    assert {(host["state"], host["since"]) for host in hosts.values()} == {("unknown", "2026-01-01T00:00:00+00:00")}
    pulling.on_server("mv /srv/git/away /srv/git/site.git")
    assert pulling.commits() == {pulling.site.git("rev-parse", "HEAD")}


def test_a_new_commit_converges_by_itself_and_updates_the_agent(pulling: Pulling) -> None:
    version = pulling.fleet.run(CURRENT)
    broken = (pulling.site.work / TREE).read_text().replace("    entries = []", "    entries = unheard_of", 1)
    variables = "condarc_settings:\n  remote_read_timeout_secs: 61.5\n"
    made = pulling.site.commit("ana", files={TREE: broken, "inventories/site/group_vars/gpu_nodes.yml": variables})
    assert pulling.pull_by_timer() == {"applied"}
    assert pulling.commits() == {made}
    assert pulling.fleet.run(f"grep remote_read_timeout_secs {CONDARC}") == "remote_read_timeout_secs: 61.5"
    assert pulling.fleet.run(CURRENT) != version
    assert pulling.fleet.run("readlink /opt/evenkeel/pull/previous") == version


def test_an_agent_that_can_not_run_gives_way_to_the_one_before(pulling: Pulling) -> None:
    version, new = pulling.fleet.run("readlink /opt/evenkeel/pull/previous"), pulling.fleet.run(CURRENT)
    assert pulling.pull() == {"applied"}
    assert [report["counts"]["changed"] for report in pulling.delivered()] == [0] * len(pulling.found)
    assert pulling.fleet.run(CURRENT) == version
    assert pulling.fleet.run(f"ls /opt/evenkeel/pull/{new}/broken") != ""
    said = pulling.fleet.run("journalctl --unit evenkeel-pull | grep -c 'of the pull agent could not run' || true")
    assert said != "0"


def test_what_a_node_says_of_drift_is_in_the_report_of_the_fleet(pulling: Pulling, tmp_path: Path) -> None:
    site = (FILES / "node.yml").read_text()
    pulling.site.git("checkout", "--quiet", "HEAD~1", "--", TREE)
    drift = "\n- name: Report\n  ansible.builtin.import_playbook: playbooks/drift.yml\n"
    made = pulling.site.commit("ana", files={"node.yml": site + drift})
    assert pulling.pull() == {"applied"}
    _run, hosts = in_the_fleet(pulling, tmp_path)
    assert set(hosts) == {node.name for node in pulling.found}
    for report in pulling.delivered():
        host = hosts[str(report["host"])]
        own = report["drift"]["hosts"][report["host"]]
        assert (host["state"], host["digest"], host["layers"]) == (own["state"], own["digest"], own["layers"])
        assert host["layers"]["condarc"]["state"] == "equal"
        assert host["pull"]["commit"] == made
    assert made[:12] in (tmp_path / "drift" / "index.html").read_text()


def test_an_older_commit_is_refused(pulling: Pulling) -> None:
    (before,) = pulling.commits()
    pulling.site.git("reset", "--quiet", "--hard", "HEAD~1")
    pulling.site.push()
    assert pulling.pull() == {"refused"}
    assert "does not follow" in pulling.delivered()[0]["reason"]
    pulling.site.git("reset", "--quiet", "--hard", before)
    pulling.site.push()


def test_the_kill_switch_stops_a_node(pulling: Pulling) -> None:
    pulling.fleet.run("touch /etc/evenkeel/pull/stop")
    assert pulling.pull() == {"stopped"}
    assert "/etc/evenkeel/pull/stop" in pulling.delivered()[0]["reason"]
    pulling.fleet.run("rm /etc/evenkeel/pull/stop")


def test_a_node_that_pulls_no_more_keeps_nothing_of_it(pulling: Pulling) -> None:
    for check in (True, False):
        pulling.fleet.module("evenkeel.gpu.pull_agent", check=check, enabled=False)
    # git stays where it was installed for this, and that it was is not forgotten.
    made = "/var/lib/evenkeel/made/pull_agent.json"
    left = f'find /etc /opt /usr/local /var/lib/evenkeel -name "*pull*" ! -name "pulldom.*" ! -path {made}'
    assert pulling.fleet.run(left) == ""
    assert pulling.fleet.run(f"systemctl is-active {TIMER} || true") == "inactive"
    assert not pulling.fleet.module("evenkeel.gpu.pull_agent", enabled=False)["changed"]
