"""What all lip-sync models share: the stream from a clip and a voice to a speaking face."""
