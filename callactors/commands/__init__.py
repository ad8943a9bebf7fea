"""Row 6: one file per verb of the command line. `callactors/__main__.py` wires them; each is a plain typed function.

Exit codes: 0 done, 1 a problem was found, 2 the command was used wrongly. `--json` where a program might read it.
"""
