"""LatentSync 1.5 and 1.6: diffusion of the lower face in latents, 16 frames at a time.

`unet` is the network and its published names, `audio` the sound features of each frame, `mask`
which pixels are repainted, `geometry` the alignment of a face, `sampling` the denoising of a chunk.
Both versions are this one network; they differ in their weights and the size of a face.
"""
