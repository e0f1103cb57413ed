"""Vitruvian: 2-D human pose estimation you can trust."""

__version__ = "0.1.0"
