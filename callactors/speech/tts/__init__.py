"""Text to speech: Piper in a child process (its engine is GPL), PCM over a pipe. Import nothing here: the child does."""
