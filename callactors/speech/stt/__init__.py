"""Speech to text: our own log-mel and Whisper on ctranslate2, one thread a decode."""
