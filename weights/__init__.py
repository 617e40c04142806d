"""Model weights: manifests, the shared volume, download sources, downloads and mirrors.

Rooms, each importing only those to its right:
`download`, `mirror` -> `volume`, `sources` -> `manifest` -> `settings`, `progress`, `errors`.
"""
