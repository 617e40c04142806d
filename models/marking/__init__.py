"""Marks in files that say how they were made, as laws and platforms ask for media made by AI.

The mark is IPTC's Digital Source Type in an XMP packet, or a tag of WebM: exiftool, browsers'
extensions and upload filters read it. It changes no pixel, and equal files stay equal.
"""
