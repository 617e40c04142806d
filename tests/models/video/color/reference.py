"""A picture of many colors, and clips of it in other color spaces, made by formula."""

import av
import numpy as np

PQ, HLG = 16, 18
BT2020_FROM_BT709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
P3_FROM_BT709 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}


def picture(width=192, height=128):
    """RGB of uint8: hues across, brightness down, and a gray ramp at the bottom."""
    y, x = np.mgrid[0:height, 0:width]
    hue = 2 * np.pi * x / width
    level = 40 + 200 * y / height
    phases = np.array([0, 2 * np.pi / 3, 4 * np.pi / 3])
    colors = level[..., None] * (0.7 + 0.3 * np.cos(hue[..., None] - phases))
    ramp = np.repeat(255 * x[..., None] / (width - 1), 3, axis=2)
    return np.where(y[..., None] < height * 3 // 4, colors, ramp).round().astype(np.uint8)


def linear(rgb):
    value = rgb / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def pq(light):
    """ST 2084 of light with its white at 203 cd/m2."""
    power = (light * 203 / 10_000) ** (2610 / 16_384)
    ratio = (3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)
    return ratio ** (2523 / 32)


def hlg(light):
    """STD-B67 of light with its white at 203 of 1,000 cd/m2, by the system gamma of 1.2."""
    display = light * 0.203
    luminance = display @ [0.2627, 0.6780, 0.0593]
    scene = display * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    bright = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def hdr(rgb, transfer):
    """The signal in PQ or HLG with the primaries of BT.2020, within 0..1."""
    return {PQ: pq, HLG: hlg}[transfer](linear(rgb) @ BT2020_FROM_BT709.T)


def yuv(signal, matrix, *, full=False):
    """Planes `(3, H, W)` within 0..1 of the codes of 8 bits, limited or full range."""
    red, blue = WEIGHTS[matrix]
    luma = signal @ [red, 1 - red - blue, blue]
    chroma = [(signal[..., 2] - luma) / (2 - 2 * blue), (signal[..., 0] - luma) / (2 - 2 * red)]
    if full:
        return np.stack([luma * 255, *(128 + 255 * plane for plane in chroma)]) / 256
    return np.stack([16 + 219 * luma, *(128 + 224 * plane for plane in chroma)]) / 256


def clip(path, planes, *, flags=(2, 2, 2), full=None, bits=10, frames=3, size=None):
    """A lossless H.264 of 4:4:4; `flags` are those of primaries, transfer and matrix."""
    scale = 1 << bits
    kind = np.uint8 if bits == 8 else np.uint16
    codes = np.rint(planes * scale).clip(0, scale - 1).astype(kind)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"qp": "0"})
        video.height, video.width = codes.shape[1:]
        video.pix_fmt = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace = flags
        if full is not None:
            context.color_range = 2 if full else 1
        for number in range(frames):
            frame = av.VideoFrame(video.width, video.height, video.pix_fmt)
            for plane, code in zip(frame.planes, codes, strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                row = np.ascontiguousarray(code).view(np.uint8).reshape(plane.height, -1)
                rows[:, : row.shape[1]] = row
                plane.update(rows)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def error(image, rgb):
    """Mean difference of a BGR image to RGB, of 255."""
    return np.abs(image[..., ::-1] - rgb.astype(float)).mean()
