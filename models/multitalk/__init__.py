"""Talking pictures on the base of Wan2.1: MultiTalk, and InfiniteTalk with the same layers.

`request` validates the input and places the people, `voice` reads the voices, `loading` adds the
audio layers to the base that `models.wan` loads, `sampling` computes one clip after another.
`runner` joins them; `variants` holds the numbers in which the models differ.
"""
