"""Speech: hearing (vad, endpointing, stt), speaking (tts, phrases), thinking (mind), and the brain that owns them."""
