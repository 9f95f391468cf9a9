# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a relocatable CPython, as a conda package, out of Debian's own packages.

Debian's interpreter finds its standard library beside itself. What binds it to ``/usr`` is undone here: the folders it
installs into, the libraries it takes from the system, and the mark that keeps pip away.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.errors import LabError
from lab.process import run
from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package
from lab.upstream.debian import apt_sources

_MULTIARCH = "x86_64-linux-gnu"
_LIBRARY_FOLDERS = (f"usr/lib/{_MULTIARCH}", f"lib/{_MULTIARCH}")
_NOT_CARRIED = ("EXTERNALLY-MANAGED", "sitecustomize.py", "__pycache__")

# Debian's frozen `site` knows only dist-packages, and no file of the standard library can change that.
SITECUSTOMIZE = '''\
"""Look for packages in site-packages, as CPython does everywhere but on Debian."""

import site
import sys


def getsitepackages(prefixes=None):
    """Return the site-packages folder of every prefix."""
    folder = "lib/python%d.%d/site-packages" % sys.version_info[:2]
    return list(dict.fromkeys(f"{prefix}/{folder}" for prefix in prefixes or site.PREFIXES))


site.getsitepackages = getsitepackages
for path in getsitepackages():
    if path not in sys.path:
        site.addsitedir(path)
'''


@dataclass(frozen=True)
class DebianPython:
    """One Python of the lab and the Debian release it comes from.

    Parameters
    ----------
    glibc
        The C library of that release: the newest its nodes can offer.
    """

    full_version: str
    release: str
    glibc: tuple[int, int]

    @property
    def version(self) -> str:
        """Major and minor version, such as ``3.11``."""
        return ".".join(self.full_version.split(".")[:2])

    @property
    def nodot(self) -> str:
        """The version as build strings and wheel tags write it, such as ``311``."""
        return self.version.replace(".", "")

    @property
    def depends(self) -> str:
        """What a conda package made for this Python alone depends on."""
        major, minor = self.version.split(".")
        return f"python >={self.version},<{major}.{int(minor) + 1}.0a0"

    @property
    def site_packages(self) -> str:
        """Where packages live, relative to the prefix."""
        return f"lib/python{self.version}/site-packages"


PYTHONS = (
    DebianPython("3.11.2", "bookworm", (2, 36)),
    DebianPython("3.13.5", "trixie", (2, 41)),
)


def build(python: DebianPython, out_dir: Path) -> Path:
    """Write the conda package ``python`` of one release into ``out_dir``."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".build-", dir=out_dir) as scratch:
        apt, root, libc, tree = (Path(scratch, name) for name in ("apt", "root", "libc", "tree"))
        # With ensurepip, which venv needs.
        archives = download(f"python{python.version}-venv", python.release, apt)
        if not any(archive.name.startswith(f"python{python.version}_{python.full_version}-") for archive in archives):
            raise LabError(
                f"Debian {python.release} no longer has Python {python.full_version}", f"adapt PYTHONS in {__file__}"
            )
        for archive in archives:
            unpacked = libc if archive.name.startswith("libc6_") else root
            run(["dpkg-deb", "--extract", archive, unpacked], remedy="apt-get install dpkg")
        _lay_out(root / "usr", tree, python)
        _bundle_libraries(root, libc, tree)
        glibc = required_glibc(path.read_bytes() for path in _elf_files(tree))
        package = Package(
            name="python",
            version=python.full_version,
            build="0_cpython",
            build_number=0,
            subdir="linux-64",
            depends=(f"__glibc >={'.'.join(map(str, glibc))}",),
            license="PSF-2.0",
            summary=f"CPython of Debian {python.release}, made relocatable",
        )
        return conda_package.write(package, tree, out_dir)


def download(package: str, release: str, home: Path) -> list[Path]:
    """Return the archives of ``package`` and of all it depends on, verified by apt against Debian's signatures.

    The release need not be this machine's: apt works in the folder ``home``, with this machine's proxy settings.
    """
    archives = home / "cache" / "archives"
    for folder in (home / "state" / "lists" / "partial", archives / "partial"):
        folder.mkdir(parents=True)
    (home / "status").touch()
    sources = home / "sources.list"
    sources.write_text(f"deb [signed-by={apt_sources.KEYRING}] {apt_sources.mirror()} {release} main\n")
    settings = {
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::Cache": home / "cache",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": home / "state",
        "Dir::State::status": home / "status",
    }
    apt_get = ["apt-get", *(f"--option={name}={value}" for name, value in settings.items())]
    remedy = f"check the Debian mirror in {apt_sources.APT}, or name one: export {apt_sources.VARIABLE}=<URL>"
    run([*apt_get, "--error-on=any", "update"], remedy=remedy)
    run([*apt_get, "--yes", "--download-only", "install", package], remedy=remedy)
    return sorted(archives.glob("*.deb"))


def required_glibc(elf_files: Iterable[bytes]) -> tuple[int, ...]:
    """Return the newest GLIBC version that any of the files names among the symbol versions it needs."""
    return max(
        tuple(int(number) for number in found.decode().split("."))
        for content in elf_files
        for found in re.findall(rb"\0GLIBC_(\d+(?:\.\d+)+)(?=\0)", content)
    )


def relocated_sysconfigdata(text: str) -> str:
    """Return Python's record of its own build with the paths of its installation below the prefix."""
    text = text.replace(f"/usr/lib/{_MULTIARCH}", "/usr/lib")
    return re.sub(r"(?<=['= ])/usr(?=[' ]|/bin'|/bin/python|/lib|/include)", PREFIX_PLACEHOLDER, text)


def upstream_scheme(sysconfig: str) -> str:
    """Return Debian's ``sysconfig`` source with CPython's own place to install into."""
    changed = sysconfig.replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'")
    if changed == sysconfig:
        raise LabError("Debian's sysconfig no longer names the scheme posix_local", f"adapt {__file__}")
    return changed


def with_own_wheels(ensurepip: str) -> str:
    """Return Debian's ``ensurepip`` source with its wheels beside it, as CPython has them."""
    changed = ensurepip.replace(
        "sysconfig.get_config_var('WHEEL_PKG_DIR')", "os.path.join(os.path.dirname(__file__), '_bundled')"
    )
    if changed == ensurepip:
        raise LabError("Debian's ensurepip no longer asks for WHEEL_PKG_DIR", f"adapt {__file__}")
    return changed


def _lay_out(usr: Path, tree: Path, python: DebianPython) -> None:
    """Copy interpreter and standard library out of Debian's ``/usr`` and undo what binds them to it."""
    library = tree / "lib" / f"python{python.version}"
    shutil.copytree(usr / "lib" / library.name, library, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_CARRIED))
    (library / "sitecustomize.py").write_text(SITECUSTOMIZE)
    sysconfig = next(path for path in (library / "sysconfig.py", library / "sysconfig/__init__.py") if path.is_file())
    sysconfig.write_text(upstream_scheme(sysconfig.read_text()))
    ensurepip = library / "ensurepip" / "__init__.py"
    ensurepip.write_text(with_own_wheels(ensurepip.read_text()))
    shutil.copytree(usr / "share" / "python-wheels", ensurepip.with_name("_bundled"))
    for data in library.glob("_sysconfigdata_*.py"):
        if not data.is_symlink():
            data.write_text(relocated_sysconfigdata(data.read_text()))

    bin_dir = tree / "bin"
    bin_dir.mkdir()
    interpreter = Path(shutil.copy2(usr / "bin" / f"python{python.version}", bin_dir))
    # RPATH, not RUNPATH: it also counts for what the interpreter's extension modules need.
    run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/../lib", interpreter], remedy="apt-get install patchelf")
    for alias in ("python", "python3"):
        (bin_dir / alias).symlink_to(interpreter.name)
    pydoc = bin_dir / "pydoc"
    pydoc.write_text(f"#!{PREFIX_PLACEHOLDER}/bin/python\nimport pydoc\n\npydoc.cli()\n")
    pydoc.chmod(0o755)


def _bundle_libraries(root: Path, libc: Path, tree: Path) -> None:
    """Copy every library that the files of ``tree`` need, and that no C library brings, into its ``lib``."""
    unread, known = _elf_files(tree), set[str]()
    while unread:
        for name in set(_needed(unread.pop())) - known:
            known.add(name)
            if library := _find_library(root, name):
                unread.append(Path(shutil.copy2(library, tree / "lib" / name)))
            elif not _find_library(libc, name):
                raise LabError(f"no package of Debian's Python brings {name}", f"adapt {__file__}")


def _needed(elf_file: Path) -> list[str]:
    return run(["patchelf", "--print-needed", elf_file], remedy="apt-get install patchelf").split()


def _find_library(root: Path, name: str) -> Path | None:
    return next((path for folder in _LIBRARY_FOLDERS if (path := root / folder / name).exists()), None)


def _elf_files(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if not path.is_symlink() and path.is_file() and _is_elf(path)]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"
