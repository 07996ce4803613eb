"""Parameters that brax saves, against brax's own deterministic policy."""

import pickle

import jax
import numpy as np
import pytest
from brax.io import model
from brax.training.acme import running_statistics
from brax.training.agents.ppo.networks import make_ppo_networks
from brax.training.agents.sac.networks import make_inference_fn, make_sac_networks

from sparse_rl.architecture.operations import Clip, Squash
from sparse_rl.artifact.graph import Normalize
from sparse_rl.artifact.packed import PackedActor, from_bytes, to_bytes
from sparse_rl.importers import read_policy
from tests.importers.stored import check_actions

NETWORKS = make_sac_networks(
    5,
    2,
    preprocess_observations_fn=running_statistics.normalize,
    hidden_layer_sizes=(16, 12),
    policy_network_layer_norm=False,
)
RANDOM = np.random.default_rng(0)
SEEN = (RANDOM.normal(size=(200, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, 1, -7, 100]).astype(np.float32)


def statistics(batch=SEEN):
    state = running_statistics.init_state(jax.numpy.zeros(5))
    return running_statistics.update(state, batch) if batch is not None else state


def policy():
    return NETWORKS.policy_network.init(jax.random.key(0))


def acted(params, seen=SEEN):
    act = make_inference_fn(NETWORKS)(params, deterministic=True)
    return np.asarray(act(seen, jax.random.key(1))[0])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "params"


@pytest.mark.parametrize("on_device", [True, False])
def test_actions_are_those_of_brax(file, on_device):
    params = (statistics(), policy())
    model.save_params(file, params if on_device else jax.device_get(params))
    imported = read_policy(file)
    assert imported.origin == "brax, SAC, observations normalized"
    check_actions(imported.graph, SEEN, acted(params))
    packed = from_bytes(to_bytes(PackedActor(imported.graph)))
    check_actions(packed.graph, SEEN, acted(params))


def test_statistics_of_nothing_are_no_normalization(file):
    params = (statistics(None), policy())
    model.save_params(file, params)
    imported = read_policy(file)
    assert imported.origin == "brax, SAC, observations not normalized"
    assert not any(isinstance(step, Normalize) for step in imported.graph.operations)
    near = RANDOM.normal(size=(200, 5)).astype(np.float32)  # from 100 on, every tanh is 1
    check_actions(imported.graph, near, acted(params, near))


def test_other_bounds_are_the_callers(file):
    model.save_params(file, (statistics(), policy()))
    bounds = Squash((-2.0, 0.0), (2.0, 1.0))
    assert read_policy(file).graph.output == Squash((-1.0,) * 2, (1.0,) * 2)
    assert read_policy(file, output=bounds).graph.output == bounds
    with pytest.raises(ValueError, match="output: found Clip; the policy's is Squash"):
        read_policy(file, output=Clip((-2.0, 0.0), (2.0, 1.0)))


def test_ppo_and_its_swish_are_refused(file):
    ppo = make_ppo_networks(5, 2).policy_network.init(jax.random.key(0))
    model.save_params(file, (statistics(), ppo, ppo))
    with pytest.raises(ValueError, match="brax's PPO, whose activation is swish; allowed: ReLU"):
        read_policy(file)
    model.save_params(file, (statistics(), ppo))
    with pytest.raises(ValueError, match="four layers of 32 units are brax's PPO"):
        read_policy(file)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda layers: layers.update(LayerNorm_0={}), "found LayerNorm_0, hidden_0, hidden_1"),
        (lambda layers: layers["hidden_1"].pop("bias"), "layers of brax: found hidden_0"),
        (
            lambda layers: layers["hidden_1"].update(kernel=np.zeros((3, 4), np.float32)),
            "hidden_1: kernel (3, 4) and bias (12,)",
        ),
        (
            lambda layers: layers["hidden_0"].update(bias=np.full(16, np.inf)),
            "hidden_0/bias: holds a number that is not finite",
        ),
        (lambda layers: layers["hidden_0"].update(bias="no"), "hidden_0/bias: found a str"),
        (
            lambda layers: layers.update(
                hidden_2={"kernel": np.zeros((12, 3)), "bias": np.zeros(3)}
            ),
            "3 outputs; expected means and scales",
        ),
    ],
)
def test_other_structures_are_one_line(file, change, line):
    layers = jax.device_get(policy())["params"]
    layers = {name: dict(layer) for name, layer in layers.items()}
    change(layers)
    file.write_bytes(pickle.dumps((statistics(), {"params": layers})))
    with pytest.raises(ValueError) as error:
        read_policy(file)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_other_statistics_are_one_line(file):
    for normalizer, line in (
        (None, "normalizer: found a NoneType"),
        (running_statistics.init_state({"a": jax.numpy.zeros(5)}), "statistics of a dictionary"),
        (running_statistics.init_state(jax.numpy.zeros(4)).replace(mean=SEEN[0, :4]), r"normalize"),
    ):
        model.save_params(file, (normalizer, policy()))
        with pytest.raises(ValueError, match=line):
            read_policy(file)


def test_a_pickle_of_something_else_says_what_is_readable(file):
    file.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="a pickle of a dict; readable: a packed actor"):
        read_policy(file)
