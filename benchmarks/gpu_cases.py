"""What is measured on a GPU, in the order of importance, as plain data: no JAX is imported here."""

from typing import NamedTuple

SPRING = "brax/halfcheetah?backend=spring"
BRAX_MJX = "brax/halfcheetah?backend=mjx"
OWN_MJX = "mujoco/HalfCheetah-v4?impl=mjx"
LINEAR = "linear"  # a linear system of HalfCheetah's shape, which costs next to nothing
FRAMES = "synthetic/frames"

# Command buffers (CUDA graphs) as XLA sets them, without any, and around loops and branches too.
BUFFERS = {
    "default": "",
    "off": "--xla_gpu_enable_command_buffer=",
    "loops": "--xla_gpu_enable_command_buffer=+CONDITIONAL,+WHILE --xla_gpu_graph_min_graph_size=1",
}


class Case(NamedTuple):
    """One measurement, made in a process of its own.

    kind: `peak` (products and copies), `training` (a chunk), `environment` (random actions alone)
    or `convolution` (two formulations of a network's update). `network` is a torso, or `mlp`.
    """

    kind: str
    environment: str = ""
    members: int = 1
    network: str = "mlp"
    hidden: tuple[int, ...] = (256, 256)
    batch: int = 256
    capacity: int = 1_000_000
    precision: str = "default"
    buffers: str = "default"
    seconds: float = 1.0
    repeats: int = 5
    size: int = 8192  # of the products behind a peak
    megabytes: int = 2048  # of the copies behind it

    @property
    def name(self) -> str:
        """Tells it from all others; the same from run to run."""
        words = [self.kind, self.environment]
        words += [f"{self.network} {self.members}"] if self.kind != "peak" else []
        words += [self.precision, f"buffers {self.buffers}"]
        return ", ".join(word for word in words if word and not word.endswith("default"))


def panel() -> list[Case]:
    """Everything that is to be known of one GPU, most important first."""
    populations = (80, 10, 1)
    return [
        Case("peak"),
        *(training(SPRING, members) for members in populations),
        *(training(LINEAR, members) for members in populations),
        Case("environment", SPRING, 80),
        training(BRAX_MJX, 80),
        training(OWN_MJX, 80),
        *(training(LINEAR, 80, precision=p) for p in ("float32", "tf32", "bf16")),
        *(training(SPRING, 80, buffers=b) for b in ("off", "loops")),
        *(training(LINEAR, 80, buffers=b) for b in ("off", "loops")),
        *(atari(network, members) for network in ("nature", "impala") for members in (5, 40)),
        *(convolution(network) for network in ("nature", "impala")),
        *(training(environment, m) for environment in (BRAX_MJX, OWN_MJX) for m in (10, 1)),
        *(Case("environment", environment, 80) for environment in (BRAX_MJX, OWN_MJX)),
        *(training(SPRING, 80, precision=p) for p in ("float32", "tf32", "bf16")),
        *(training(SPRING, members) for members in (40, 160)),
        *(training(e, m) for e in (BRAX_MJX, OWN_MJX) for m in (40, 160)),
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
    precision: str = "default",
    buffers: str = "default",
    hidden: tuple[int, ...] = (256, 256),
    batch: int = 256,
    capacity: int = 1_000_000,
    seconds: float = 1.0,
    repeats: int = 5,
) -> Case:
    """SAC with the paper's settings."""
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


def atari(network: str, members: int) -> Case:
    """DQN on frames of Atari's shape, with a ring of a tenth of the paper's: 0.7 GB per member."""
    return Case("training", FRAMES, members, network, (512,), batch=32, capacity=100_000)


def convolution(network: str) -> Case:
    """Patches and one product against XLA's convolution, which becomes a grouped one under vmap."""
    return Case("convolution", "", 5, network, (512,), batch=32)
