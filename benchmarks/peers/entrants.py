"""Who takes part: the script of each library, its environment, and how its users run ten seeds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from benchmarks.peers.conversation import Order
from benchmarks.peers.settings import PPOSettings, Settings

Spread = Literal["one process", "one process per core"]


class Entrant(NamedTuple):
    """A row of the table. Without `requirements` it runs in this Python, as our own side does."""

    name: str
    module: str
    requirements: str
    spread: Spread
    capacity: int = 0  # of the replay, where it is not the one of all


OURS = "sparse_rl"

_PPO = (
    Entrant(OURS, "benchmarks.peers.sparse_rl_population", "", "one process"),
    Entrant("rejax", "benchmarks.peers.rejax_ppo", "rejax", "one process"),
    Entrant(
        "Stable-Baselines3",
        "benchmarks.peers.stable_baselines3_ppo",
        "stable_baselines3",
        "one process per core",
    ),
)

ENTRANTS: dict[str, tuple[Entrant, ...]] = {
    "sac": (
        Entrant(OURS, "benchmarks.peers.sparse_rl_population", "", "one process"),
        Entrant("sbx", "benchmarks.peers.sbx_sac", "sbx", "one process per core"),
        Entrant(
            "Stable-Baselines3",
            "benchmarks.peers.stable_baselines3_sac",
            "stable_baselines3",
            "one process per core",
        ),
    ),
    "dqn": (
        Entrant(OURS, "benchmarks.peers.sparse_rl_population", "", "one process"),
        Entrant("rejax", "benchmarks.peers.rejax_dqn", "rejax", "one process"),
        Entrant(
            "rejax, replay of 2,000", "benchmarks.peers.rejax_dqn", "rejax", "one process", 2_000
        ),
        Entrant(
            "CleanRL-style PyTorch loop",
            "benchmarks.peers.cleanrl_style_dqn",
            "cleanrl_style",
            "one process per core",
        ),
    ),
    "ppo": _PPO,
    "ppo_pendulum": _PPO,
    # rejax has no simulator on the host.
    "ppo_hopper": tuple(entrant for entrant in _PPO if entrant.name != "rejax"),
}
"""rejax's DQN draws every batch without replacement, at a cost that grows with the replay's
capacity; its second row shows what it does where that costs next to nothing."""

AIMS = {
    ("sac", "sbx"): 1.35,
    ("sac", "Stable-Baselines3"): 1.9,
    ("dqn", "rejax"): 4.0,
    ("ppo", "rejax"): 1.0,
    ("ppo", "Stable-Baselines3"): 5.0,
    ("ppo_pendulum", "rejax"): 1.0,
    ("ppo_pendulum", "Stable-Baselines3"): 5.0,
    ("ppo_hopper", "Stable-Baselines3"): 2.0,
}
"""How many times as fast as each we want to be, on two cores."""


def orders(
    algorithm: str,
    entrant: Entrant,
    settings: Settings,
    seeds: int,
    cores: Sequence[int],
    block: int,
) -> list[Order]:
    """What each process of an entrant is told: all seeds, or one seed on each core."""
    if entrant.capacity and not isinstance(settings, PPOSettings):
        settings = replace(settings, capacity=min(entrant.capacity, settings.capacity))
    if entrant.spread == "one process":
        return [Order(algorithm, settings, seeds, block=block)]
    return [
        Order(algorithm, settings, 1, seed, core, block) for seed, core in enumerate(cores[:seeds])
    ]
