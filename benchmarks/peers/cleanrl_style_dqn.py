"""DQN as single-file implementations such as CleanRL's have it: PyTorch, one loop, one seed.

Written here for the comparison, not taken from there. Transitions lie in NumPy arrays, the game is
the original `minatar` package, one torch thread per process.
"""

from typing import Any

import numpy as np

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import DQNSettings

SIDE, PLANES = 10, 4  # Breakout's picture


def q_network(settings: DQNSettings, actions: int) -> Any:
    """One convolution without padding, one dense layer, one value per action."""
    from torch import nn

    side = SIDE - settings.kernel + 1
    return nn.Sequential(
        nn.Conv2d(PLANES, settings.filters, settings.kernel),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(settings.filters * side * side, settings.dense),
        nn.ReLU(),
        nn.Linear(settings.dense, actions),
    )


class Replay:
    """The newest `capacity` transitions, planes first, one byte per cell."""

    def __init__(self, capacity: int) -> None:
        shape = (capacity, PLANES, SIDE, SIDE)
        self.observation, self.following = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self.action = np.zeros((capacity, 1), np.int64)
        self.reward = np.zeros(capacity, np.float32)
        self.terminated = np.zeros(capacity, np.float32)
        self.capacity, self.added = capacity, 0

    def add(self, observation: Any, action: int, reward: float, ended: bool, after: Any) -> None:
        row = self.added % self.capacity
        self.observation[row], self.following[row] = observation, after
        self.action[row], self.reward[row], self.terminated[row] = action, reward, ended
        self.added += 1

    def sample(self, size: int, random: np.random.Generator) -> tuple[Any, ...]:
        import torch

        rows = random.integers(min(self.added, self.capacity), size=size)
        columns = (self.observation, self.action, self.reward, self.terminated, self.following)
        return tuple(torch.from_numpy(column[rows]) for column in columns)


def prepare(order: Order) -> Advance:
    """Networks, replay and game after the random steps."""
    import torch
    from minatar import Environment
    from torch.nn.functional import smooth_l1_loss

    settings = order.settings
    assert isinstance(settings, DQNSettings)
    torch.set_num_threads(1)
    torch.manual_seed(order.first_seed)
    random = np.random.default_rng(order.first_seed)
    name = settings.task.removesuffix("-MinAtar").lower()
    game = Environment(name, sticky_action_prob=0.0)
    game.seed(order.first_seed)
    actions = game.minimal_action_set()
    online, target = q_network(settings, len(actions)), q_network(settings, len(actions))
    target.load_state_dict(online.state_dict())
    optimizer = torch.optim.Adam(online.parameters(), lr=settings.learning_rate)
    replay = Replay(settings.capacity)

    def planes() -> Any:
        return game.state().transpose(2, 0, 1)

    def interact(observation: Any, explore: float) -> Any:
        """One step of the game; the observation after it, or the first of a new episode."""
        if random.random() < explore:
            action = int(random.integers(len(actions)))
        else:
            with torch.no_grad():
                values = online(torch.from_numpy(observation[None]).float())
            action = int(values.argmax())
        reward, ended = game.act(actions[action])
        following = planes()
        replay.add(observation, action, reward, ended, following)
        if ended:
            game.reset()
            return planes()
        return following

    def update() -> None:
        observation, action, reward, terminated, following = replay.sample(
            settings.batch_size, random
        )
        with torch.no_grad():
            best = target(following.float()).max(dim=1).values
            wanted = reward + settings.discount * (1 - terminated) * best
        found = online(observation.float()).gather(1, action).squeeze(1)
        optimizer.zero_grad()
        smooth_l1_loss(found, wanted).backward()
        torch.nn.utils.clip_grad_norm_(online.parameters(), settings.gradient_clip)
        optimizer.step()

    game.reset()
    observation = planes()
    for _ in range(settings.learning_starts):
        observation = interact(observation, 1.0)

    def advance(steps: int) -> None:
        nonlocal observation
        for _ in range(steps):
            observation = interact(observation, settings.exploration)
            if replay.added % settings.train_frequency == 0:
                update()
            if replay.added % settings.target_interval == 0:
                target.load_state_dict(online.state_dict())

    return advance


if __name__ == "__main__":
    serve(prepare, ("torch", "minatar", "numpy"))
