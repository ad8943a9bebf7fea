"""Whisper's features: 80 log-mel bands of 16 kHz sound, 100 frames a second, in numpy.

As in Whisper's own code: periodic Hann of 400 samples, hop 160, reflected edges, Slaney mel scale with area
normalisation, log10 clipped 8 below the peak, then (x + 4) / 4.
"""

from __future__ import annotations

import functools

import numpy as np

from callactors.speech.wave import Floats

RATE = 16_000  # samples per second
HOP = 160
_FFT = 400
_BANDS = 80


def _mel_to_hertz(mels: Floats) -> Floats:
    """The Slaney scale: linear to 1 kHz, logarithmic above."""
    linear = mels * 200.0 / 3.0
    logarithmic = 1000.0 * np.exp((mels - 15.0) * np.log(6.4) / 27.0)
    return np.where(mels >= 15.0, logarithmic, linear).astype(np.float32)


@functools.cache
def _filters() -> Floats:
    """The bands as triangles over the FFT's bins, (80, 201), each of the same area."""
    top = 15.0 + 27.0 * np.log(RATE / 2 / 1000.0) / np.log(6.4)
    edges = _mel_to_hertz(np.linspace(0.0, top, _BANDS + 2).astype(np.float32))
    bins = np.fft.rfftfreq(_FFT, 1.0 / RATE)
    ramps = edges[:, None] - bins[None, :]
    widths = np.diff(edges)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: Floats = (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    return filters


def log_mel(sound: Floats, seconds: int) -> Floats:
    """Features of `sound` (16 kHz, cut or padded with silence to `seconds`), shape (80, 100 * seconds)."""
    padded = np.zeros(seconds * RATE, np.float32)
    padded[: len(sound)] = sound[: len(padded)]
    edged = np.pad(padded, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(edged, _FFT)[::HOP][: seconds * 100]
    window = np.hanning(_FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32) ** 2
    bands = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    features: Floats = ((np.maximum(bands, bands.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return features
