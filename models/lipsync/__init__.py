"""Lip-sync runs, the same for every network that implements `network.LipSyncNetwork`.

`run` takes a request to an MP4, `engine` is its pipeline of threads, `face_frames` supplies the
frames with the tracked face, `blend` composites generated faces, `silence` finds pauses.
"""
