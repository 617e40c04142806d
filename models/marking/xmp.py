"""The XMP packet of a mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.marking.source_type import DigitalSourceType

_PACKET = """\
<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 Iptc4xmpExt:DigitalSourceType="{uri}"
 xmp:CreatorTool="Kinomill"/>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def packet(source: DigitalSourceType) -> bytes:
    """The packet in UTF-8. It holds no time, so that equal results are equal files."""
    return _PACKET.format(uri=source.uri).encode()
