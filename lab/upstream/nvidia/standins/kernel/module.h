#define __init
#define __exit
#define MODULE_JOIN(a, b) a##b
#define MODULE_NAMED(tag, line, text) \
	static const char MODULE_JOIN(modinfo_, line)[] __attribute__((section(".modinfo"), used)) = tag "=" text
#define MODULE_AT(tag, line, text) MODULE_NAMED(tag, line, text)
#define MODULE_LICENSE(text) MODULE_AT("license", __LINE__, text)
#define MODULE_VERSION(text) MODULE_AT("version", __LINE__, text)
#define MODULE_DESCRIPTION(text) MODULE_AT("description", __LINE__, text)
#define module_init(function) int init_module(void) { return function(); }
#define module_exit(function) void cleanup_module(void) { function(); }
static const char module_name[] __attribute__((section(".modinfo"), used)) = "name=nvidia";
static const char module_magic[] __attribute__((section(".modinfo"), used)) =
	"vermagic=@KERNEL@ SMP preempt mod_unload modversions ";
