from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from sparse_rl.render.film import GAP, STRIP, captioned, side_by_side, write_gif


def plain(shade: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.new("RGB", size, (shade, 10, 10))


def test_gif_has_every_frame_at_its_time(tmp_path: Path) -> None:
    file = tmp_path / "new" / "film.gif"
    write_gif([plain(shade) for shade in (0, 80, 160, 240)], file, frames_per_second=25)
    with Image.open(file) as gif:
        frames = [frame.convert("RGB").getpixel((5, 5)) for frame in ImageSequence.Iterator(gif)]
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert gif.info["loop"] == 0
    reds = [pixel[0] for pixel in frames if isinstance(pixel, tuple)]
    np.testing.assert_allclose(reds, [0, 80, 160, 240], atol=6)
    assert durations == [40, 40, 40, 1000]
    assert [one.name for one in file.parent.iterdir()] == ["film.gif"]


def test_no_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_gif([], tmp_path / "film.gif", 10)


def test_side_by_side_holds_the_last_frame_of_the_shorter() -> None:
    joined = side_by_side([[plain(0), plain(200)], [plain(10), plain(20), plain(30)]])
    assert len(joined) == 3
    assert joined[0].size == (120 + GAP, 40)
    lefts = [np.asarray(frame)[20, 10, 0] for frame in joined]
    rights = [np.asarray(frame)[20, 60 + GAP + 10, 0] for frame in joined]
    assert lefts == [0, 200, 200] and rights == [10, 20, 30]


def test_caption_is_written_above_the_picture() -> None:
    frame = np.asarray(captioned(plain(200, (200, 40)), "dense", "return 5")).astype(int)
    assert frame.shape == (40 + STRIP, 200, 3)
    assert (frame[STRIP:, :, 0] == 200).all()
    bright = frame[:STRIP].min(axis=-1) > 150
    assert bright[:, :60].any() and bright[:, -70:].any() and not bright[:, 90:110].any()
