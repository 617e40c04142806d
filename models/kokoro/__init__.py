"""Speech synthesis with Kokoro-82M, for lip-sync models that take a text in place of a voice.

`tts` is the entry point; `g2p` and `chunking` prepare the text, `synthesizer` runs the network. The
code of Kokoro needs GPL-3 packages, so it is imported only if the extra `speech` is installed and
the weights are present.
"""
