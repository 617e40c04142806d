"""How the content of a file came to be, in the words of IPTC."""

from __future__ import annotations

from enum import StrEnum


class DigitalSourceType(StrEnum):
    """Terms of https://cv.iptc.org/newscodes/digitalsourcetype/."""

    TRAINED = "trainedAlgorithmicMedia"
    """A neural network made it, or a part of it."""
    ALGORITHMIC = "algorithmicMedia"
    """A program without training data made it."""

    @property
    def uri(self) -> str:
        """The identifier, as files carry it."""
        return f"http://cv.iptc.org/newscodes/digitalsourcetype/{self}"


TAG = "DIGITAL_SOURCE_TYPE"
"""Name of the tag in a Matroska or WebM file, which have no place for XMP."""
