"""Peers: the same numbers for all, processes that answer, and the table; no library, no network."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import entrants, environments, rejax_dqn, rejax_ppo, sbx_sac, table
from benchmarks.peers import sparse_rl_population as ours
from benchmarks.peers import stable_baselines3_ppo as stable_ppo
from benchmarks.peers import stable_baselines3_sac as stable
from benchmarks.peers.conversation import Order, from_text, to_text
from benchmarks.peers.entrants import ENTRANTS, OURS, Entrant
from benchmarks.peers.process import Contender, PeerError, PeerProcess
from benchmarks.peers.settings import (
    TINY,
    WORK,
    DQNSettings,
    PPOSettings,
    SACSettings,
    Settings,
    block_of,
)
from sparse_rl.config.reading import from_mapping, load_config
from sparse_rl.networks import QNetwork
from tests.example_networks import q_values

STAND_IN = "tests.benchmarks.peer_stand_in"
SAC, DQN = SACSettings(), DQNSettings()


def test_sac_has_the_papers_numbers_everywhere() -> None:
    config = from_mapping(ours.configuration(SAC, 10))
    paper = {
        "learning_rate": 3e-4,
        "buffer_size": 1_000_000,
        "batch_size": 256,
        "tau": 0.005,
        "gamma": 0.99,
        "train_freq": 1,
        "gradient_steps": 1,
    }
    own = {
        "learning_rate": config.agent.learning_rate,
        "buffer_size": config.replay.capacity,
        "batch_size": config.replay.batch_size,
        "tau": config.agent.tau,
        "gamma": config.agent.discount,
        "train_freq": config.training.train_frequency,
        "gradient_steps": config.training.gradient_steps,
    }
    assert own == paper
    for library in (stable, sbx_sac):
        words = library.keywords(SAC)
        assert {name: words[name] for name in paper} == paper
        assert words["env"] == "HalfCheetah-v4"
        assert words["policy_kwargs"] == {"net_arch": [256, 256]}
        assert words["learning_starts"] == config.training.learning_starts
    assert config.environment == "mujoco/HalfCheetah-v4?impl=host"
    assert config.network.hidden == (256, 256)
    assert config.agent.weight_decay == 0.0  # the libraries' Adam has none


def test_dqn_has_the_numbers_of_our_configuration_everywhere() -> None:
    config = from_mapping(ours.configuration(DQN, 10))
    published = load_config("dqn_breakout_minatar")
    for found in (config, published):
        assert found.environment == "gymnax/Breakout-MinAtar"
        assert found.network == config.network
        assert found.replay == config.replay
        assert found.agent.exploration_last == 0.01
        assert found.training.train_frequency == 4
        words = rejax_dqn.keywords(DQN, 100)
        assert words["learning_rate"] == found.agent.learning_rate
        assert words["gamma"] == found.agent.discount
        assert words["max_grad_norm"] == found.agent.gradient_clip
        assert words["target_update_freq"] == found.agent.target_interval
        assert words["buffer_size"] == found.replay.capacity
        assert words["batch_size"] == found.replay.batch_size
        assert words["num_envs"] / words["num_epochs"] == found.training.train_frequency


@pytest.mark.parametrize("name", ["ppo", "ppo_pendulum", "ppo_hopper"])
def test_ppo_has_the_same_numbers_everywhere(name: str) -> None:
    settings = WORK[name]
    assert isinstance(settings, PPOSettings)
    config = from_mapping(ours.configuration(settings, 10))
    agent = config.agent
    batches = settings.rollout // agent.batch_size
    own = {
        "n_steps": agent.rollout_steps,
        "batch_size": agent.batch_size,
        "n_epochs": agent.epochs,
        "learning_rate": agent.learning_rate,
        "gamma": agent.discount,
        "gae_lambda": agent.gae_lambda,
        "clip_range": agent.clip,
        "ent_coef": agent.entropy_coefficient,
        "vf_coef": agent.value_coefficient,
        "max_grad_norm": agent.gradient_clip,
    }
    words = stable_ppo.keywords(settings)
    assert {key: words[key] for key in own} == own
    assert words["policy_kwargs"] == {"net_arch": list(config.network.hidden)}
    block = block_of(settings, 100)
    rejax = rejax_ppo.keywords(settings, block)
    assert (rejax["num_steps"], rejax["num_epochs"]) == (own["n_steps"], own["n_epochs"])
    assert (rejax["num_envs"], rejax["num_minibatches"]) == (8, batches)
    shared = ("learning_rate", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm")
    assert {key: rejax[key] for key in shared} == {key: own[key] for key in shared}
    assert rejax["clip_eps"] == own["clip_range"]
    assert rejax["agent_kwargs"]["hidden_layer_sizes"] == config.network.hidden
    assert config.network.activation == rejax["agent_kwargs"]["activation"] == "tanh"
    assert config.environment == settings.environment
    assert rejax["env"] == settings.task
    assert settings.task == {"ppo": "CartPole-v1", "ppo_pendulum": "Pendulum-v1"}.get(
        name, "Hopper-v4"
    )
    assert config.training.environments == settings.environments == 8
    # Every library trains for whole rollouts, of which a block is the least number.
    assert block % config.steps_per_update == 0
    assert config.steps_per_update == settings.rollout <= block < 100 + settings.rollout


def test_ppo_has_the_numbers_of_our_configuration() -> None:
    """CartPole's; Pendulum's has eight environments instead of four, and rollouts as long."""
    published = load_config("ppo_cartpole")
    found = from_mapping(ours.configuration(WORK["ppo"], 10))
    assert (found.agent, found.network) == (published.agent, published.network)
    published = load_config("ppo_pendulum")
    found = from_mapping(ours.configuration(WORK["ppo_pendulum"], 10))
    assert replace(found.agent, rollout_steps=1024) == published.agent
    assert found.network == published.network
    assert found.steps_per_update == published.steps_per_update


def test_the_settings_network_is_ours() -> None:
    network = QNetwork(q_values("minatar", (10, 10, 4), "bool", 3, (DQN.dense,)))
    key, image = jax.random.key(0), jnp.zeros((1, 10, 10, 4), bool)
    leaves = jax.tree.leaves(jax.eval_shape(network.init, key, image))
    side = 10 - DQN.kernel + 1
    convolution = DQN.kernel**2 * 4 * DQN.filters + DQN.filters
    dense = side * side * DQN.filters * DQN.dense + DQN.dense
    head = DQN.dense * 3 + 3
    assert sum(leaf.size for leaf in leaves) == convolution + dense + head


@pytest.mark.parametrize("algorithm", WORK)
@pytest.mark.parametrize("size", [WORK, TINY], ids=["work", "tiny"])
def test_an_order_survives_as_text(algorithm: str, size: dict[str, Settings]) -> None:
    order = Order(algorithm, size[algorithm], seeds=3, first_seed=4, core=1, block=8)
    assert from_text(to_text(order)) == order


def test_one_process_has_all_seeds_and_others_one_on_each_core() -> None:
    whole, single = ENTRANTS["sac"][0], ENTRANTS["sac"][1]
    assert entrants.orders("sac", whole, SAC, 10, [0, 3], 100) == [Order("sac", SAC, 10)]
    each = entrants.orders("sac", single, SAC, 10, [0, 3], 100)
    assert [(o.seeds, o.first_seed, o.core) for o in each] == [(1, 0, 0), (1, 1, 3)]
    small = next(e for e in ENTRANTS["dqn"] if e.capacity)
    assert entrants.orders("dqn", small, DQN, 10, [0], 4)[0].settings.capacity == small.capacity


def test_ratios_are_taken_turn_by_turn() -> None:
    mine, theirs = [10.0, 20.0, 60.0], [5.0, 4.0, 20.0]
    row = table.row("sac", "sbx", mine, theirs, {})
    # 2, 5 and 3; the ratio of the medians would be 4.
    assert (row["sparse_rl is faster by"], row["lowest"], row["highest"]) == (3.0, 2.0, 5.0)
    assert (row["aim"], row["met"], row["seed-steps/s"]) == (1.35, "yes", 5.0)
    assert table.row("dqn", "rejax", mine, theirs, {})["met"] == "no"
    assert table.row("sac", OURS, mine, mine, {})["met"] == ""


def test_every_aim_is_somebodys() -> None:
    assert set(entrants.AIMS) <= {(a, e.name) for a, group in ENTRANTS.items() for e in group}


@pytest.fixture
def stand_in() -> Iterator[Contender]:
    orders = [Order("sac", SAC, 1, seed, block=20) for seed in range(2)]
    processes = [PeerProcess(Path(sys.executable), STAND_IN, order) for order in orders]
    contender = Contender(processes, orders, 0.0)
    yield contender
    contender.close()


def test_rates_of_processes_add_up(stand_in: Contender) -> None:
    stand_in.get_ready(0.1)
    stand_in.take_turn()
    # Two processes, a millisecond a step or (never less) more on a busy machine.
    assert len(stand_in.rates) == 1 and 0 < stand_in.rates[0] <= 2000
    assert stand_in.figures()["processes"] == 2


def test_a_failure_is_its_last_line_and_hides_nobody() -> None:
    options = argparse.Namespace(
        tiny=True, seeds=2, repeats=2, seconds=0.1, devices=0, cache=Path()
    )
    group = [
        Entrant(OURS, STAND_IN, "", "one process"),
        Entrant("absent", "tests.benchmarks.no_such_module", "", "one process"),
    ]
    rows = command.compare("sac", group, options)
    assert [row["library"] for row in rows] == [OURS, "absent"]
    assert rows[0]["sparse_rl is faster by"] == 1.0 and rows[0]["seed-steps/s"] > 0
    assert rows[1]["sparse_rl is faster by"] == ""
    assert "No module named tests.benchmarks.no_such_module" in rows[1]["versions"]
    assert list(rows[0]) == list(rows[1])  # one table


def test_an_error_in_a_peer_is_one_line() -> None:
    process = PeerProcess(Path(sys.executable), STAND_IN, Order("dqn", DQN, 1))
    with pytest.raises(PeerError, match="ValueError: no such game"):
        process.answer()
    process.close()


def test_other_requirements_are_another_environment(tmp_path: Path) -> None:
    file = tmp_path / "peer.txt"
    file.write_text("numpy==2.4.6\n")
    before = environments.folder_of(file, tmp_path)
    assert before == environments.folder_of(file, tmp_path)
    file.write_text("numpy==2.4.5\n")
    assert environments.folder_of(file, tmp_path) != before


def test_versions_are_exact_and_the_same_where_they_must_be() -> None:
    pinned: dict[str, set[str]] = {}
    files = {e.requirements for group in ENTRANTS.values() for e in group if e.requirements}
    assert files == {path.stem for path in environments.REQUIREMENTS.glob("*.txt")}
    for name in files:
        text = (environments.REQUIREMENTS / f"{name}.txt").read_text()
        for line in re.sub(r"#.*", "", text).split():
            package, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
            pinned.setdefault(package, set()).add(version)
    for shared in ("jax", "torch", "numpy", "mujoco"):
        assert len(pinned[shared]) == 1
    assert pinned["mujoco"] == {"3.3.7"}


def test_choice_of_libraries() -> None:
    assert [e.name for e in command.chosen("sac", ["sbx"])] == [OURS, "sbx"]
    assert command.chosen("dqn", None) == list(ENTRANTS["dqn"])
    with pytest.raises(ValueError, match=r"--only: found 'sbxx'; allowed: sbx, Stable-Baselines3"):
        command.chosen("sac", ["sbxx"])
    options = command.parser().parse_args(["dqn", "--only", "rejax", "--repeats", "3"])
    assert (options.algorithms, options.only, options.repeats) == (["dqn"], ["rejax"], 3)


def test_tiny_is_the_same_work_in_small() -> None:
    for algorithm, small in TINY.items():
        full = WORK[algorithm]
        assert replace(full, **vars(small)) == small
        assert small.task == full.task
        for rhythm in ("train_frequency", "environments"):
            assert getattr(small, rhythm, None) == getattr(full, rhythm, None)


@pytest.mark.parametrize(
    ("words", "files"),
    [(["sac"], ["peers.json"]), (["sac", "dqn"], ["peers_sac.json", "peers_dqn.json"])],
)
def test_each_algorithm_has_a_file(
    words: list[str], files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command, "compare", lambda algorithm, *_: [{"library": algorithm, "versions": ""}]
    )
    monkeypatch.setattr(sys, "argv", ["peers", *words, "--json", str(tmp_path / "peers.json")])
    command.main()
    assert [
        json.loads((tmp_path / file).read_text())["rows"][0]["library"] for file in files
    ] == words
    assert len(list(tmp_path.iterdir())) == len(files)
