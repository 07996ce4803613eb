"""State dicts with the names of CleanRL's scripts, against what PyTorch computed of them."""

import io
import zipfile

import numpy as np
import pytest

from sparse_rl.architecture.operations import ArgMax, Clip, Observation, Squash
from sparse_rl.artifact.graph import Dense
from sparse_rl.artifact.reference import outputs
from sparse_rl.importers import read_policy, state_dict
from tests.importers.stored import DATA, check_actions, stored

BOUNDS = Clip((-2.0, 0.0), (1.0, 3.0))
SQUASH = Squash((-1.0,) * 4, (1.0,) * 4)
POLICIES = {
    "cleanrl_sac": (None, "CleanRL, SAC, a state dict"),
    "cleanrl_sac_half": (None, "CleanRL, SAC, a state dict"),
    "cleanrl_td3": (None, "CleanRL, TD3 or DDPG, a state dict"),
    "cleanrl_ppo": (BOUNDS, "CleanRL, PPO, a state dict"),
    "cleanrl_ppo_discrete": (None, "CleanRL, PPO, a state dict"),
    "cleanrl_dqn": (ArgMax(), "CleanRL, DQN, a state dict"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_actions_are_those_of_pytorch(name):
    output, origin = POLICIES[name]
    imported = read_policy(DATA / f"{name}.pth", output=output)
    assert imported.origin == origin and imported.environment == ""
    check_actions(imported.graph, *stored(name))


def test_bounds_come_from_the_file_or_the_caller():
    squash = Squash((-2.0, 0.5), (2.0, 1.5))
    assert read_policy(DATA / "cleanrl_sac.pth").graph.output == squash
    assert read_policy(DATA / "cleanrl_sac.pth", output=squash).graph.output == squash
    with pytest.raises(ValueError, match=r"cleanrl_sac\.pth: output: found Squash"):
        read_policy(DATA / "cleanrl_sac.pth", output=Squash((-1.0, -1.0), (1.0, 1.0)))
    with pytest.raises(ValueError, match=r"cleanrl_ppo\.pth: .*needs output: found no output"):
        read_policy(DATA / "cleanrl_ppo.pth")
    with pytest.raises(ValueError, match="needs output: found Squash; allowed: Clip"):
        read_policy(DATA / "cleanrl_ppo.pth", output=squash)
    with pytest.raises(ValueError, match="bounds of 1 actions, the last layer has 2"):
        read_policy(DATA / "cleanrl_ppo.pth", output=Clip((-1.0,), (1.0,)))
    with pytest.raises(ValueError, match="output: found Clip; the policy's is ArgMax"):
        read_policy(DATA / "cleanrl_dqn.pth", output=BOUNDS)


def with_tensors(monkeypatch, tensors, output=None):
    monkeypatch.setattr(state_dict.torch_tensors, "load", lambda archive: None)
    monkeypatch.setattr(state_dict.torch_tensors, "tensors_of", lambda saved: tensors)
    return state_dict.read(None, output)


def linear(name, inputs, outputs):
    random = np.random.default_rng(0)
    weight = random.normal(size=(outputs, inputs)).astype(np.float32)
    return {f"{name}.weight": weight, f"{name}.bias": random.normal(size=outputs)}


def test_pixels_are_read_by_the_nature_network(monkeypatch):
    """The network of cleanrl/dqn_atari.py, computed here in PyTorch's order of axes."""
    random, tensors = np.random.default_rng(0), {}
    shapes = {0: (8, 4, 8, 8), 2: (6, 8, 4, 4), 4: (5, 6, 3, 3)}
    for number, shape in shapes.items():
        tensors[f"network.{number}.weight"] = random.normal(0, 0.1, shape).astype(np.float32)
        tensors[f"network.{number}.bias"] = random.normal(0, 0.1, shape[0]).astype(np.float32)
    tensors |= linear("network.7", 5 * 2 * 2, 12) | linear("network.9", 12, 3)
    graph = with_tensors(monkeypatch, tensors).graph
    assert graph.observation == Observation((44, 44, 4), "uint8", 255.0)
    x = random.integers(0, 256, (3, 4, 44, 44)).astype(np.uint8)
    y = x / 255
    for number, stride in zip(shapes, (4, 2, 1), strict=True):
        kernel = tensors[f"network.{number}.weight"]
        windows = np.lib.stride_tricks.sliding_window_view(y, kernel.shape[2:], (2, 3))
        y = np.einsum("bchwij,ocij->bohw", windows[:, :, ::stride, ::stride], kernel)
        y = np.maximum(y + tensors[f"network.{number}.bias"][:, None, None], 0)
    hidden = y.reshape(3, -1) @ tensors["network.7.weight"].T + tensors["network.7.bias"]
    expected = np.maximum(hidden, 0) @ tensors["network.9.weight"].T + tensors["network.9.bias"]
    np.testing.assert_allclose(outputs(graph, x.transpose(0, 2, 3, 1)), expected, rtol=1e-4)


def test_a_hidden_layer_more_or_less_is_no_matter(monkeypatch):
    tensors = (
        linear("fc1", 3, 4) | linear("fc2", 4, 5) | linear("fc3", 5, 6) | linear("fc_mu", 6, 1)
    )
    given = Squash((-2.0,), (2.0,))
    graph = with_tensors(monkeypatch, tensors, given).graph
    assert sum(isinstance(step, Dense) for step in graph.operations) == 4
    assert graph.output == given
    with pytest.raises(ValueError, match="without action_scale needs output"):
        with_tensors(monkeypatch, tensors)


@pytest.mark.parametrize(
    ("tensors", "line"),
    [
        ({}, "no state dict of a known policy: found no tensors"),
        (linear("layer", 3, 4), "no state dict of a known policy: found layer.weight"),
        (linear("fc_mean", 3, 4) | linear("norm", 3, 4), "norm.weight: no layer of CleanRL's"),
        (linear("a.fc_mu", 3, 4) | linear("b.fc_mu", 3, 4), "2 policies with a layer fc_mu"),
        (
            linear("fc1", 3, 4) | linear("fc3", 4, 4) | linear("fc_mu", 4, 4),
            "fc2.weight is missing",
        ),
        (linear("actor.0", 3, 4) | linear("actor.1", 4, 4), "actor: has the layers 0, 1"),
        (linear("actor.0", 3, 4) | linear("actor.2", 5, 4), "dense (5, 4) after shape (4,)"),
        ({"actor.0.weight": np.zeros((4, 3))}, "actor.0.bias is missing"),
        ({"actor.0.weight": np.zeros(3)} | linear("critic", 1, 1), "actor.0.bias is missing"),
        (
            {"actor.0.weight": np.full((4, 3), np.nan), "actor.0.bias": np.zeros(4)},
            "actor.0.weight: holds a number that is not finite",
        ),
    ],
)
def test_other_names_and_shapes_are_one_line(monkeypatch, tensors, line):
    with pytest.raises(ValueError) as error:
        with_tensors(
            monkeypatch, tensors, SQUASH if any("fc" in name for name in tensors) else None
        )
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_network_beside_its_target_is_the_one_that_acts(monkeypatch):
    tensors = linear("q.network.0", 3, 4) | linear("q_target.network.0", 3, 4)
    assert with_tensors(monkeypatch, tensors).graph.output == ArgMax()


def test_the_format_before_the_zip_file_is_named(tmp_path):
    file = tmp_path / "old.pt"
    file.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.")
    with pytest.raises(ValueError, match=r"old\.pt: torch\.save's format before PyTorch 1\.6"):
        read_policy(file)


def test_a_zip_file_of_something_else_says_what_is_readable(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("text", "x")
    (tmp_path / "a.zip").write_bytes(content.getvalue())
    with pytest.raises(ValueError, match=r"a\.zip: a zip file of something else; readable: a pack"):
        read_policy(tmp_path / "a.zip")
