"""The composition root: which parts make up each command. Sees every layer; only the command line sees it.

One module per command, so that a command imports what it needs and no more.
"""
