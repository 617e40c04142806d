"""The model MuseTalk 1.5: Whisper features and a face in, the latents of a speaking face out."""
