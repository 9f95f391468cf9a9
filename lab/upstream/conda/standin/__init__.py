"""The lab's stand-in for conda: a ``conda`` command on py-rattler, and how it is packaged."""
