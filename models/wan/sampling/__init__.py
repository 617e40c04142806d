"""Sampling: prompts, noise schedule, denoising, previews, decoding, and joining of segments."""
