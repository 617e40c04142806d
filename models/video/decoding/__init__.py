"""Decoding: of images in a process of their own, and of the packets of a video stream."""
