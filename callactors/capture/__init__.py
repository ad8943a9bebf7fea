"""What may be kept of the signalling, and in which shape. Sans-IO: bytes in, bytes without secrets out."""
