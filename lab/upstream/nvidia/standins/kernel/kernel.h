#include <stddef.h>
#define ENOMEM 12
#define PAGE_SIZE 4096UL
int printk(const char *format, ...);
#define pr_info(...) printk(__VA_ARGS__)
