"""Evenkeel's lab stand-in for conda: the calls that Evenkeel makes of conda, answered by py-rattler."""

VERSION = "26.7.1"
NOTICE = "this is not conda: Evenkeel's lab stand-in on py-rattler, which answers as conda does"
