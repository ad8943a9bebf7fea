"""Text to speech: Piper in a child process (its engine is GPL), PCM over a pipe."""
