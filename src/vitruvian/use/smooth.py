"""The One Euro filter (Casiez, Roussel and Vogel, CHI 2012): steady where slow, prompt where fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OneEuro:
    """How strongly poses are smoothed."""

    min_cutoff: float = 1.0  # Hz, of what stands still: lower is steadier
    beta: float = 5.0  # Hz for each unit of speed, here persons' sizes a second: higher lags less
    speed_cutoff: float = 1.0  # Hz, of the speed itself


class Smoother:
    """One Euro over values that belong together, such as a pose (J, 2); each coordinate by itself."""

    def __init__(self, settings: OneEuro = OneEuro()):
        self.settings = settings
        self._seconds = -math.inf
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, value: np.ndarray, seconds: float, unit: float = 1.0) -> np.ndarray:
        """The smoothed value; a time that does not advance gives the last one again.

        Args:
            value: any shape, always the same one.
            seconds: when it was measured.
            unit: what speeds are measured in, e.g. the size of the person in px.
        """
        if self._value is None or self._speed is None:
            self._value, self._speed = np.array(value, np.float64), np.zeros(np.shape(value))
            self._seconds = seconds
            return self._value.astype(np.float32)
        gap = seconds - self._seconds
        if gap > 0:
            now = (value - self._value) / (gap * unit)
            share = smoothing_factor(self.settings.speed_cutoff, gap)
            self._speed = share * now + (1 - share) * self._speed
            cutoff = self.settings.min_cutoff + self.settings.beta * np.abs(self._speed)
            share = smoothing_factor(cutoff, gap)
            self._value = share * value + (1 - share) * self._value
            self._seconds = seconds
        return self._value.astype(np.float32)


def smoothing_factor(cutoff: float | np.ndarray, gap: float) -> float | np.ndarray:
    """The weight of a new value `gap` seconds after the last, for cut-off frequencies in Hz."""
    turn = 2 * math.pi * cutoff * gap
    return turn / (turn + 1)
