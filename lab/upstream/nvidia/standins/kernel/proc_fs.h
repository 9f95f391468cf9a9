struct proc_dir_entry;
struct seq_file;
struct proc_dir_entry *proc_mkdir(const char *name, struct proc_dir_entry *parent);
struct proc_dir_entry *proc_create_single(const char *name, unsigned short mode, struct proc_dir_entry *parent,
					  int (*show)(struct seq_file *, void *));
void proc_remove(struct proc_dir_entry *entry);
