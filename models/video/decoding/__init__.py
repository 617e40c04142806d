"""Decoding: of images in a process of their own, of animations, and of a stream's packets."""
