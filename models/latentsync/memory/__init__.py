"""GPU memory of LatentSync: what is on the GPU in a run, and how many faces the VAE takes."""
