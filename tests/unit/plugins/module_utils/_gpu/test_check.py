# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on GPUs, from the real probe with a library that stands in for the driver's."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import check as gpu_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import verdict as gpu_verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.verdict import Bounds, Heard, Verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

SOURCE = Path(__file__).parents[2] / "fake_gpu.c"
COMPILER = shutil.which("cc")
SECONDS = 60.0
#: A Python that everybody may run; the tests' own may be in somebody's home.
PYTHON = "/usr/bin/python3"
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(PYTHON, os.X_OK), reason="root alone can become somebody else"
)
Check = Callable[..., Verdict]
#: PyTorch as far as the probe knows it; TORCH says what is wrong with it.
TORCH = """
import os
__version__ = "2.9"
mode = os.environ.get("TORCH", "")
class Matrix:
    def __init__(self, on="cpu"): self.on = on
    def float(self): return self
    def cpu(self): return self
    def to(self, place): return Matrix(place)
    def __matmul__(self, other): return self
def randint(low, high, shape): return Matrix()
def equal(one, two):
    if mode == "raises": raise RuntimeError("no kernel image\\nis available")
    if mode == "dies": os.abort()
    return not (mode == "wrong" and one.on == "cuda:1")
class cuda:
    @staticmethod
    def device_count(): return 0 if mode == "cpu" else 2
print("a framework may chat")
"""


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the stand-in under both names."""
    if COMPILER is None:
        pytest.skip("there is no C compiler to build the stand-in of the driver's library with")
    folder = tmp_path_factory.mktemp("libraries")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", folder / "libcuda.so.1", SOURCE], check=True)
    shutil.copy(folder / "libcuda.so.1", folder / "libnvidia-ml.so.1")
    return folder


def add_gpu(root: Path, address: str, bound: str = "nvidia") -> None:
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in (("vendor", "0x10de"), ("class", "0x030200"), ("device", "0x1eb8")):
        (folder / name).write_text(text)
    if bound:
        (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{bound}")


@contextmanager
def torch_instead(environment: str, code: str) -> Iterator[None]:
    """Have another stand-in for PyTorch."""
    (module,) = Path(environment).glob("lib/python3*/site-packages/torch.py")
    module.write_text(code)
    try:
        yield
    finally:
        module.write_text(TORCH)


@pytest.fixture
def check(libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a check of a node with two GPUs."""
    add_gpu(tmp_path, "0000:01:00.0")
    add_gpu(tmp_path, "0000:02:00.0")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("FAKE_GPUS", "2")

    def run(bounds: Bounds | None = None, environment: str = "", timeout: float = SECONDS, **fake: str) -> Verdict:
        for name, value in fake.items():
            monkeypatch.setenv(name, value)
        return gpu_check.check(sys.executable, environment, bounds or Bounds(), timeout, Sysroot(str(tmp_path)))

    return run


def test_gpus_that_are_well(check: Check) -> None:
    verdict = check(Bounds(min_gpus=2, min_bandwidth_gbps=0.001))
    assert (verdict.ok, verdict.present, verdict.text, verdict.cuda) == (True, True, "2 GPUs work", "13.0")
    assert [gpu["address"] for gpu in verdict.gpus] == ["0000:01:00.0", "0000:02:00.0"]
    assert verdict.gpus[0]["memory_mib"] == 16384
    assert all(gpu["to_gpu_gbps"] > 0 and gpu["ecc_errors"] == 0 and gpu["ok"] for gpu in verdict.gpus)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("802", ["CUDA does not start", "CUDA_ERROR_SYSTEM_NOT_READY (802)", "fabric manager"]),
        ("803", ["CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", "reboot"]),
        ("100", ["error 100 (100)", "nvidia-smi -L"]),
        ("999", ["(999)", "nvidia_uvm"]),
        ("77", ["(77)", "dmesg"]),
        ("crash", ["was killed by SIGSEGV at the copy to the GPU at 0000:01:00.0"]),
        ("wrong", ["GPU 0000:02:00.0: data came back changed"]),
        ("full", ["CUDA_ERROR_OUT_OF_MEMORY (2)", "gpu_facts"]),
        ("ecc", ["3 errors of its memory", "drain"]),
        ("nvml", ["NVML does not start: Driver/library version mismatch", "reboot the node"]),
    ],
)
def test_what_is_wrong_is_told_with_a_way_out(mode: str, words: list[str], check: Check) -> None:
    verdict = check(FAKE_GPU=mode)
    assert not verdict.ok
    assert [word for word in words if word not in verdict.text] == []


def test_a_gpu_that_hangs_does_not_hang_the_check(check: Check) -> None:
    verdict = check(FAKE_GPU="hang", timeout=1.5)
    assert "hung for 1.5 seconds at cuInit" in verdict.text


@pytest.mark.parametrize(
    ("fake", "bounds", "words"),
    [
        ({"FAKE_CUDA_GPUS": "1"}, Bounds(), "GPU 0000:02:00.0: NVML has it, but CUDA does not"),
        ({"FAKE_GPUS": "1"}, Bounds(), "GPU 0000:02:00.0: it is on the PCI bus, but the driver does not have it"),
        ({}, Bounds(min_gpus=3), "The node has 2 GPUs, and min_gpus is 3"),
        ({}, Bounds(min_bandwidth_gbps=1e6), "GPU 0000:01:00.0: the copy to it reaches"),
    ],
)
def test_counts_and_bounds(fake: dict[str, str], bounds: Bounds, words: str, check: Check) -> None:
    assert words in check(bounds, **fake).text


def test_more_errors_may_be_allowed(check: Check) -> None:
    assert check(Bounds(max_ecc_errors=3), FAKE_GPU="ecc").ok


def test_gpus_that_are_split_up_are_not_counted_against_cuda(check: Check) -> None:
    assert check(FAKE_GPU="mig", FAKE_CUDA_GPUS="1").ok


def test_what_others_have_is_not_missed(check: Check, tmp_path: Path) -> None:
    add_gpu(tmp_path, "0000:09:00.0", bound="vfio-pci")
    assert check().ok
    add_gpu(tmp_path, "0000:0a:00.0", bound="")
    assert "0000:0a:00.0" in check().text
    (tmp_path / "run" / "systemd").mkdir(parents=True)
    (tmp_path / "run" / "systemd" / "container").write_text("podman")
    assert check().ok


def test_a_node_whose_gpus_are_all_passed_through_has_none(tmp_path: Path) -> None:
    add_gpu(tmp_path, "0000:09:00.0", bound="vfio-pci")
    verdict = gpu_check.check("/nonexistent", "", Bounds(), SECONDS, Sysroot(str(tmp_path)))
    assert (verdict.ok, verdict.present) == (True, False)


@pytest.mark.parametrize(("least", "ok"), [(0, True), (1, False)])
def test_a_node_without_a_gpu_is_well_unless_one_is_asked_for(least: int, ok: bool, tmp_path: Path) -> None:
    verdict = gpu_check.check("/nonexistent", "", Bounds(min_gpus=least), SECONDS, Sysroot(str(tmp_path)))
    assert (verdict.ok, verdict.present) == (ok, False)


def test_a_driver_without_libraries(check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "nowhere"))
    assert "libcuda.so.1" in check().text


@pytest.fixture(scope="session")
def environment() -> Iterator[str]:
    """Return an environment, which everybody can enter, with a framework that stands in for PyTorch."""
    python = PYTHON if os.access(PYTHON, os.X_OK) else sys.executable
    with TemporaryDirectory() as folder:
        prefix = Path(folder, "environment")
        subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", prefix], check=True)
        (next(prefix.glob("lib/python3*/site-packages")) / "torch.py").write_text(TORCH)
        Path(folder).chmod(0o755)
        yield str(prefix)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("", "2 GPUs work"),
        ("cpu", "sees 0 of 2 GPUs: install a build of it for a CUDA version up to 13.0"),
        ("wrong", "computes other results on GPU 1 than on the CPU"),
        ("raises", "fails: RuntimeError: no kernel image."),
        ("dies", "was killed by SIGABRT at torch on GPU 0"),
    ],
)
def test_frameworks(mode: str, words: str, check: Check, environment: str) -> None:
    verdict = check(environment=environment, TORCH=mode)
    assert words in verdict.text
    assert verdict.ok is (mode == "")


@as_root
def test_frameworks_are_tried_by_an_ordinary_user_in_an_empty_home(check: Check, environment: str) -> None:
    facts = "[os.getuid(), os.getcwd() == os.environ['HOME'], os.listdir(), os.getgroups()]"
    with torch_instead(environment, f"import os\nraise RuntimeError({facts})"):
        nobody = pwd.getpwnam("nobody")
        assert f"[{nobody.pw_uid}, True, [], []]" in check(environment=environment).text


@as_root
def test_what_an_environment_starts_with_is_not_roots_either(check: Check, environment: str) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        hook = next(Path(environment).glob("lib/python3*/site-packages")) / "hook.pth"
        hook.write_text(f"import os; open({folder + '/uid'!r}, 'a').write(f'{{os.getuid()}}\\n')\n")
        try:
            check(environment=environment)
        finally:
            hook.unlink()
        assert set(Path(folder, "uid").read_text().split()) == {str(pwd.getpwnam("nobody").pw_uid)}


@as_root
def test_an_environment_that_ordinary_users_cannot_run_is_refused(check: Check, tmp_path: Path) -> None:
    program = tmp_path / "environment" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    tmp_path.chmod(0o700)
    with pytest.raises(EvenkeelError, match="Ordinary users can't run"):
        check(environment=str(tmp_path / "environment"))


@pytest.mark.parametrize(
    ("devices", "groups"),
    [
        ([], []),
        ([(0o666, 0)], []),
        ([(0o660, 44), (0o660, 44), (0o666, 27), (0o660, 7)], [7, 44]),
        ([(0o660, 0), (0o600, 44), (0o640, 44)], []),
    ],
)
def test_groups_of_devices(devices: list[tuple[int, int]], groups: list[int]) -> None:
    found = [os.stat_result((stat.S_IFCHR | mode, 1, 1, 1, 0, gid, 0, 0, 0, 0)) for mode, gid in devices]
    assert gpu_check.groups_of(found) == groups


def test_frameworks_that_an_environment_lacks_are_nothing_wrong(check: Check, environment: str) -> None:
    assert [reported["name"] for reported in check(environment=environment).frameworks] == ["torch"]


def test_an_environment_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="no Python in /nonexistent"):
        gpu_check.check(sys.executable, "/nonexistent", Bounds(), SECONDS, Sysroot(str(tmp_path)))


def test_what_is_printed_between_the_lines_is_passed_over() -> None:
    said = 'warning\n["at", "cuInit"]\n[1, 2]\n{"a": 1, "b": 2}\n3\n["done", true]\n["cut of'
    assert gpu_check.parse(said) == [("at", "cuInit"), ("done", True)]


def test_a_verdict_is_plain_data() -> None:
    verdict = gpu_verdict.of_driver([], Heard((), "ended with status 1 (x)"), Bounds(), container=False)
    assert "ended with status 1 (x) at its start" in json.dumps(list(verdict.problems))
