"""Makes the policies of this directory: small ones, trained by the libraries themselves.

    python tests/importers/data/make_policies.py [DIRECTORY [NAME ...]]

Beside each policy, NAME.npz has observations and the actions of the library's own deterministic
prediction. Made with Stable-Baselines3 and sb3-contrib 2.9.2, Gymnasium 1.4.0, PyTorch 2.14.1, onnx
1.23.2, onnxscript 0.7.2 and NumPy 2.4.6, on the CPU.

Optimizers are left out of the zip files of Stable-Baselines3, which are packed anew with deflate.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import onnx
import torch
from gymnasium import spaces
from sb3_contrib import TRPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

SMALL = {"net_arch": [16, 16]}
TANH, RELU = {"activation_fn": nn.Tanh}, {"activation_fn": nn.ReLU}
CNN = {"features_extractor_kwargs": {"features_dim": 16}}
UNTRAINED = {"learning_starts": 10_000}  # trained, it always takes one action


class Images(gym.Env):
    """Random images of coarse blocks; what is rewarded does not matter."""

    def __init__(self, height: int, width: int, continuous: bool = False) -> None:
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)
        low, high = np.array([-2.0, 0.0], np.float32), np.array([1.0, 3.0], np.float32)
        self.action_space = spaces.Box(low, high) if continuous else spaces.Discrete(4)

    def observe(self) -> np.ndarray:
        height, width, channels = self.observation_space.shape
        coarse = self.np_random.integers(0, 256, (-(-height // 4), -(-width // 4), channels))
        return coarse.repeat(4, 0).repeat(4, 1)[:height, :width].astype(np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return self.observe(), float(np.sum(action)), self.np_random.random() < 0.1, False, {}


class Reading(gym.ObservationWrapper):
    """Observations converted to another type or shape."""

    def __init__(self, env: gym.Env, space: spaces.Box, convert: Callable) -> None:
        super().__init__(env)
        self.observation_space, self.convert = space, convert

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return self.convert(observation)


def cart_pole_as_bytes() -> gym.Env:
    space = spaces.Box(0, 255, (4,), np.uint8)
    return Reading(
        gym.make("CartPole-v1"), space, lambda x: np.clip(128 + 40 * x, 0, 255).astype(np.uint8)
    )


def cart_pole_as_matrix() -> gym.Env:
    space = spaces.Box(-100, 100, (2, 2), np.float64)
    return Reading(gym.make("CartPole-v1"), space, lambda x: x.reshape(2, 2).astype(np.float64))


POLICIES: dict[str, tuple[Any, str, Any, dict[str, Any]]] = {
    "sac": (SAC, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL}),
    "sac_tanh": (SAC, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL | TANH}),
    "sac_gsde": (SAC, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL, "use_sde": True}),
    "td3": (TD3, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL}),
    "ddpg": (DDPG, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL | TANH}),
    "ppo": (PPO, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL}),
    "ppo_relu": (PPO, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL | RELU}),
    "ppo_gsde": (PPO, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL, "use_sde": True}),
    "ppo_squashed": (
        PPO,
        "MlpPolicy",
        "Pendulum-v1",
        {"policy_kwargs": SMALL | {"squash_output": True}, "use_sde": True},
    ),
    "ppo_split": (
        PPO,
        "MlpPolicy",
        "CartPole-v1",
        {"policy_kwargs": {"net_arch": {"pi": [12, 8], "vf": [16]}}},
    ),
    "ppo_linear": (PPO, "MlpPolicy", "CartPole-v1", {"policy_kwargs": {"net_arch": []}}),
    "ppo_normalized": (PPO, "MlpPolicy", "CartPole-v1", {"policy_kwargs": SMALL}),
    "ppo_bytes": (PPO, "MlpPolicy", cart_pole_as_bytes, {"policy_kwargs": SMALL}),
    "ppo_matrix": (PPO, "MlpPolicy", cart_pole_as_matrix, {"policy_kwargs": SMALL}),
    "a2c_normalized": (A2C, "MlpPolicy", "CartPole-v1", {"policy_kwargs": SMALL}),
    "a2c": (A2C, "MlpPolicy", "CartPole-v1", {"policy_kwargs": SMALL}),
    "trpo": (TRPO, "MlpPolicy", "Pendulum-v1", {"policy_kwargs": SMALL}),
    "dqn": (DQN, "MlpPolicy", "CartPole-v1", {"policy_kwargs": SMALL}),
    "dqn_images": (DQN, "MlpPolicy", lambda: Images(8, 10), {"policy_kwargs": SMALL} | UNTRAINED),
    "ppo_cnn": (PPO, "CnnPolicy", lambda: Images(44, 52, True), {"policy_kwargs": CNN}),
}
OFF_POLICY = {"learning_starts": 64, "batch_size": 32, "buffer_size": 1000, "train_freq": 2}
ON_POLICY = {"n_steps": 64}
REFUSED = {
    "elu": (PPO, "MlpPolicy", "CartPole-v1", {"policy_kwargs": SMALL | {"activation_fn": nn.ELU}}),
}


FACTORS = {"sac_gsde": ("actor.mu.0.weight", 4.0), "ppo_cnn": ("action_net.weight", 10.0)}
FACTORS |= {"ddpg": ("actor.mu.4.weight", 0.05), "dqn_images": ("q_net.q_net.4.bias", 0.0)}
"""What a layer is multiplied by after training, where actions would be nearly constant."""


def environment(made_by: Any, normalized: bool) -> DummyVecEnv | VecNormalize:
    make = (lambda: gym.make(made_by)) if isinstance(made_by, str) else made_by
    vectorized = DummyVecEnv([make])
    return VecNormalize(vectorized, clip_obs=2.0) if normalized else vectorized


def train(algorithm: Any, policy: str, env: Any, options: dict[str, Any], steps: int) -> Any:
    own = OFF_POLICY if algorithm in (SAC, TD3, DDPG, DQN) else ON_POLICY
    if algorithm in (PPO, TRPO):
        own = own | {"batch_size": 32}
    own = own | deepcopy(options)  # the library adds to policy_kwargs
    model = algorithm(policy, env, seed=0, learning_rate=3e-3, device="cpu", **own)
    return model.learn(steps)


def observations(env: Any, count: int) -> np.ndarray:
    """Raw observations of random actions; those of vectors also far from where training was."""
    source = env.venv if isinstance(env, VecNormalize) else env
    source.seed(1)
    source.action_space.seed(1)
    seen = [source.reset()[0]]
    while len(seen) < count:
        seen.append(source.step(np.array([source.action_space.sample()]))[0][0])
    found = np.stack(seen)
    if found.dtype != np.uint8:
        spread = np.random.default_rng(0).uniform(0.2, 4.0, (count, *(1,) * (found.ndim - 1)))
        found = (found * spread).astype(found.dtype)
    return found


def save_without_optimizers(model: Any, path: Path) -> None:
    whole = io.BytesIO()
    model.save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if not name.endswith(("optimizer.pth", "system_info.txt")):
                new.writestr(name, old.read(name))


def predict(model: Any, env: Any, raw: np.ndarray) -> np.ndarray:
    seen = env.normalize_obs(raw) if isinstance(env, VecNormalize) else raw
    return model.predict(seen, deterministic=True)[0]


def multiply(model: Any, name: str, factor: float) -> None:
    parameter = dict(model.policy.named_parameters())[name]
    with torch.no_grad():
        parameter.mul_(factor)


def make_stable_baselines3(name: str, directory: Path, steps: int = 400) -> None:
    algorithm, policy, made_by, options = (POLICIES | REFUSED)[name]
    env = environment(made_by, name.endswith("_normalized"))
    model = train(algorithm, policy, env, options, steps)
    if name in FACTORS:
        multiply(model, *FACTORS[name])
    if isinstance(env, VecNormalize):
        env.training = False
        env.save(directory / f"{name}.pkl")
    save_without_optimizers(model, directory / f"{name}.zip")
    if name in POLICIES:
        raw = observations(env, 40 if "cnn" in name or "images" in name else 200)
        np.savez_compressed(
            directory / f"{name}.npz", observations=raw, actions=predict(model, env, raw)
        )


def layers(*sizes: int) -> list[nn.Linear]:
    return [nn.Linear(a, b) for a, b in pairwise(sizes)]


def sequential(activation: type[nn.Module], *sizes: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    for layer in layers(*sizes):
        steps += [layer, activation()]
    return nn.Sequential(*steps[:-1])


class CleanRLSAC(nn.Module):
    """The names of cleanrl/sac_continuous_action.py."""

    def __init__(self, head: str) -> None:
        super().__init__()
        self.fc1, self.fc2 = layers(3, 16, 12)
        self.head = head
        setattr(self, head, nn.Linear(12, 2))
        if head == "fc_mean":
            self.fc_logstd = nn.Linear(12, 2)
        self.register_buffer("action_scale", torch.tensor([2.0, 0.5]))
        self.register_buffer("action_bias", torch.tensor([0.0, 1.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.fc2(torch.relu(self.fc1(x))))
        return torch.tanh(getattr(self, self.head)(x)) * self.action_scale + self.action_bias


class CleanRLPPO(nn.Module):
    """The names of cleanrl/ppo_continuous_action.py; the environment clips to -2, 0 and 1, 3."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = sequential(nn.Tanh, 3, 16, 16, 1)
        self.actor_mean = sequential(nn.Tanh, 3, 16, 16, 2)
        self.actor_logstd = nn.Parameter(torch.zeros(1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = torch.tensor([-2.0, 0.0]), torch.tensor([1.0, 3.0])
        return torch.clamp(4 * self.actor_mean(x) / 4, low, high)


class CleanRLDiscrete(nn.Module):
    """The names of cleanrl/ppo.py and cleanrl/dqn.py."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        activation = nn.Tanh if name == "actor" else nn.ReLU
        setattr(self, name, sequential(activation, 3, 16, 12, 4))
        if name == "actor":
            self.critic = sequential(nn.Tanh, 3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, self.name)(x).argmax(1)


class SmallImages(nn.Module):
    """Convolutions with and without padding, a pool, a flattened image that is not square."""

    def __init__(self, channels_last: bool) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(4, 6, 3),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(6 * 3 * 4, 10),
            nn.ReLU(),
            nn.Linear(10, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.float() / 255
        return self.body(x.permute(0, 3, 1, 2) if self.channels_last else x)


class Normalized(nn.Module):
    """An observation's normalization, a plain matrix product, and bounds of each action."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([0.5, -1.0, 2.0]))
        self.deviation = nn.Parameter(torch.tensor([2.0, 0.5, 1.5]))
        self.hidden, self.last = layers(3, 12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.clamp((x - self.mean) / self.deviation, -3.0, 3.0)
        x = torch.tanh(x @ self.hidden.weight.T + self.hidden.bias)
        low, high = torch.tensor([-0.2, -0.3]), torch.tensor([0.1, 0.3])
        return torch.minimum(torch.maximum(self.last(x), low), high)


def make_torch(name: str, policy: nn.Module, saved: Any, directory: Path) -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (200, 3)).astype(np.float32))
    torch.save(saved, directory / f"{name}.pth")
    with torch.no_grad():
        actions = policy(x).numpy()
    np.savez_compressed(directory / f"{name}.npz", observations=x.numpy(), actions=actions)


def make_clean_rl(directory: Path) -> None:
    torch.manual_seed(0)
    policy: nn.Module = CleanRLSAC("fc_mean")
    make_torch("cleanrl_sac", policy, policy.state_dict(), directory)
    policy = CleanRLSAC("fc_mu")
    critic = nn.Sequential(nn.Linear(5, 4))
    make_torch("cleanrl_td3", policy, (policy.state_dict(), critic.state_dict()), directory)
    policy = CleanRLPPO()
    make_torch("cleanrl_ppo", policy, policy.state_dict(), directory)
    for name, layer in (("cleanrl_ppo_discrete", "actor"), ("cleanrl_dqn", "network")):
        policy = CleanRLDiscrete(layer)
        make_torch(name, policy, policy.state_dict(), directory)
    policy = CleanRLSAC("fc_mean").double()
    half = {f"actor.{key}": value.half() for key, value in policy.state_dict().items()}
    policy.load_state_dict({key[6:]: value for key, value in half.items()})
    make_torch("cleanrl_sac_half", policy.float(), half, directory)


def export(policy: nn.Module, x: np.ndarray, name: str, directory: Path, **options: Any) -> None:
    inputs = torch.from_numpy(x)
    torch.onnx.export(
        policy,
        (inputs[:1],),
        directory / f"{name}.onnx",
        input_names=["observation"],
        output_names=["action"],
        dynamic_axes={"observation": {0: "batch"}, "action": {0: "batch"}},
        **({"dynamo": False} | options),
    )
    without_traces(directory / f"{name}.onnx")
    with torch.no_grad():
        actions = policy(inputs).numpy()
    np.savez_compressed(directory / f"{name}.npz", observations=x, actions=actions)


def without_traces(file: Path) -> None:
    """Takes out of an ONNX model where in which files its nodes were made."""
    model = onnx.load(file)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    onnx.save(model, file)


def make_onnx(directory: Path) -> None:
    torch.manual_seed(1)
    random = np.random.default_rng(0)
    vectors = random.normal(0, 2, (200, 3)).astype(np.float32)
    images = random.integers(0, 256, (40, 10, 12, 2)).astype(np.uint8)
    export(CleanRLSAC("fc_mean"), vectors, "onnx_sac", directory)
    export(Normalized(), vectors, "onnx_normalized", directory)
    export(SmallImages(True), images, "onnx_images_last", directory)
    options = {"dynamo": True, "external_data": False}
    export(SmallImages(True), images, "onnx_dynamo", directory, **options)
    first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    export(SmallImages(False), first, "onnx_images_first", directory)


class Wrapped(nn.Module):
    """The wrapper of Stable-Baselines3's documentation ("Exporting models")."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observation: torch.Tensor) -> Any:
        return self.policy(observation, deterministic=True)


def make_wrapped(directory: Path) -> None:
    for name, algorithm, made_by, size in (
        ("onnx_ppo", PPO, "Pendulum-v1", 3),
        ("onnx_ppo_discrete", PPO, "CartPole-v1", 4),
        ("onnx_sac_actor", SAC, "Pendulum-v1", 3),
    ):
        env = environment(made_by, False)
        model = train(algorithm, "MlpPolicy", env, {"policy_kwargs": SMALL}, 400)
        policy = Wrapped(model.policy.actor if algorithm is SAC else model.policy)
        x, file = torch.zeros(1, size), directory / f"{name}.onnx"
        torch.onnx.export(policy, (x,), file, opset_version=17, dynamo=False)
        raw = observations(env, 200)
        np.savez_compressed(
            directory / f"{name}.npz", observations=raw, actions=predict(model, env, raw)
        )


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in sys.argv[2:] or POLICIES | REFUSED:
        make_stable_baselines3(name, directory)
        print(name, flush=True)
    make_clean_rl(directory)
    make_onnx(directory)
    make_wrapped(directory)


if __name__ == "__main__":
    main()
