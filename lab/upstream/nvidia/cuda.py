# SPDX-License-Identifier: GPL-3.0-or-later
"""CUDA toolkits and libraries as stand-ins, by the names, versions and dependencies of NVIDIA's repositories."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.upstream.nvidia import elf_library
from lab.upstream.nvidia.driver import standin
from lab.upstream.os_package import OsPackage


@dataclass(frozen=True)
class Toolkit:
    """One CUDA toolkit: the version of its packages, its own driver, and the version of its compiler."""

    version: str
    driver: str
    compiler: str

    @property
    def minor(self) -> str:
        """Major and minor version, such as ``12.8``."""
        return self.version.rpartition(".")[0]

    @property
    def dashed(self) -> str:
        """The minor version in a package's name."""
        return self.minor.replace(".", "-")

    @property
    def major(self) -> str:
        """The major version."""
        return self.version.partition(".")[0]


TOOLKITS = (
    Toolkit("12.8.0", "570.86.10", "12.8.61"),
    Toolkit("12.8.1", "570.124.06", "12.8.93"),
    Toolkit("12.9.1", "575.57.08", "12.9.86"),
    Toolkit("13.0.2", "580.95.05", "13.0.88"),
)
#: CUDA's major version to the versions of cuDNN.
CUDNN = {"12": ("9.10.2.21", "9.13.0.50"), "13": ("9.13.0.50",)}
NCCL = {"12.8": ("2.26.2",), "12.9": ("2.27.7", "2.28.9"), "13.0": ("2.28.9",)}


def debian_packages() -> list[OsPackage]:
    """Return the packages that NVIDIA's repositories for Debian have beside the driver."""
    newest = {toolkit.major: toolkit for toolkit in TOOLKITS}
    made = [package for toolkit in TOOLKITS for package in _toolkit(toolkit)]
    made += [_config_common("cuda-toolkit", TOOLKITS[-1], "000_cuda.conf", "cuda")]
    for major, toolkit in newest.items():
        made.append(_config_common(f"cuda-toolkit-{major}", toolkit, f"988_cuda-{major}.conf", f"cuda-{major}"))
        needs = (f"cuda-toolkit-{toolkit.dashed} (>= {toolkit.version})",)
        made.append(_meta(f"cuda-toolkit-{major}", toolkit, "CUDA toolkit", *needs))
    last = TOOLKITS[-1]
    made.append(_meta("cuda-toolkit", last, "CUDA toolkit", f"cuda-toolkit-{last.dashed} (>= {last.version})"))
    made.append(_meta("cuda", last, "CUDA and a driver", f"cuda-{last.dashed} (>= {last.version})"))
    for major, versions in CUDNN.items():
        made += [package for version in versions for package in _cudnn(major, version)]
    for minor, versions in NCCL.items():
        made += [package for version in versions for package in _nccl(minor, version)]
    return made


def _meta(name: str, toolkit: Toolkit, summary: str, *depends: str) -> OsPackage:
    return OsPackage(name, f"{toolkit.version}-1", "amd64", summary, section="multiverse/devel", depends=depends)


def toolkit_files(toolkit: Toolkit) -> dict[str, dict[str, str | bytes]]:
    """Return the files of a toolkit, by the package that has them."""
    home = f"usr/local/cuda-{toolkit.minor}"
    library = f"{home}/targets/x86_64-linux/lib"
    components = {"cuda": {"name": "CUDA SDK", "version": toolkit.version}}
    components["cuda_nvcc"] = {"name": "CUDA NVCC", "version": toolkit.compiler}
    components["nvidia_driver"] = {"name": "NVIDIA Linux Driver", "version": toolkit.driver}
    return {
        "nvcc": {f"{home}/bin/nvcc": standin("nvcc", MINOR=toolkit.minor, VERSION=toolkit.compiler)},
        "cudart": {
            f"{library}/libcudart.so.{toolkit.compiler}": elf_library.write(f"libcudart.so.{toolkit.major}", {})
        },
        "documentation": {f"{home}/version.json": json.dumps(components, indent=3) + "\n"},
    }


def toolkit_links(toolkit: Toolkit) -> dict[str, dict[str, str]]:
    """Return the symbolic links of a toolkit, by the package that has them."""
    home = f"usr/local/cuda-{toolkit.minor}"
    library = f"{home}/targets/x86_64-linux/lib"
    return {
        "cudart": {f"{library}/libcudart.so.{toolkit.major}": f"libcudart.so.{toolkit.compiler}"},
        "cudart-dev": {f"{library}/libcudart.so": f"libcudart.so.{toolkit.major}"},
        "toolkit-config-common": {
            f"{home}/lib64": "targets/x86_64-linux/lib",
            f"{home}/include": "targets/x86_64-linux/include",
        },
    }


def _toolkit(toolkit: Toolkit) -> list[OsPackage]:
    dashed, exact = toolkit.dashed, f"(>= {toolkit.version})"
    files, links = toolkit_files(toolkit), toolkit_links(toolkit)

    def part(name: str, summary: str, *depends: str, own: str = "", **more: str) -> OsPackage:
        return OsPackage(
            f"cuda-{name}-{dashed}",
            f"{own or toolkit.version}-1",
            "amd64",
            summary,
            section="multiverse/devel",
            depends=depends,
            files=files.get(name, {}),
            links=links.get(name, {}),
            scripts=more,
        )

    commons = [f"cuda-toolkit-{dashed}-config-common", f"cuda-toolkit-{toolkit.major}-config-common"]
    config = OsPackage(
        commons[0],
        f"{toolkit.version}-1",
        "all",
        "CUDA toolkit's configuration",
        section="multiverse/devel",
        depends=(commons[1], "cuda-toolkit-config-common"),
        links=links["toolkit-config-common"],
        scripts={
            name: standin(
                f"cuda-config-common.{name}", MAJOR=toolkit.major, MINOR=toolkit.minor, PRIORITY=dashed.replace("-", "")
            )
            for name in ("postinst", "prerm")
        },
    )
    return [
        config,
        part("cudart", "CUDA runtime", commons[0], own=toolkit.compiler, triggers="activate-noawait ldconfig\n"),
        part("cudart-dev", "CUDA runtime's headers", f"cuda-cudart-{dashed}", own=toolkit.compiler),
        part("nvcc", "CUDA compiler", commons[0], f"cuda-cudart-dev-{dashed}", own=toolkit.compiler),
        part("compiler", "CUDA compilers", f"cuda-nvcc-{dashed}"),
        part("documentation", "CUDA documentation"),
        part("libraries", "CUDA libraries", f"cuda-cudart-{dashed}"),
        part("libraries-dev", "CUDA libraries' headers", f"cuda-cudart-dev-{dashed}"),
        part(
            "toolkit",
            "CUDA toolkit",
            *(f"cuda-{name}-{dashed} {exact}" for name in ("compiler", "libraries", "libraries-dev", "documentation")),
        ),
        part("runtime", "CUDA runtime and a driver", f"cuda-libraries-{dashed} {exact}", "cuda-drivers (>= 570)"),
        OsPackage(
            f"cuda-{dashed}",
            f"{toolkit.version}-1",
            "amd64",
            "CUDA and a driver",
            section="multiverse/devel",
            depends=(f"cuda-runtime-{dashed} {exact}", f"cuda-toolkit-{dashed} {exact}"),
        ),
        OsPackage(
            f"cuda-compat-{dashed}",
            f"{toolkit.driver}-1",
            "amd64",
            "CUDA for older drivers",
            section="multiverse/devel",
            files={
                f"usr/local/cuda-{toolkit.minor}/compat/libcuda.so.{toolkit.driver}": elf_library.write(
                    "libcuda.so.1", {}
                )
            },
        ),
    ]


def _config_common(name: str, toolkit: Toolkit, conf: str, folder: str) -> OsPackage:
    return OsPackage(
        f"{name}-config-common",
        f"{toolkit.version}-1",
        "all",
        "CUDA toolkit's configuration",
        section="multiverse/devel",
        files={f"etc/ld.so.conf.d/{conf}": f"/usr/local/{folder}/targets/x86_64-linux/lib\n"},
    )


def _cudnn(major: str, version: str) -> list[OsPackage]:
    folder = "usr/lib/x86_64-linux-gnu"
    name = f"libcudnn9-cuda-{major}"
    runtime = OsPackage(
        name,
        f"{version}-1",
        "amd64",
        "cuDNN",
        section="multiverse/libs",
        files={f"{folder}/libcudnn.so.{version.rpartition('.')[0]}": elf_library.write("libcudnn.so.9", {})},
        links={f"{folder}/libcudnn.so.9": f"libcudnn.so.{version.rpartition('.')[0]}"},
        conflicts=tuple(f"libcudnn9-cuda-{other}" for other in CUDNN if other != major),
        scripts={"triggers": "activate-noawait ldconfig\n"},
    )
    development = OsPackage(
        f"libcudnn9-dev-cuda-{major}",
        f"{version}-1",
        "amd64",
        "cuDNN's headers",
        section="multiverse/libs",
        depends=(f"{name} (= {version}-1)",),
        files={"usr/include/x86_64-linux-gnu/cudnn_version_v9.h": f"// {version}\n"},
        conflicts=tuple(f"libcudnn9-dev-cuda-{other}" for other in CUDNN if other != major),
    )
    meta = OsPackage(
        f"cudnn9-cuda-{major}",
        f"{version}-1",
        "amd64",
        "cuDNN",
        section="multiverse/libs",
        depends=(f"{development.name} (= {version}-1)",),
    )
    return [runtime, development, meta]


def _nccl(minor: str, version: str) -> list[OsPackage]:
    whole = f"{version}-1+cuda{minor}"
    folder = "usr/lib/x86_64-linux-gnu"
    return [
        OsPackage(
            "libnccl2",
            whole,
            "amd64",
            "NCCL",
            section="multiverse/libs",
            files={f"{folder}/libnccl.so.{version}": elf_library.write("libnccl.so.2", {})},
            links={f"{folder}/libnccl.so.2": f"libnccl.so.{version}"},
            scripts={"triggers": "activate-noawait ldconfig\n"},
        ),
        OsPackage(
            "libnccl-dev",
            whole,
            "amd64",
            "NCCL's headers",
            section="multiverse/libs",
            depends=(f"libnccl2 (= {whole})",),
            files={"usr/include/nccl.h": f"// {version}\n"},
        ),
    ]
