"""The subcommands: each module has ``add_to`` (its arguments) and ``execute``."""
