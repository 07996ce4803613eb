"""The workloads that several benchmarks share: a trivial environment, and training programs."""

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from sparse_rl.agents.agent import Learned
from sparse_rl.agents.eau_dqn import EauDQN
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs import Continuous, EnvSpec, VectorEnv
from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.population import chunks, cohorts, forks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population, Program
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.sparsity.distributions import pruned_counts, uniform
from sparse_rl.sparsity.gradual import CubicSchedule, GradualPruning
from sparse_rl.sparsity.method import Method
from sparse_rl.study.preparation import build_agent


def halfcheetah_shaped() -> VectorEnv:
    """A linear system with HalfCheetah's 17 observations and 6 actions, and next to no cost."""
    drive = np.random.default_rng(0).normal(size=(6, 17)).astype(np.float32)

    def reset(key: Any) -> tuple[Float[Array, "17"], Float[Array, "17"]]:
        start = jax.random.normal(key, (17,))
        return start, start

    def step(key: Any, state: Float[Array, "17"], action: Float[Array, "6"]) -> Transition:
        moved = jnp.tanh(0.9 * state + action @ drive)
        return Transition(moved, moved, moved[0], jnp.array(False))

    spec = EnvSpec(
        name="linear, 17 observations and 6 actions",
        observation_shape=(17,),
        observation_dtype=np.dtype(np.float32),
        action=Continuous((-1.0,) * 6, (1.0,) * 6),
        time_limit=1000,
    )
    return JaxEnv(spec, reset, step)


SAC_PAPER: dict[str, Any] = {
    "agent": {"name": "sac", "weight_decay": 1e-4},
    "network": {"torso": "mlp", "hidden": [256, 256]},
    "replay": {"capacity": 20_000, "batch_size": 256},
    "training": {"steps": 1_000_000, "learning_starts": 1_000},
}


class Workload(NamedTuple):
    """A training program, ready to run, and the population that it starts from."""

    program: Program
    mesh: Mesh
    state: Population
    chunk: chunks.Chunk


def prepare(
    values: dict[str, Any],
    environment: VectorEnv,
    members: int,
    devices: int,
    quantization: str = "float32",
    mask_interval: int | None = None,
) -> Workload:
    """A population after its random steps; `mask_interval` None trains without mask updates.

    With a mask interval half of every layer is to go in the end, and the schedule is so long that
    it never ends.
    """
    return of_config(
        from_mapping(values), environment, members, devices, quantization, mask_interval
    )


def of_config(
    config: Config,
    environment: VectorEnv,
    members: int,
    devices: int,
    quantization: str = "float32",
    mask_interval: int | None = None,
    method: Method | None = None,
    level: float = 0.5,
) -> Workload:
    """As `prepare`, of a checked configuration; with a method, its masks reach `level`."""
    agent = build_agent(config, environment.spec, dot_products(quantization))
    if isinstance(method, Adaptive):
        agent = EauDQN.of(agent, method)
    if mask_interval:
        method = GradualPruning(CubicSchedule(0, 2**30, mask_interval))
    program = Program(agent, environment, method)
    mesh = population.mesh(jax.devices()[:devices])
    counts = {
        name: np.tile(dead_weights(method, shapes, level), (members, 1))
        for name, shapes in layer_shapes(program).items()
    }
    state = population.init(program, mesh, np.arange(members, dtype=np.int32), counts)
    state = chunks.collect_chunk(program, mesh)(
        state, jnp.int32(config.prefill_steps // agent.environments)
    )
    return Workload(program, mesh, state, chunks.train_chunk(program, mesh))


def dead_weights(method: Any, shapes: list[tuple[int, ...]], level: float) -> Any:
    """How many weights of each layer are to go: by the method's pattern, or of all layers alike."""
    own = hasattr(method, "pruned_counts")
    return method.pruned_counts(shapes, level) if own else pruned_counts(shapes, level, uniform)


class InCohorts(NamedTuple):
    """Brings members forward by a number of iterations, and how many each cohort has."""

    advance: Callable[[int], None]
    sizes: tuple[int, ...]


def in_cohorts(workload: Workload, wanted: int = 0) -> InCohorts:
    """A workload as training runs it, compiled and warm; its own state is used up.

    `wanted` members of a cohort on each device; 0: as many as training would choose.
    """
    mesh, program, whole = workload.mesh, workload.program, workload.state
    count = len(whole.members.failed)
    one = jax.eval_shape(program.agent.init, jax.random.key(0))
    most = cohorts.most_at_once(one, mesh, wanted)
    sizes = cohorts.sizes(count, mesh, most)
    state = Cohorts((whole,))
    if len(sizes) > 1:
        state = forks.fork(state, np.arange(count), sizes, mesh)
    programs = [workload.chunk] * len(sizes)

    def advance(iterations: int) -> None:
        nonlocal state
        state = state.advanced(programs, iterations)

    advance(2)
    return InCohorts(advance, sizes)


def layer_shapes(program: Program) -> dict[str, list[tuple[int, ...]]]:
    """Kernels of every network that may be pruned; of stacked twins those of one."""
    state = jax.eval_shape(program.agent.init, jax.random.key(0))
    return {
        name: [
            layer.shape[1:] if twins else layer.shape
            for layer in mask_rules.layers(getattr(state, name).params)
        ]
        for name, twins in program.agent.prunable.items()
    }


def layer_sizes(program: Program) -> dict[str, list[int]]:
    """Weights of each of them."""
    return {
        name: [int(np.prod(shape)) for shape in shapes]
        for name, shapes in layer_shapes(program).items()
    }


def matmul_flops(function: Any, *arguments: Any) -> int:
    """Floating-point operations of all matrix products in a function, from its jaxpr."""
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            summed = int(np.prod([left[axis] for axis in contracted]))
            total += 2 * int(np.prod(equation.outvars[0].aval.shape)) * summed
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                body = getattr(inner, "jaxpr", inner)
                if hasattr(body, "eqns"):
                    total += _count(body)
    return total


def update_flops(workload: Workload) -> int:
    """Matrix products of one gradient step of one member, interaction left out.

    Those that are asked for: columns by which rows are lengthened on a CPU count as overhead.
    """
    single = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), workload.state.members
    )
    agent: Any = workload.program.agent

    def gradient_step(state: Any, memory: Any, key: Any) -> Learned:
        clock = jnp.int32(1_000)
        learned: Learned = agent.update(state, agent.sample(memory, key, clock), key, clock)
        return learned

    with mock.patch("sparse_rl.dot_products.PADDING", 0):
        return matmul_flops(gradient_step, single.agent, single.memory, single.learn_key)
