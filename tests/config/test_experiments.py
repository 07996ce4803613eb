"""The experiments in configs/: the paper's are the paper's, and each fits its environment."""

import importlib.util
import re

import jax
import pytest

from sparse_rl import envs
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import load_config
from sparse_rl.config.text import FOLDER
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import Continuous
from sparse_rl.sparsity import masks
from sparse_rl.study import memory
from sparse_rl.study.preparation import build_agent, prepare

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TASKS = ["Hopper", "Walker2d", "HalfCheetah", "Ant", "Humanoid", "Swimmer"]
GAMES = ["Pong", "Boxing", "Tutankham", "CrazyClimber", "Enduro"]

# Ivanov et al. (arXiv 2405.07748), tables of hyper-parameters; an independent copy of
# docs/protocol.md. Where a table says nothing, the value is Stable-Baselines3's default.
COMMON = {
    "agent.discount": 0.99,
    "replay.capacity": 1_000_000,
    "replay.n_step": 1,
    "training.gradient_steps": 1,
    "sparsity.begin": 0.2,
    "sparsity.end": 0.8,
    "sparsity.distribution": "uniform",
    "quantization.modes": ("int8w", "int8"),
    "quantization.fraction": 0.2,
}
SAC = COMMON | {
    "agent.name": "sac",
    "agent.learning_rate": 3e-4,
    "agent.adam_epsilon": 1e-8,
    "agent.weight_decay": 1e-4,
    "agent.tau": 0.005,
    "agent.initial_temperature": 1.0,
    "network.torso": "mlp",
    "network.hidden": (256, 256),
    "replay.batch_size": 256,
    "training.steps": 1_000_000,
    "training.learning_starts": 10_000,
    "training.train_frequency": 1,
    "sparsity.interval": 1_000,
    "sparsity.levels": (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
    "evaluation.every": 10_000,
    "evaluation.episodes": 20,
    "seeds": 10,
}
DQN = COMMON | {
    "agent.name": "dqn",
    "agent.learning_rate": 1e-4,
    "agent.target_interval": 8_000,
    "agent.tau": 1.0,
    "agent.gradient_clip": 10.0,
    "agent.exploration_fraction": 0.01,
    "agent.exploration_first": 1.0,
    "agent.exploration_last": 0.01,
    "agent.double": False,
    "network.hidden": (512,),
    "replay.batch_size": 32,
    "training.steps": 10_000_000,
    "training.learning_starts": 20_000,
    "training.train_frequency": 4,
    "sparsity.interval": 20_000,
    "sparsity.levels": (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
    "evaluation.every": 100_000,
    "evaluation.episodes": 10,
    "seeds": 5,
}
CNN = {"network.torso": "nature", "agent.adam_epsilon": 1e-8, "agent.weight_decay": 0.0}
RESNET = {"network.torso": "impala", "agent.adam_epsilon": 3.125e-4, "agent.weight_decay": 1e-5}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


PAPER = {f"sac_{task.lower()}_v4": SAC | {"environment": f"mujoco/{task}-v4"} for task in TASKS}
PAPER |= {f"sac_{task.lower()}": SAC for task in TASKS}  # brax's tasks of these names
for game in GAMES:
    for network, values in (("cnn", CNN), ("resnet", RESNET)):
        name = f"dqn_atari_{snake_case(game)}_{network}"
        PAPER[name] = DQN | values | {"environment": f"atari/{game}"}
OWN_TASKS = [name for name in PAPER if name.startswith("dqn") or name.endswith("v4")]
UNITS = {"M": 1e6, "G": 1e9}


def value(config: Config, key: str) -> object:
    found: object = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_hyper_parameters(name: str) -> None:
    config = load_config(name)
    assert {key: value(config, key) for key in PAPER[name]} == PAPER[name]
    # 600 and 300 steps of the schedule of Zhu and Gupta.
    steps = (config.prune_end - config.prune_begin) / config.sparsity.interval
    assert steps == (600 if name.startswith("sac") else 300)


def missing(config: Config) -> str:
    """The package that the environment needs and that is not installed."""
    suite = config.environment.partition("/")[0]
    needs = {"atari": ["ale_py"], "mujoco": ["gymnasium"], "gymnasium": ["gymnasium", "Box2D"]}
    wanted = needs.get(suite, [])
    return next((name for name in wanted if importlib.util.find_spec(name) is None), "")


@pytest.mark.parametrize("name", NAMES)
def test_environment_agent_and_network_fit(name: str) -> None:
    """From shapes alone: nothing is compiled."""
    config = load_config(name)
    if missing(config):
        pytest.skip(f"needs {missing(config)}")
    spec = envs.make(config.environment).spec
    agent = build_agent(config, spec, FLOAT32)
    layers = masks.layers(jax.eval_shape(agent.init, jax.random.key(0)).policy.params)
    shapes = [layer.shape for layer in layers]
    if isinstance(spec.action, Continuous):
        assert (*spec.observation_shape, config.network.hidden[0]) in shapes
        heads = 2 if config.agent.name == "sac" else 1
        head = (config.network.hidden[-1], len(spec.action.low))
        assert shapes.count(head) == heads
    else:
        assert (config.network.hidden[-1], spec.action.n) in shapes


@pytest.mark.parametrize("name", OWN_TASKS)
def test_steps_and_memory_are_what_the_comment_says(name: str) -> None:
    config = load_config(name, devices=1)
    if missing(config):
        pytest.skip(f"needs {missing(config)}")
    study = prepare(config)
    spec = study.environment.spec
    said = (FOLDER / f"{name}.yaml").read_text().partition("\nenvironment")[0].replace("\n#", "")
    steps = re.search(r"(\d+) million environment steps", said)
    assert steps and int(steps[1]) * 10**6 == sum(phase.member_steps for phase in study.phases)
    agent = study.agent(study.phases[0])
    key = jax.random.key(0)
    shape = (agent.environments, *spec.observation_shape)
    frames = jax.ShapeDtypeStruct(shape, spec.observation_dtype)
    clock = jax.ShapeDtypeStruct((), jax.numpy.int32)
    _, buffer = jax.eval_shape(agent.begin, jax.eval_shape(agent.init, key), frames, clock)
    buffer_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(buffer))
    found = re.search(r"A buffer of 1,000,000 \w+ is ([\d.]+) ([MG])B", said)
    assert found and float(found[1]) == pytest.approx(buffer_bytes / UNITS[found[2]], rel=0.02)
    networks = jax.tree.leaves(jax.eval_shape(agent.init, key))
    member = buffer_bytes + sum(leaf.size * leaf.dtype.itemsize for leaf in networks)
    held = memory.most_members(study, study.phases) * member / 1e9
    assert str(round(held)) in re.findall(r"(\d+) GB", said)


def test_lunar_lander_is_the_other_papers_double_dqn() -> None:
    config = load_config("dqn_lunarlander")
    assert config.environment == "gymnasium/LunarLander-v3"
    assert value(config, "agent.double") is True
