"""Public test tools: wires that lose, peers that are told what to say. Never imports pytest."""
