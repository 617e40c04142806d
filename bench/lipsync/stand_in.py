"""A stand-in for the authors' script, written from its description, for machines without it.

As there, all frames are decoded into memory, the plain network runs in float32 in batches of 128,
the frames are written as MPEG-4 in an AVI file, and that is encoded again as H.264, with the sound.
Two things are faster than there: the mel spectrogram is ours, so librosa is not imported, and the
second encoder runs in this process. `python -m bench.lipsync.stand_in CHECKPOINT CLIP VOICE REGION
OUT`; the region is JSON.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import torch

from models.video import sound
from models.wav2lip import mel as mels
from models.wav2lip.network import Block, Wav2Lip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH = 128
SIZE = 96


def main() -> None:
    checkpoint, clip, voice, region, out = sys.argv[1:]
    images, fps = read_frames(clip)
    mel = mels.mel_of_blocks(sound.blocks(Path(voice), rate=mels.RATE))
    starts = mels.window_starts(mel.shape[1], fps, upstream=True)
    network = load(checkpoint)
    sides = json.loads(region)
    box = slice(sides["top"], sides["bottom"]), slice(sides["left"], sides["right"])
    height, width = images[0].shape[:2]
    partial = f"{out}.avi"
    codec = cv2.VideoWriter.fourcc(*"DIVX")
    writer = cv2.VideoWriter(partial, codec, fps, (width, height))
    for first in range(0, len(starts), BATCH):
        batch = [images[n % len(images)] for n in range(first, min(first + BATCH, len(starts)))]
        windows = [mel[:, start : start + mels.COLUMNS] for start in starts[first : first + BATCH]]
        for image, face in zip(batch, generate(network, batch, box, windows), strict=True):
            frame = image.copy()
            target = frame[box]
            target[:] = cv2.resize(face.astype(np.uint8), target.shape[1::-1])
            writer.write(frame)
    writer.release()
    encode_again(partial, voice, out)


def read_frames(clip: str) -> tuple[list[Any], float]:
    capture = cv2.VideoCapture(clip)
    images = []
    while (read := capture.read())[0]:
        images.append(read[1])
    return images, capture.get(cv2.CAP_PROP_FPS)


def load(checkpoint: str) -> Wav2Lip:
    network = Wav2Lip()
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict(state)
    return network.eval()


def generate(network: Wav2Lip, images: list[Any], box: Any, windows: list[Any]) -> Any:
    faces = np.asarray([cv2.resize(image[box], (SIZE, SIZE)) for image in images])
    masked = faces.copy()
    masked[:, SIZE // 2 :] = 0
    both = np.concatenate((masked, faces), axis=3) / 255.0
    face = torch.FloatTensor(np.transpose(both, (0, 3, 1, 2)))
    mel = torch.FloatTensor(np.asarray(windows)[:, None])
    with torch.no_grad():
        result = forward(network, mel, face)
    return result.numpy().transpose(0, 2, 3, 1) * 255.0


def forward(network: Wav2Lip, mel: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
    """The whole batch layer by layer, without our changes for speed."""
    skips = []
    for encoder in network.face_encoder_blocks:
        face = run(encoder, face)
        skips.append(face)
    x = run(network.audio_encoder, mel)
    for decoder in network.face_decoder_blocks:
        x = torch.cat((run(decoder, x), skips.pop()), dim=1)
    return run(network.output_block, x)


def run(layers: Iterable[Any], x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        if isinstance(layer, Block):
            y = layer.conv_block(x)
            x = torch.relu(y + x if layer.residual else y)
        else:
            x = layer(x)
    return x


def encode_again(partial: str, voice: str, out: str) -> None:
    """With the defaults of the `ffmpeg` command: libx264 at CRF 23 and AAC."""
    with av.open(partial) as video, av.open(voice) as audio, av.open(out, "w") as target:
        source = video.streams.video[0]
        rate = Fraction(source.average_rate or 25)
        stream = target.add_stream("libx264", rate=rate, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = source.width, source.height, "yuv420p"
        sound_stream = target.add_stream("aac", rate=audio.streams.audio[0].rate)
        for kind, frames in ((stream, video.decode(source)), (sound_stream, audio.decode(audio=0))):
            for frame in _without_times(frames):
                target.mux(kind.encode(frame))
            target.mux(kind.encode(None))


def _without_times(frames: Iterable[Any]) -> Iterator[Any]:
    for frame in frames:
        frame.pts = None
        yield frame


if __name__ == "__main__":
    main()
