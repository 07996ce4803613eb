"""What is measured on a GPU, in the order of importance, as plain data: no JAX is imported here."""

from typing import NamedTuple

SPRING = "brax/halfcheetah?backend=spring"
BRAX_MJX = "brax/halfcheetah?backend=mjx"
OWN_MJX = "mujoco/HalfCheetah-v4?impl=mjx"
LINEAR = "linear"  # a linear system of HalfCheetah's shape, which costs next to nothing
FRAMES = "synthetic/frames"
MINATAR = "gymnax/Breakout-MinAtar"

CAPACITY = 100_000
"""Transitions of a memory: a tenth of the paper's, so that 640 members fit."""

# Command buffers (CUDA graphs) as XLA sets them, without any, and around loops and branches too;
# and with the products that XLA tries beside cuBLAS's where a training does not forbid it.
BUFFERS = {
    "default": "",
    "off": "--xla_gpu_enable_command_buffer=",
    "triton": "--xla_gpu_enable_triton_gemm=true",
    "loops": "--xla_gpu_enable_command_buffer=+CONDITIONAL,+WHILE --xla_gpu_graph_min_graph_size=1",
}


class Case(NamedTuple):
    """One measurement, made in a process of its own.

    kind: `peak` (products and copies), `training` (a chunk), `environment` (random actions alone)
    or `convolution` (two formulations of a network's update). `network` is a torso, or `mlp`.
    `precision` is that of the networks' products, by its name in `training.precision`; those of the
    environment are float32 in all of them. A member has `environments` environments, and learns
    `gradient_steps` times after every step of all of them.
    """

    kind: str
    environment: str = ""
    members: int = 1
    network: str = "mlp"
    hidden: tuple[int, ...] = (256, 256)
    batch: int = 256
    capacity: int = CAPACITY
    precision: str = "float32"
    buffers: str = "default"
    environments: int = 1
    gradient_steps: int = 1
    seconds: float = 0.4
    repeats: int = 5
    size: int = 8192  # of the products behind a peak
    megabytes: int = 2048  # of the copies behind it

    @property
    def name(self) -> str:
        """Tells it from all others; the same from run to run."""
        words = [self.kind, self.environment]
        words += [f"{self.network} {self.members}"] if self.kind != "peak" else []
        if self.environments > 1:
            words += [f"{self.environments} environments, {self.gradient_steps} updates"]
        if self.capacity != CAPACITY and self.kind == "training":
            words += [f"{self.capacity:,} transitions"]
        words += [self.precision] if self.precision != "float32" else []
        words += [f"buffers {self.buffers}"] if self.buffers != "default" else []
        return ", ".join(word for word in words if word)


def panel() -> list[Case]:
    """Everything that is to be known of one GPU, most important first."""
    precisions = ("tf32", "bfloat16")
    return [
        Case("peak"),
        *(training(LINEAR, members) for members in (80, 10, 1)),
        training(SPRING, 80),
        *(training(LINEAR, members) for members in (640, 320, 160, 40)),
        *(training(LINEAR, 80, precision=p) for p in precisions),
        *(minatar(members) for members in (80, 10)),
        *(training(LINEAR, 640, precision=p) for p in precisions),
        *(training(SPRING, members) for members in (10, 1)),
        *(fast(SPRING, 80, precision) for precision in ("float32", *precisions)),
        training(OWN_MJX, 80),
        *(training(LINEAR, 80, buffers=b) for b in ("off", "loops")),
        Case("environment", SPRING, 80),
        *(atari("nature", members) for members in (5, 40)),
        training(BRAX_MJX, 80),
        atari("impala", 5),
        *(convolution(network) for network in ("nature", "impala")),
        training(LINEAR, 80, capacity=1_000_000),
        fast(SPRING, 10),
        *(training(OWN_MJX, m) for m in (10, 1)),
        *(Case("environment", environment, 80) for environment in (BRAX_MJX, OWN_MJX)),
        *(training(SPRING, 80, precision=p) for p in precisions),
        *(training(SPRING, 80, buffers=b) for b in ("off", "loops")),
        *(training(SPRING, members) for members in (40, 160, 320)),
        training(OWN_MJX, 320),
        *(training(BRAX_MJX, m) for m in (10, 1)),
        atari("impala", 40),
        training(LINEAR, 80, buffers="triton"),
    ]


def tiny() -> list[Case]:
    """The same in seconds on a CPU: two measurements and what their floors need."""
    small = {"hidden": (16, 16), "batch": 16, "capacity": 1000, "seconds": 0.02, "repeats": 2}
    return [
        Case("peak", size=128, megabytes=4, repeats=2),
        *(training(LINEAR, members, **small) for members in (1, 2)),  # type: ignore[arg-type]
    ]


def training(
    environment: str,
    members: int,
    precision: str = "float32",
    buffers: str = "default",
    hidden: tuple[int, ...] = (256, 256),
    batch: int = 256,
    capacity: int = CAPACITY,
    seconds: float = 0.4,
    repeats: int = 5,
) -> Case:
    """SAC with the paper's settings, but for the memory's size."""
    return Case(
        "training",
        environment,
        members,
        hidden=hidden,
        batch=batch,
        capacity=capacity,
        precision=precision,
        buffers=buffers,
        seconds=seconds,
        repeats=repeats,
    )


def fast(environment: str, members: int, precision: str = "float32") -> Case:
    """SAC as in `sac_fast_halfcheetah`: 8 updates for a step of 128 environments."""
    return Case(
        "training",
        environment,
        members,
        batch=512,
        precision=precision,
        environments=128,
        gradient_steps=8,
    )


def minatar(members: int) -> Case:
    """DQN as in `dqn_breakout_minatar`: an update for four steps."""
    return Case("training", MINATAR, members, "minatar", (128,), batch=32)


def atari(network: str, members: int) -> Case:
    """DQN on frames of Atari's shape, an update for four steps; 0.14 GB of frames per member."""
    return Case("training", FRAMES, members, network, (512,), batch=32, capacity=20_000)


def convolution(network: str) -> Case:
    """Patches and one product against XLA's convolution, which becomes a grouped one under vmap."""
    return Case("convolution", "", 5, network, (512,), batch=32)
