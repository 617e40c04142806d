"""The Wan image-to-video models: one runner for every variant, built on diffusers.

`request` validates and completes the input, `loading` reads the weights, `memory` decides how the
model fits the GPU, `sampling` turns noise into frames. `runner` joins them; `variants` holds the
numbers in which the models differ.
"""
