struct seq_file;
void seq_puts(struct seq_file *file, const char *text);
