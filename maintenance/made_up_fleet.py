# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift reports of fleets that don't exist, for pictures and measurements. The same call returns the same fleet."""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import layers, states
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import FORMAT, KIND

Layer = dict[str, Any]
Host = dict[str, Any]

MADE = datetime(2026, 11, 29, 2, 0, 10, tzinfo=UTC)
DAYS = 30
ENVIRONMENTS = ("ai-dev", "llm", "vision", "serving")
LAYERS = (
    *("driver", "kernel", "cuda", "container_toolkit", "distribution", "condarc", "environments"),
    *(f"environment:{name}" for name in ENVIRONMENTS),
    *("jupyter", "access", "front_door"),
)
PACKAGES = """
accelerate aiohttp attrs bitsandbytes certifi cuda-cudart cuda-nvrtc datasets diffusers einops filelock flash-attn
fsspec huggingface_hub ipykernel jinja2 jupyterlab libcublas libcudnn libstdcxx magma matplotlib mkl nccl networkx
numpy openssl orjson packaging pandas peft pillow protobuf psutil pyarrow pydantic python pytorch pyyaml ray regex
requests safetensors scikit-learn scipy sentencepiece sqlite sympy tensorboard timm tokenizers torchaudio
torchvision tqdm transformers triton trl typing_extensions vllm xformers xz zstd
"""


def fleet(count: int, differing: int, *, alone: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a report of ``count`` hosts, ``differing`` of which are not equal, and its history.

    Parameters
    ----------
    alone
        Each host that differs does in its own way, with differences of some kilobytes in three environments.
    """
    random = Random(count)  # noqa: S311
    names = [f"gpu-{number:03}" for number in range(1, count + 1)]
    hosts = {name: _equal(random, rack=number // 16) for number, name in enumerate(names)}
    chosen = sorted(random.sample(names, differing))
    for number, name in enumerate(chosen):
        if alone:
            for environment in ENVIRONMENTS[:3]:
                _old_environment(hosts[name], environment, Random(f"{name} {environment}"))  # noqa: S311
        else:
            WAYS[number % len(WAYS)](hosts[name])
        hosts[name]["since"] = (MADE - timedelta(days=(0, 1, 1, 1, 2, 6, 9)[number % 7])).isoformat()
    for host in hosts.values():
        _settle(host)
    found = [host["state"] for host in hosts.values()]
    report = {
        "kind": KIND,
        "format": FORMAT,
        "created": MADE.isoformat(),
        "seconds": round(6 + count * 0.16, 1),
        "limit": "",
        "site": {
            "path": "/srv/site/inventories/production",
            "commit": "fbae041b02c41ed0fd8a4efb039bc780dd6af4a1",
            "branch": "main",
            "tag": None,
            "dirty": False,
            "note": "",
        },
        "status": states.worst(found),
        "counts": states.counts(found),
        "layers": layers.titled(LAYERS),
        "hosts": hosts,
    }
    return report, [_earlier(report, MADE - timedelta(days=days)) for days in range(DAYS, 0, -1)]


def _equal(random: Random, rack: int) -> Host:
    host: Host = {
        "state": "equal",
        "message": "",
        "groups": ["gpu_nodes", "gpu_hopper", f"rack_{rack:02}"],
        "release": "Ubuntu 24.04",
        "gpus": ["8x H100 80GB HBM3"],
        "seconds": round(random.gauss(1.9, 0.3), 1),
        "digest": None,
        "since": None,
        "reboot": [],
        "restarts": [],
        "layers": {key: _layer() for key in LAYERS},
    }
    found: dict[str, dict[str, Any]] = {
        "driver": {"version": "580.178.04", "flavour": "open"},
        "kernel": {"running": "6.8.0-88-generic", "modules": ["6.8.0-88-generic: 580.178.04 open"]},
        "cuda": {"toolkits": ["12.8", "13.0"], "default": "12.8"},
        "container_toolkit": {"engines": ["docker"], "specification": "/etc/cdi/nvidia.yaml"},
        "distribution": {"prefix": "/opt/miniconda3", "home": "/opt/evenkeel/distributions/miniconda-25.11.1-1"},
        **{f"environment:{name}": _environment(name, "declared") for name in ENVIRONMENTS},
    }
    for key, facts in found.items():
        layer = host["layers"][key]
        layer["found"] = facts
        layer["declared"] = facts if key in ("driver", "cuda") or ":" in key else {}
        if ":" in key:
            file = f"environments/{key.partition(':')[2]}/conda-lock.yml"
            layer["provenance"] = {"file": file, "sha256": _hash(file), "commit": _hash(file)[:40], "dirty": False}
    return host


def _layer() -> Layer:
    empty: Layer = {key: [] for key in ("changes", "problems", "unknown", "notes")}
    return {"state": "equal", **empty, "found": {}, "declared": {}, "provenance": {}, "digest": ""}


def _environment(name: str, content: str) -> dict[str, str]:
    digest = _hash(f"{name} {content}")
    return {"digest": digest, "generation": f"/opt/evenkeel/generations/{name}/{digest[:16]}"}


def _change(host: Host, layer: str, what: str, why: list[str], before: list[str], after: list[str]) -> None:
    lines = difflib.unified_diff(before, after, what, what, lineterm="", n=2)
    diff = "".join(f"{line}\n" for line in lines)
    host["layers"][layer]["changes"].append({"what": what, "why": why, "diff": diff})
    host["layers"][layer]["state"] = "drifted"


def _old_environment(host: Host, name: str, random: Random) -> None:
    after = [
        f"{package} {random.randint(1, 9)}.{random.randint(0, 30)}.0 h{random.getrandbits(28):07x}_0"
        for package in PACKAGES.split()
    ]
    before = [
        f"{line.split()[0]} {random.randint(1, 9)}.{random.randint(0, 30)}.0 h{random.getrandbits(28):07x}_1"
        if random.random() < 0.4
        else line
        for line in after
    ]
    layer = host["layers"][f"environment:{name}"]
    layer["found"] = _environment(name, "".join(before))
    generation = layer["declared"]["digest"][:16]
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    why = [f"build generation {generation}: {changed} of its packages are other ones", f"switch envs/{name} to it"]
    _change(host, f"environment:{name}", f"conda_environment {name}", why, before, after)


def _behind(host: Host) -> None:
    _old_environment(host, "llm", Random("llm"))  # noqa: S311


def _behind_in_use(host: Host) -> None:
    _behind(host)
    host["restarts"] = ["jupyter@ada.service (environment llm)", "jupyter@grace.service (environment llm)"]


def _old_driver(host: Host) -> None:
    before, after = (
        "nvidia-driver-570-server 570.195.03-0ubuntu0.24.04.1",
        "nvidia-driver-580-server-open 580.178.04-0ubuntu0.24.04.1",
    )
    host["layers"]["driver"]["found"] = {"version": "570.195.03", "flavour": "proprietary"}
    _change(
        host, "driver", "nvidia_driver", [], [before, "nvidia-fabricmanager-580"], [after, "nvidia-fabricmanager-580"]
    )
    host["layers"]["kernel"]["found"] = {
        "running": "6.8.0-71-generic",
        "modules": ["6.8.0-71-generic: 570.195.03 proprietary"],
    }
    host["reboot"] = ["The kernel 6.8.0-88-generic is installed, and 6.8.0-71-generic runs"]
    _change(host, "kernel", "reboot", host["reboot"], [], [])


def _edited_condarc(host: Host) -> None:
    after = ["channels:", "  - https://conda.example/main", "channel_priority: strict", "show_channel_urls: true"]
    before = [*after[:2], "  - https://conda.example/nightly", "channel_priority: flexible", after[3]]
    _change(host, "condarc", "condarc", [], before, after)


def _silent_engine(host: Host) -> None:
    layer = host["layers"]["container_toolkit"]
    layer.update(
        state="unknown", found={}, unknown=["nvidia_container_toolkit: It took longer than 60 seconds on the node."]
    )


def _full_home(host: Host) -> None:
    _edited_condarc(host)
    host["layers"]["jupyter"]["notes"] = ["lin: /home/lin is full: the notebook server can't write its files"]


def _no_route(host: Host) -> None:
    host.update(state="unreachable", layers={}, seconds=None, release="", gpus=[])
    host["message"] = "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.6 port 22: No route to host"


#: How hosts differ, the next one in the next way.
WAYS: tuple[Callable[[Host], None], ...] = (
    _behind,
    _behind,
    _old_driver,
    _behind,
    _edited_condarc,
    _behind,
    _silent_engine,
    _behind_in_use,
    _behind,
    _no_route,
    _full_home,
)


def _settle(host: Host) -> None:
    """Set the digests, and the state from those of the layers."""
    of_host = host["layers"].values()
    for layer in of_host:
        layer["digest"] = layers.digest_of([layer["found"], layer["changes"]])
    if of_host:
        host["digest"] = layers.digest_of([layer["digest"] for layer in of_host])
        host["state"] = states.worst(layer["state"] for layer in of_host)


def _earlier(report: dict[str, Any], created: datetime) -> dict[str, Any]:
    """Return the report of an earlier date: hosts that did not differ then were as those that are equal now."""
    equal = next(
        (host for host in report["hosts"].values() if host["state"] == "equal"), {"state": "equal", "digest": "0" * 16}
    )
    hosts = {
        name: {
            key: (host if host["since"] and host["since"] <= created.isoformat() else equal)[key]
            for key in ("state", "digest")
        }
        for name, host in report["hosts"].items()
    }
    return {"created": created.isoformat(), "hosts": copy.deepcopy(hosts)}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
