"""The committed page of the zoo in a browser: who plays, what keys do, how it looks."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import live_page
from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import layers
from sparse_rl.play.levels import Study
from tests.browser import Browser
from tests.play.in_a_page import acted

STUDIES = live_page.studies()
LEVELS = [(at, level) for at, study in enumerate(STUDIES) for level in range(len(study.levels))]
each_level = pytest.mark.parametrize(
    ("study", "level"),
    LEVELS,
    ids=[f"{STUDIES[s].world.task}-{STUDIES[s].levels[n].name}" for s, n in LEVELS],
)
NUMBER = 1500
EPISODES = 40
NUMBERS = r"-?\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Browser:
    chromium.look(1280, 800, still=True)
    chromium.open(live_page.PAGE)
    chromium.ask("STARTED")
    return chromium


def observations_of(study: Study) -> np.ndarray:
    """Of the environment's whole range, and beyond what a good policy ever sees."""
    random = np.random.default_rng(0)
    if study.world.task == "Pendulum-v1":
        theta, speed = random.uniform(-np.pi, np.pi, NUMBER), random.uniform(-8, 8, NUMBER)
        return np.stack([np.cos(theta), np.sin(theta), speed], axis=1).astype(np.float32)
    if study.world.task == "Breakout-MinAtar":
        return random.random((NUMBER, 10, 10, 4)) < random.uniform(0, 0.5, (NUMBER, 1, 1, 4))
    high = (2.4, 3.0, 0.21, 3.0)
    return random.uniform(np.negative(high), high, (NUMBER, 4)).astype(np.float32)


@each_level
def test_a_committed_actor_acts_as_the_numpy_one(page: Browser, study: int, level: int) -> None:
    graph = STUDIES[study].levels[level].actor.graph
    observations = observations_of(STUDIES[study])
    name = f"STUDIES.studies[{study}].levels[{level}]"
    actions, outputs = acted(page, name, observations)
    expected, acts = reference.outputs(graph, observations), reference.act(graph, observations)
    if all(layer.weights.scale is not None for layer in layers(graph.operations)):
        np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    if actions.shape[1:] == acts.shape[1:]:
        np.testing.assert_allclose(actions, acts, rtol=0, atol=4e-5)  # of a range of 4
    else:
        several = STUDIES[study].world.task == "Breakout-MinAtar"
        assert len(np.unique(acts)) in ((2, 3) if several else (2,))
        np.testing.assert_array_equal(actions[:, 0], acts)


@each_level
def test_episodes_in_the_page_are_worth_what_is_on_record(
    page: Browser, study: int, level: int
) -> None:
    """Their mean lies within five standard errors of the difference of both means."""
    found = page.ask(f"""(() => {{
      const view = VIEWS[{study}];
      return Array.from({{ length: {EPISODES} }}, (_, number) => {{
        const episode = new Episode(view.study, 5000 + number);
        while (!episode.ended) episode.step(view.actors[{level}], {level});
        return episode.return;
      }});
    }})()""")
    returns = np.array(found)
    mean, low, high = map(float, re.findall(NUMBERS, STUDIES[study].levels[level].recorded)[:3])
    own = returns.std(ddof=1) / np.sqrt(EPISODES)
    theirs = (high - low) / 4
    assert abs(returns.mean() - mean) <= 5 * np.hypot(own, theirs) + 0.5


def shown(page: Browser) -> list[str]:
    return page.ask("""["name", "size", "numbers"].map(
      (part) => document.querySelector(`#study-0 [data-lane="1"] [data-part=${part}]`).textContent
    )""")


def test_the_slider_moves_by_keyboard(page: Browser) -> None:
    """From the tabs on with the Tab key, then with the arrows, Home and End."""
    page.ask("document.querySelector('input[name=study]').focus()")
    for _ in range(3):
        page.press("Tab")
        if page.ask("document.activeElement.type") == "range":
            break
    levels = STUDIES[0].levels
    slider = "document.activeElement"
    assert page.ask(f"{slider}.getAttribute('aria-label')").startswith("Level")
    page.press("Home")
    for at, level in enumerate(levels):
        name, size, _ = shown(page)
        assert (name, size) == (level.name, f"{level.size:,}")
        assert page.ask(f"{slider}.value") == str(at)
        said = page.ask(f"{slider}.getAttribute('aria-valuetext')")
        assert said == f"{level.name}, {level.size:,} bytes"
        assert page.ask("VIEWS[0].lanes.levels") == [0, at]
        row = page.ask("document.querySelector('#study-0 tr.chosen td').textContent")
        assert row == level.name
        page.press("ArrowRight")
    page.press("ArrowLeft")
    assert shown(page)[0] == levels[-2].name
    page.press("End")
    assert shown(page)[0] == levels[-1].name


def test_it_stands_still_where_that_is_preferred_and_buttons_start_it(page: Browser) -> None:
    button = "document.querySelector('#study-0 [data-part=run]')"
    assert page.ask(f"{button}.textContent") == "Play"
    before = page.ask("VIEWS[0].lanes.episodes[0].steps")
    waited = (
        "new Promise((done) => setTimeout(done, 400)).then(() => VIEWS[0].lanes.episodes[0].steps)"
    )
    assert page.ask(waited) == before
    page.ask(f"{button}.focus()")
    page.press(" ")
    assert page.ask(f"{button}.textContent") == "Pause"
    assert page.ask(waited) > before
    page.press(" ")
    assert page.ask(f"{button}.textContent") == "Play"


def test_only_whole_episodes_of_one_actor_that_nobody_pushed_count(page: Browser) -> None:
    played = """(prepare) => {
      const view = VIEWS[0], { lanes } = view;
      view.choose(1);
      lanes.begin();
      const before = view.tallies.map((tally) => tally.episodes);
      for (let at = 0; at < 200; at++) {
        if (at === 100) prepare(view);
        lanes.step();
      }
      return view.tallies.map((tally, at) => tally.episodes - before[at]);
    }"""
    others = [0] * (len(STUDIES[0].levels) - 2)
    assert page.ask(f"({played})(() => {{}})") == [1, 1, *others]
    assert page.ask(f"({played})((view) => view.choose(2))") == [1, 0, *others]
    assert page.ask(f"({played})((view) => view.lanes.push(1))") == [0, 0, *others]


def test_both_lanes_start_alike_and_the_same_actor_plays_alike(page: Browser) -> None:
    found = page.ask("""(() => {
      const { lanes } = VIEWS[0];
      VIEWS[0].choose(0);
      lanes.seed += 1;
      lanes.begin();
      for (let at = 0; at < 50; at++) lanes.step();
      return lanes.episodes.map((episode) => [episode.return, episode.state.theta]);
    })()""")
    assert found[0] == found[1]


def test_nothing_comes_from_elsewhere(page: Browser) -> None:
    text = live_page.PAGE.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']+""", text)
    assert "@import" not in text and "http" not in text
    assert len(text) < 500_000  # a network on images is in it
    assert page.errors == []


def test_a_time_is_measured_and_said(page: Browser) -> None:
    """Nothing is asserted about how long it takes."""
    said = page.ask("""new Promise((done) => {
      VIEWS[0].choose(2);
      const look = () => {
        const text = document.querySelector('#study-0 [data-time="2"]').textContent;
        if (text !== "-") done(text);
        else setTimeout(look, 50);
      };
      look();
    })""")
    assert re.fullmatch(r"[\d.]+\sµs", said)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 390])
def test_it_fits_and_both_pictures_show_something(
    chromium: Browser, tmp_path, width: int, dark: bool
) -> None:
    chromium.look(width, 844, dark, still=True)
    chromium.open(live_page.PAGE)
    chromium.ask("STARTED")
    size = chromium.ask("[document.documentElement.scrollWidth, innerWidth]")
    assert size == [width, width], "the page must not scroll sideways"
    boxes = chromium.ask("""["figure:first-child canvas", "figure:last-child canvas", ".controls"]
      .map((place) => {
        const part = document.querySelector(`#study-0 ${place}`);
        const { left, top, width, height } = part.getBoundingClientRect();
        return { left, top, width, height };
      })""")
    first, second, controls = boxes
    assert first["top"] == second["top"] and first["left"] < second["left"]
    assert controls["top"] + controls["height"] <= 844, "the slider is seen beside the pictures"
    file = tmp_path / "page.png"
    chromium.picture(file)
    pixels = np.asarray(Image.open(io.BytesIO(file.read_bytes())).convert("L"), float)
    assert (pixels[3, 3] < 60) == dark
    for box in (first, second):
        left, top = int(box["left"]), int(box["top"])
        part = pixels[top : top + int(box["height"]), left : left + int(box["width"])]
        assert part.size > 20_000 and part.std() > 8, box
