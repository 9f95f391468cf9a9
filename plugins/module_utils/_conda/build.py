# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Make an environment: its packages, the bytecode of all of them, and permissions for everybody to read it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import clobbered_files, conda_records, private_caches
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import Done, compile_environment, link_ahead
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import receive
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import META
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import RATTLER, Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.past_caches import install
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import note_files_of_scripts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes


def build(job: Job, installer: str, tools: Tools) -> Done:
    """Make the environment, and return what was done for its bytecode; what fails half-way the caller removes.

    Nobody else can enter it until the caller opens it, whatever permissions packages carry.

    conda wants the place for itself; beside py-rattler, which is a process of its own, bytecode that the cache has is
    linked at the same time. Bytecode that was compiled elsewhere is fetched meanwhile in either case.
    """
    private_caches.make(job.pkgs)
    with modes.private():
        if installer == RATTLER:
            # First of all, so that a build that is interrupted at once is known as one.
            os.makedirs(os.path.join(job.prefix, META), exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            delivery = pool.submit(receive, job)
            ahead = pool.submit(link_ahead, job) if installer == RATTLER else None
            install(job, installer, tools)
        linked = ahead.result() if ahead else frozenset()
        done = compile_environment(job, linked=linked, delivery=delivery.result())
        clobbered_files.note(job.prefix, job.packages)
        conda_records.write(job.prefix, job.specs, done.manifest)
        note_files_of_scripts(job.prefix)
        modes.share(job.prefix)
    return done
