"""`run --workers N`: one process a core, and a parent that answers for all of them.

zygote   a child of the parent that never runs a loop: it forks workers that have everything imported
worker   a process that takes calls (commands/serving) with what its parent lends it
front    the parent's SIP: reads the public sockets, hands messages out, registers, probes, answers OPTIONS
parent   starts workers, sees them die, has their calls ended, starts others; owns ledger and web face
house    what all of them know from before the first fork; `words` is what parent and worker say to each other
"""
