// SPDX-License-Identifier: GPL-3.0-or-later
// A stand-in for NVIDIA's kernel module: it has its name, its version and its line in /proc, and drives nothing.
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
@INCLUDE@
static struct proc_dir_entry *folder;

static int show_version(struct seq_file *file, void *unused)
{
	seq_puts(file, "NVRM version: NVIDIA UNIX @TITLE@  @VERSION@  Release Build  (stand-in of Evenkeel's lab)\n");
	return 0;
}

static int __init nvidia_start(void)
{
	folder = proc_mkdir("driver/nvidia", NULL);
	if (!folder || !proc_create_single("version", 0444, folder, show_version))
		return -ENOMEM;
@START@	pr_info("NVRM: loading a stand-in of Evenkeel's lab for the NVIDIA UNIX @TITLE@  @VERSION@\n");
	return 0;
}

static void __exit nvidia_stop(void)
{
	proc_remove(folder);
}

module_init(nvidia_start);
module_exit(nvidia_stop);
MODULE_LICENSE("@LICENSE@");
MODULE_VERSION("@VERSION@");
MODULE_DESCRIPTION("A stand-in of Evenkeel's lab for NVIDIA's kernel module");
