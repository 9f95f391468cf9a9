# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import report

from tests.unit.plugins.plugin_utils._drift.test_schema import VALIDATOR

SITE = {"path": "/srv/site", "commit": None, "branch": None, "tag": None, "dirty": None, "note": "no git"}


def surveyed(**layers: Any) -> dict[str, Any]:
    return {"survey": {"asked": list(layers), "layers": layers, "took": 1.5}, "release": " Debian 12 "}


def entry(found: dict[str, Any]) -> dict[str, Any]:
    return report.of_host(found, ["all", "gpu_nodes"], {})


def of_run(**found: dict[str, Any]) -> dict[str, Any]:
    now = datetime(2026, 11, 29, 2, tzinfo=UTC)
    hosts = {name: entry(one) for name, one in found.items()}
    made = report.of_run(hosts, site=SITE, limit="", created=now, seconds=3.21)
    VALIDATOR.validate(made)
    return made


EQUAL = surveyed(condarc={})
DRIFTED = surveyed(condarc={"changes": [{"task": "condarc"}]})
FAILED = surveyed(condarc={"problems": ["x"]})
GONE = {"survey": {}, "unreachable": "No route to host"}


@pytest.mark.parametrize(
    ("found", "state", "message"),
    [
        (EQUAL, "equal", ""),
        (DRIFTED, "drifted", ""),
        (surveyed(condarc={"reboot": ["the driver changed"]}), "drifted", ""),
        (surveyed(condarc={"restarts": ["jupyter@ana.service"]}), "equal", ""),
        (FAILED, "unknown", ""),
        ({"failed": "Incorrect sudo password"}, "unknown", "Incorrect sudo password"),
        ({"failed": "Timed out", "limit": 300}, "unknown", "It took longer than 300 seconds (drift_host_seconds)"),
        ({}, "unknown", "It was not asked: the run's output says why"),
        (GONE, "unreachable", "No route to host"),
        ({"failed": "lost", "unreachable": " Connection closed"}, "unreachable", "Connection closed"),
    ],
)
def test_the_state_of_a_host(found: dict[str, Any], state: str, message: str) -> None:
    host = of_run(n1=found)["hosts"]["n1"]
    assert (host["state"], host["message"]) == (state, message)
    assert (host["digest"] is None) == bool(message)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            'Task failed: Data could not be sent to remote host "10.0.0.6". Make sure this host can be reached over '
            "ssh: ssh: connect to host 10.0.0.6 port 22: No route to host\r\n",
            "ssh: connect to host 10.0.0.6 port 22: No route to host",
        ),
        (
            "Task failed: Data could not be sent to remote host 'gpu6'. Make sure this host can be reached over SSH.",
            "Data could not be sent to remote host 'gpu6'. Make sure this host can be reached over SSH.",
        ),
        (
            'Data could not be sent to remote host "gpu6". Make sure this host can be reached over ssh: ',
            'Data could not be sent to remote host "gpu6". Make sure this host can be reached over ssh:',
        ),
        (
            "Task failed: Failed to connect to the host via ssh: Warning: Permanently added '10.0.0.6' (ED25519) to "
            "the list of known hosts.\r\nops@10.0.0.6: Permission denied (publickey).",
            "ops@10.0.0.6: Permission denied (publickey).",
        ),
        ("Failed to connect to the host via ssh: Connection timed out", "Connection timed out"),
        ("Task failed: Timeout: ssh did not answer", "Timeout: ssh did not answer"),
    ],
    ids=["not sent", "not sent without a reason", "not sent with an empty one", "not connected", "no task", "another"],
)
def test_the_reason_for_which_a_host_is_unreachable_comes_first(said: str, message: str) -> None:
    host = of_run(n1={"survey": {}, "unreachable": said})["hosts"]["n1"]
    assert (host["state"], host["message"]) == ("unreachable", message)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([EQUAL, EQUAL], "equal"),
        ([EQUAL, DRIFTED], "drifted"),
        ([DRIFTED, FAILED, EQUAL], "unknown"),
        ([GONE, FAILED, DRIFTED, EQUAL], "unreachable"),
    ],
)
def test_the_status_is_the_worst_state(found: list[dict[str, Any]], status: str) -> None:
    made = of_run(**{f"n{number}": one for number, one in enumerate(found)})
    assert made["status"] == status
    assert sum(made["counts"].values()) == len(found)


def test_hosts_are_in_the_order_of_their_numbers() -> None:
    made = of_run(gpu10=EQUAL, gpu9=DRIFTED)
    assert list(made["hosts"]) == ["gpu9", "gpu10"]
    assert made["hosts"]["gpu9"] | {"layers": 0, "digest": 0} == {
        "state": "drifted",
        "message": "",
        "groups": ["gpu_nodes"],
        "release": "Debian 12",
        "gpus": [],
        "seconds": 1.5,
        "digest": 0,
        "since": None,
        "reboot": [],
        "restarts": [],
        "layers": 0,
    }


def test_hosts_that_are_alike_have_one_digest() -> None:
    digests = [host["digest"] for host in of_run(a=EQUAL, b=EQUAL, c=DRIFTED)["hosts"].values()]
    assert digests[0] == digests[1] != digests[2]


def test_texts_of_nodes_are_sanitised_and_secrets_masked() -> None:
    diff = {"before": "", "after": "https://ana:hunter22@conda.example/x\x1b[31m\u202egnp"}
    made = of_run(n1=surveyed(condarc={"changes": [{"task": "condarc", "diff": diff}]}))
    (change,) = made["hosts"]["n1"]["layers"]["condarc"]["changes"]
    assert "hunter22" not in str(made)
    assert change["diff"].endswith("+https://********@conda.example/x\\x1b[31m\\u202egnp\n")
