"""Operations and bytes of known programs, and the floors that follow from them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import gpu_worker, workloads
from benchmarks.gpu_cases import LINEAR, training
from benchmarks.roofline import Peak, Work, counted, data_sheet, floors, reported

OBSERVATION, ACTION, FLOAT = 17, 6, 4


def actor_weights(h: int) -> int:
    return OBSERVATION * h + h * h + h * 2 * ACTION


def critic_weights(h: int) -> int:
    return (OBSERVATION + ACTION) * h + h * h + h


def sac_operations(h: int, batch: int) -> int:
    """An update by hand, two operations for each multiplication, and acting once.

    Temperature and actor: forward for this and the next observation, backward to all weights, and
    through all layers but the first. Critics (two): forward as targets, as critics and under the
    actor's action; backward to all weights and through all layers but the first; backward once
    more, through every layer, to the action.
    """
    actor, critic = actor_weights(h), critic_weights(h)
    of_actor = 2 * actor + actor + (actor - OBSERVATION * h)
    of_critics = 2 * (3 * critic + critic + (critic - (OBSERVATION + ACTION) * h) + critic)
    return 2 * batch * (of_actor + of_critics) + 2 * actor


def sac_bytes(h: int, batch: int) -> int:
    """Every number of the learner read and written, the policy read to act, the batch read."""
    actor = actor_weights(h) + 2 * h + 2 * ACTION
    critics = 2 * (critic_weights(h) + 2 * h + 1)
    learned = 2 * FLOAT * (3 * actor + 3 * critics + critics)
    transition = FLOAT * (2 * OBSERVATION + ACTION + 1) + 3
    return learned + actor_weights(h) + FLOAT * actor + batch * transition


def shapes(h: int, batch: int, members: int) -> Any:
    case = training(LINEAR, members, hidden=(h, h), batch=batch, capacity=1000)
    made: list[Any] = []

    def state() -> Any:
        made.append(gpu_worker.of_case(case))
        return made[0].state

    there = jax.eval_shape(state)
    return workloads.Workload(made[0].program, made[0].mesh, there, made[0].chunk)


@pytest.mark.parametrize(("h", "batch", "members"), [(256, 256, 1), (16, 8, 3)])
def test_counted_is_what_one_counts_by_hand(h: int, batch: int, members: int) -> None:
    work = counted(shapes(h, batch, members))
    assert work.operations == members * sac_operations(h, batch)
    # Counters, keys, the environment's state and a row of the memory come on top: below 1 kB.
    by_hand = members * sac_bytes(h, batch)
    assert by_hand < work.bytes < by_hand + members * 1000


def test_reported_counts_the_body_of_a_loop_once() -> None:
    size = 64

    def chunk(x: jax.Array, turns: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, turns, lambda _, y: y @ x, x)

    compiled = jax.jit(chunk).lower(jnp.eye(size), np.int32(0)).compile()
    assert reported(compiled, 1).operations == pytest.approx(2 * size**3, rel=0.02)
    assert reported(compiled, 4).operations == pytest.approx(2 * size**3 / 4, rel=0.02)


def test_the_higher_floor_counts() -> None:
    peak = Peak(float32=10.0, tf32=100.0, bf16=200.0, bandwidth=5.0)
    assert floors(Work(1000.0, 20.0), peak) == (100.0, 4.0)
    assert floors(Work(1000.0, 20.0), peak, "tf32") == (10.0, 4.0)
    assert floors(Work(1000.0, 20.0), peak, "bfloat16").higher == 5.0
    assert floors(Work(1000.0, 200.0), peak, "tf32").higher == 40.0


def test_devices_are_known_by_their_names() -> None:
    def bandwidth(name: str) -> float | None:
        peak = data_sheet(name)
        return peak and peak.bandwidth

    assert bandwidth("NVIDIA H100 80GB HBM3") == 3.35e12
    assert bandwidth("NVIDIA H100 PCIe") == 2.0e12
    assert bandwidth("NVIDIA H200") == 4.8e12
    assert bandwidth("cpu") is None
