"""Strict readers of image headers, one module per format: a file with two possible sizes has none.

Every decoder forgives something else: bytes between segments, a tag that occurs twice, a frame
larger than its canvas. A reader that forgives in another way reports a small size for an image that
is then decoded at a large one. These readers forgive nothing that could concern the size.
"""
