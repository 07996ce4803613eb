"""What is compressed acts as its file says, and fits the environment that it is played in."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sparse_rl.architecture import check_bounds
from sparse_rl.architecture.operations import Clip, Observation, Output, Relu, Squash
from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import Dense, Graph
from sparse_rl.artifact.packed import PackedActor, save
from sparse_rl.artifact.weights import Weights
from sparse_rl.envs import make
from sparse_rl.selection.originals import Actions, of_files
from sparse_rl.spaces import Continuous
from tests.importers.stored import DATA

PENDULUM = "gymnax/Pendulum-v1"
BOUNDS = Squash((-2.0,), (2.0,))


def policy(output: Output = BOUNDS, divisor: float = 1.0, seed: int = 0) -> Graph:
    draw = np.random.default_rng(seed)
    first, second = (
        Dense(
            Weights(draw.normal(size=shape).astype(np.float32)),
            draw.normal(size=shape[1]).astype(np.float32),
        )
        for shape in ((3, 8), (8, 1))
    )
    return Graph(Observation((3,), "float32", divisor), (first, Relu(), second), output)


def saved(graph: Graph, folder: Path) -> Path:
    save(folder / "policy.srl", PackedActor(graph))
    return folder / "policy.srl"


def test_a_policy_that_is_named_twice_is_no_second_seed(tmp_path: Path) -> None:
    first = saved(policy(), tmp_path)
    again = tmp_path / "copy.srl"
    again.write_bytes(first.read_bytes())
    for twice in ([first, first], [first, again]):
        with pytest.raises(ValueError, match=r"policy\.srl once more; allowed: each policy once"):
            of_files(twice, None, PENDULUM, "")


def test_what_a_file_divides_its_observations_by_is_kept(tmp_path: Path) -> None:
    graph = policy(divisor=8.0)
    found = of_files([saved(graph, tmp_path)], None, PENDULUM, "").graphs[0]
    seen = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    np.testing.assert_array_equal(reference.act(found, seen), reference.act(graph, seen))
    assert found.observation.frame_stack == 1


@pytest.mark.parametrize(
    "output",
    [
        Squash((-1.0,), (1.0,)),
        Clip((-2.0,), (1.9,)),
        Clip((-4.0,), (4.0,)),
    ],
)
def test_other_bounds_than_the_environments_are_refused(output: Output, tmp_path: Path) -> None:
    file = saved(policy(output), tmp_path)
    with pytest.raises(ValueError) as raised:
        of_files([file], None, PENDULUM, "")
    assert str(raised.value) == (
        f"{file}: {PENDULUM}: action 0: found bounds of {output.low[0]:g} and {output.high[0]:g}; "
        f"allowed: the environment's, -2 and 2"
    )


def test_bounds_that_differ_by_rounding_are_the_same(tmp_path: Path) -> None:
    above = float(np.nextafter(np.float32(2), np.float32(3)))
    file = saved(policy(Clip((-2.0,), (above,))), tmp_path)
    assert of_files([file], None, PENDULUM, "").graphs[0].output == Clip((-2.0,), (above,))


@pytest.mark.parametrize(
    ("stems", "names"),
    [
        (["a", "b"], ("a", "b")),
        (["a", "b", "a"], ("a_0", "b", "a_2")),
        (["a", "a", "a_0"], ("0_a", "1_a", "2_a_0")),
    ],
)
def test_no_two_policies_have_one_name(
    stems: list[str], names: tuple[str, ...], tmp_path: Path
) -> None:
    files = []
    for number, stem in enumerate(stems):
        (tmp_path / str(number)).mkdir()
        file = saved(policy(seed=number), tmp_path / str(number))
        files.append(file.rename(tmp_path / f"{number}/{stem}"))
    assert of_files(files, None, PENDULUM, "").names == names


@pytest.mark.parametrize("bounds", [(20.1, 20.3), (0.1, 0.1)])
def test_bounds_of_doubles_are_those_of_the_file_in_float32(bounds: tuple[float, float]) -> None:
    """Beside a narrow range float32's rounding is large, and beside none it is everything."""
    low, high = ((float(np.float32(bound)),) for bound in bounds)
    action = Continuous((bounds[0],), (bounds[1],))
    spec = make(PENDULUM).spec
    check_bounds(policy(Clip(low, high)), dataclasses.replace(spec, action=action))


def test_a_model_that_leaves_the_rescaling_to_its_caller_is_told_how(tmp_path: Path) -> None:
    """torch.onnx's export of SAC's actor, as Stable-Baselines3 documents it, ends in a tanh."""
    pytest.importorskip("onnx")
    file = DATA / "onnx_sac_actor.onnx"
    with pytest.raises(ValueError, match=r"found bounds of -1 and 1; .*--actions squash rescales$"):
        of_files([file], None, PENDULUM, "")
    (graph,) = of_files([file], None, PENDULUM, "squash").graphs
    assert graph.output == BOUNDS


@pytest.mark.parametrize(
    ("name", "actions", "message"),
    [
        ("cleanrl_ppo.pth", "squash", r"--actions: found squash; allowed: clip$"),
        ("cleanrl_ppo.pth", "", r"action space: bounds of 1 actions, the last layer has 2$"),
        ("cleanrl_ppo_discrete.pth", "clip", r"--actions: found clip; allowed: argmax$"),
        ("sac.zip", "squash", r"--actions: found squash; allowed: nothing, as the file says"),
    ],
)
def test_what_is_said_of_actions_is_the_commands_option(
    name: str, actions: Actions, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        of_files([DATA / name], None, PENDULUM, actions)
    assert "output:" not in str(refused.value)


def test_without_an_environment_the_option_that_is_needed_is_named() -> None:
    with pytest.raises(ValueError, match=r"--actions: found none; allowed: clip$"):
        of_files([DATA / "cleanrl_ppo.pth"], None, "", "")
