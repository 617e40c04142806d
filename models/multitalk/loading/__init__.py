"""Loading of the audio layers and of the speech encoder, strictly checked."""
