"""Faces in images and videos: detect them, and track one of them through the frames of a video.

`detection` has the detectors, `tracking` follows the face of the speaker, `cache` stores tracks.
"""
