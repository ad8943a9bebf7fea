"""Audio as values and arithmetic: G.711, sample rates, tones, levels, WAV headers. Bytes in, bytes out, no I/O."""
