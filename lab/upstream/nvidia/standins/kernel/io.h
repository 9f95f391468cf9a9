void iounmap(volatile void *address);
