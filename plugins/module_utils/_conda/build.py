# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Make an environment: its packages, the bytecode of all of them, and permissions for everybody to read it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import clobbered_files, conda_records, private_caches
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import compile_environment, link_ahead
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import META
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import RATTLER, Job, Tools, install
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import note_files_of_scripts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes


def build(job: Job, installer: str, tools: Tools) -> None:
    """Make the environment; what fails half-way is left for the caller to remove.

    Nobody else can enter it until the caller opens it, whatever permissions packages carry.

    conda wants the place for itself; beside py-rattler, which is a process of its own, bytecode that the cache has is
    linked at the same time.
    """
    private_caches.make(job.pkgs)
    with modes.private():
        if installer == RATTLER:
            # First of all, so that a build that is interrupted at once is known as one.
            os.makedirs(os.path.join(job.prefix, META), exist_ok=True)
            with ThreadPoolExecutor(1) as pool:
                ahead = pool.submit(link_ahead, job)
                install(job, installer, tools)
            bytecode = compile_environment(job, linked=ahead.result())
        else:
            install(job, installer, tools)
            bytecode = compile_environment(job)
        clobbered_files.note(job.prefix, job.packages)
        conda_records.write(job.prefix, job.specs, bytecode)
        note_files_of_scripts(job.prefix)
        modes.share(job.prefix)
