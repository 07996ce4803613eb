"""What off-policy agents share: their rhythm, what they remember, and every gradient step."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents.agent import Learned
from sparse_rl.agents.eau_dqn import EauDQN
from sparse_rl.agents.normalization import RunningStatistics
from sparse_rl.agents.off_policy import OffPolicy, Rhythm
from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.memory.replay import Batch
from sparse_rl.spaces import Continuous, Discrete, EnvSpec, Outcome
from sparse_rl.sparsity import masks
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.study.preparation import build_agent
from tests.agents.reference import transitions

RHYTHM = Rhythm(
    environments=2,
    steps=3,
    gradient_steps=3,
    capacity=65,
    batch_size=4,
    n_step=1,
    discount=0.9,
    frame_stack=1,
    normalize=False,
)


class Network(NamedTuple):
    params: Any


class Witness(NamedTuple):
    """A state that writes down which batches it was given, and with which keys."""

    policy: Network
    actions: jax.Array
    keys: jax.Array
    count: jax.Array
    statistics: Any = ()


@dataclass(frozen=True)
class Listener(OffPolicy):
    """Learns nothing; its gradient is the number of the step that it was of."""

    rhythm: Rhythm

    def init(self) -> Witness:
        most = self.rhythm.gradient_steps
        return Witness(
            Network({"kernel": jnp.zeros(2)}),
            jnp.zeros((most, self.rhythm.batch_size), jnp.int32),
            jnp.zeros((most, 2), jnp.uint32),
            jnp.int32(0),
            self.fresh_statistics(jax.ShapeDtypeStruct((3,), jnp.float32)),
        )

    def random_action(self, key: jax.Array) -> jax.Array:
        return jax.random.randint(key, (self.environments,), 0, 4)

    def update(
        self, state: Witness, batch: Batch, key: jax.Array, steps_before: jax.Array
    ) -> Learned:
        count = state.count
        state = state._replace(
            actions=state.actions.at[count].set(batch.action),
            keys=state.keys.at[count].set(jax.random.key_data(key)),
            count=count + 1,
        )
        number = (count + 1).astype(jnp.float32)
        gradients = {"kernel": jnp.full(2, number)}
        metrics = {"number": number, "steps_before": steps_before}
        return Learned(state, metrics, {"policy": gradients})


def outcome(time: int) -> Outcome:
    flags = jnp.zeros(2, bool)
    return Outcome(jnp.full((2, 3), time + 1.0), jnp.zeros(2), flags, flags, ~flags)


def filled(agent: Listener, steps: int) -> tuple[Witness, Any]:
    """The actions of step t are t and 100 + t."""
    state, memory = agent.begin(agent.init(), jnp.zeros((2, 3)), jnp.int32(0))
    for time in range(steps):
        action = jnp.array([time, 100 + time], jnp.int32)
        state, memory = agent.remember(
            state, memory, jnp.int32(2 * time), action, (), outcome(time)
        )
    return state, memory


def test_every_gradient_step_has_a_batch_and_a_key_of_its_own() -> None:
    agent = Listener(RHYTHM)
    state, memory = filled(agent, 20)
    new, metrics, gradients = jax.jit(agent.learn)(state, memory, jax.random.key(0), jnp.int32(40))
    assert int(new.count) == 3
    assert len({tuple(actions) for actions in new.actions.tolist()}) == 3
    assert len({tuple(key) for key in new.keys.tolist()}) == 3
    assert set(np.unique(new.actions % 100)) <= set(range(20))
    assert set(np.unique(new.actions // 100)) == {0, 1}
    # What is said of an update is said of its last step.
    assert metrics["number"] == 3.0
    np.testing.assert_array_equal(gradients["policy"]["kernel"], [3.0, 3.0])


@pytest.mark.parametrize("gradient_steps", [1, 2, 3])
def test_gradient_steps_are_counted_over_all_updates(gradient_steps: int) -> None:
    """Not environment steps: what TD3 delays would come too often, or never."""
    agent = Listener(replace(RHYTHM, gradient_steps=gradient_steps))
    (state, memory), learn = filled(agent, 21), jax.jit(agent.learn)
    for update in range(1, 8):
        clock = jnp.int32(update * 2 * 3)  # three steps of two environments
        metrics = learn(state, memory, jax.random.key(0), clock).metrics
        assert int(metrics["steps_before"]) == update * gradient_steps - 1


def test_another_clock_is_another_chance() -> None:
    agent = Listener(RHYTHM)
    state, memory = filled(agent, 20)
    drawn = [
        agent.learn(state, memory, jax.random.key(0), jnp.int32(clock)).state.actions.tolist()
        for clock in (40, 40, 46)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_clock_of_all_environments_is_a_time_of_each() -> None:
    agent = Listener(RHYTHM)
    assert (agent.environments, agent.steps) == (2, 3)
    assert [int(agent.time(jnp.int32(clock))) for clock in (0, 2, 40)] == [0, 1, 20]
    # A row holds two environments: 65 steps are 32 rows, which hold 64.
    assert agent.rhythm.rows == 32
    assert agent.memory_steps == 64
    _, memory = filled(agent, 5)
    np.testing.assert_array_equal(memory.action[:5], [[t, 100 + t] for t in range(5)])
    np.testing.assert_array_equal(agent.observe(memory, jnp.int32(10)), np.full((2, 3), 5.0))
    alone = Listener(replace(RHYTHM, environments=1))
    assert int(alone.time(jnp.int32(7))) == 7
    assert alone.memory_steps == 65


@pytest.mark.parametrize("normalize", [False, True])
def test_observations_are_counted_where_they_are_to_be_normalized(normalize: bool) -> None:
    agent = Listener(replace(RHYTHM, normalize=normalize))
    state, _ = filled(agent, 4)
    variables = agent.variables(state)
    if not normalize:
        assert state.statistics == ()
        assert variables is state.policy.params
        return
    # The first observations, and one of each step; two environments see the same.
    assert isinstance(state.statistics, RunningStatistics)
    assert float(state.statistics.seen) == pytest.approx(2 * 5, rel=1e-4)
    np.testing.assert_allclose(state.statistics.mean, np.full(3, 2.0), rtol=1e-4)
    np.testing.assert_allclose(state.statistics.variance, np.full(3, 2.0), rtol=1e-4)
    assert variables["kernel"] is state.policy.params["kernel"]
    assert variables["statistics"]["normalize"]["mean"] is state.statistics.mean


def test_the_rhythm_is_what_is_configured() -> None:
    config = from_mapping(
        {
            "environment": "synthetic/frames",
            "agent": {"name": "dqn", "discount": 0.95},
            "network": {"torso": "nature", "normalize": False},
            "replay": {"capacity": 1_000, "batch_size": 16, "n_step": 3},
            "training": {
                "steps": 12_000,
                "learning_starts": 1_200,
                "train_frequency": 4,
                "gradient_steps": 2,
                "environments": 5,
            },
        }
    )
    spec = EnvSpec("frames", (84, 84), np.dtype(np.uint8), Discrete(3), 100, frame_stack=4)
    assert Rhythm.of(config, spec) == Rhythm(
        environments=5,
        steps=4,
        gradient_steps=2,
        capacity=1_000,
        batch_size=16,
        n_step=3,
        discount=0.95,
        frame_stack=4,
        normalize=False,
    )
    assert spec.policy_shape == (84, 84, 4)
    assert replace(spec, frame_stack=1).policy_shape == (84, 84)


def test_the_rhythm_has_what_changes_in_training() -> None:
    """The memory is emptied when it is asked for, and at the end of pruning, 0.7 of 1,000 steps."""
    values: dict[str, Any] = {
        "environment": "gymnax/CartPole-v1",
        "agent": {"name": "dqn"},
        "replay": {"n_step": 3, "n_step_begin": 300, "empty_at": [400]},
        "training": {"steps": 1_000, "learning_starts": 100},
        "sparsity": {"end": 0.7, "interval": 100},
    }
    spec = make(values["environment"]).spec
    rhythm = Rhythm.of(from_mapping(values), spec)
    assert (rhythm.emptied, rhythm.n_step_begin) == ((400,), 300)
    values["replay"]["empty_after_pruning"] = True
    assert Rhythm.of(from_mapping(values), spec).emptied == (400, 700)


def test_pixels_and_planes_are_not_normalized() -> None:
    breakout = from_mapping(
        {
            "environment": "gymnax/Breakout-MinAtar",
            "agent": {"name": "dqn"},
            "network": {"torso": "minatar", "hidden": [8], "normalize": True},
        }
    )
    with pytest.raises(
        ConfigError, match=r"^network.normalize: found true, .* gives bool; allowed"
    ):
        build_agent(breakout, make(breakout.environment).spec, FLOAT32)


@pytest.mark.parametrize("name", ["sac", "td3", "ddpg", "dqn", "rivals"])
def test_an_update_is_that_of_a_batch_that_was_normalized_before(name: str) -> None:
    """Of all networks and both observations: also the next ones, of which targets are made."""
    rivals = name == "rivals"
    name = "dqn" if rivals else name
    space = Discrete(2) if name == "dqn" else Continuous((-1.0,) * 2, (1.0,) * 2)
    spec = EnvSpec("numbers", (3,), np.dtype(np.float32), space, 100)

    def metrics(normalize: bool, statistics: Any, batch: Batch) -> dict[str, jax.Array]:
        config = from_mapping(
            {
                "environment": "gymnax/Pendulum-v1",
                "agent": {"name": name},
                "network": {"hidden": [4], "normalize": normalize},
                "replay": {"capacity": 100, "batch_size": 6},
                "training": {"steps": 1_000, "learning_starts": 10},
                "sparsity": {"interval": 10},
            }
        )
        agent: Any = build_agent(config, spec, FLOAT32)
        if rivals:
            agent = EauDQN.of(agent, Adaptive(2, 0.5, masks.prune_per_layer, end=1_000))
        state = agent.init(jax.random.key(0))._replace(statistics=statistics)
        learned: Learned = jax.jit(agent.update)(state, batch, jax.random.key(3), jnp.int32(1))
        more = {"losses of all": learned.state.losses} if rivals else {}
        return learned.metrics | more

    batch = transitions(6, 2)
    if name == "dqn":
        batch = batch._replace(action=jnp.asarray([0, 1, 1, 0, 0, 1]))
    mean, variance = np.float32([1.0, -2.0, 0.5]), np.float32([4.0, 0.25, 9.0])
    now, following = (
        (np.asarray(seen) - mean) / np.sqrt(variance)
        for seen in (batch.observation, batch.next_observation)
    )
    by_hand = batch._replace(observation=jnp.asarray(now), next_observation=jnp.asarray(following))
    statistics = RunningStatistics(jnp.float32(9), jnp.asarray(mean), jnp.asarray(variance))
    found = metrics(True, statistics, batch)
    for metric, wanted in metrics(False, (), by_hand).items():
        np.testing.assert_allclose(found[metric], wanted, rtol=1e-4, atol=1e-6, err_msg=metric)
