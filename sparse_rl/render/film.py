"""Frames to a GIF: captions, several policies side by side, one palette for the whole film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sparse_rl import atomic_file
from sparse_rl.render.canvas import BACKGROUND, INK

STRIP, GAP = 24, 8


def captioned(picture: Image.Image, left: str, right: str) -> Image.Image:
    """The picture under a strip of text: who acts at the left, how well at the right."""
    frame = Image.new("RGB", (picture.width, picture.height + STRIP), BACKGROUND)
    frame.paste(picture, (0, STRIP))
    draw = ImageDraw.Draw(frame)
    font = ImageFont.load_default(14)
    draw.text((8, STRIP / 2 + 1), left, fill=INK, font=font, anchor="lm")
    draw.text((picture.width - 8, STRIP / 2 + 1), right, fill=INK, font=font, anchor="rm")
    return frame


def side_by_side(films: Sequence[Sequence[Image.Image]]) -> list[Image.Image]:
    """One film out of several; those that end early stand still at their last frame."""
    length = max(len(film) for film in films)
    joined = []
    for index in range(length):
        frames = [film[min(index, len(film) - 1)] for film in films]
        width = sum(frame.width for frame in frames) + GAP * (len(frames) - 1)
        whole = Image.new("RGB", (width, max(frame.height for frame in frames)), BACKGROUND)
        left = 0
        for frame in frames:
            whole.paste(frame, (left, 0))
            left += frame.width + GAP
        joined.append(whole)
    return joined


def write_gif(frames: Sequence[Image.Image], file: Path, frames_per_second: float) -> None:
    """Write an endless GIF under a temporary name, then rename it; the last frame stays a second.

    A GIF knows hundredths of a second only: the rate is the nearest it can show, at most 50.
    """
    if not frames:
        raise ValueError(f"{file}: no frames to write")
    palette = _palette(frames)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    duration = max(20, 10 * round(100 / frames_per_second))
    durations = [duration] * (len(frames) - 1) + [1000]
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file.replacing(file) as part:
        indexed[0].save(
            part,
            format="GIF",
            save_all=True,
            append_images=indexed[1:],
            duration=durations,
            loop=0,
            optimize=True,
        )


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """128 colours that suit frames from the whole film, so that nothing flickers."""
    chosen = [frames[round(i * (len(frames) - 1) / 3)] for i in range(4)]
    sheet = Image.new("RGB", (chosen[0].width, sum(frame.height for frame in chosen)))
    top = 0
    for frame in chosen:
        sheet.paste(frame, (0, top))
        top += frame.height
    return sheet.quantize(128)
