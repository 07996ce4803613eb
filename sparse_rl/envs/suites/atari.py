"""Atari games through the Arcade Learning Environment (the extra ``atari``; its licence is GPL-2).

Observations are single frames of 84x84 bytes; `EnvSpec.frame_stack` says that the policy sees four.
Training and evaluation play the same game by different rules (Mnih et al. 2015, as implemented in
Stable-Baselines3):

                        training                        ``make(name, evaluation=True)``
    an episode is       one life; the game goes on      a whole game
    rewards             their sign                      the score
    FIRE                pressed at every start          not pressed (``fire=on`` presses it)

Both start a game with 1 to 30 steps of doing nothing, repeat each action for four frames and
observe the maximum of the last two. Options: ``sticky=P`` (probability that a frame repeats the
action of the frame before; default 0), ``actions=minimal|full``, ``fire=auto|on|off`` and
``time_limit=N`` (steps of one game; default 27000, half an hour of play).

An environment's state is the cloned state of the emulator, so forks and checkpoints are exact.
"""

import ale_py
import jax
import numpy as np
from ale_py import roms

from sparse_rl.envs.host import HostEnv, HostStep, Inner, in_threads
from sparse_rl.envs.options import Options
from sparse_rl.envs.simulator_pool import SimulatorPool
from sparse_rl.envs.suites.atari_frames import SIDE, shrink
from sparse_rl.envs.vector_env import Discrete, EnvSpec

_FRAMES_PER_STEP = 4
_MOST_NOOPS = 30


def names(suite: str) -> list[str]:
    """All bundled games: Pong, CrazyClimber, ..."""
    return [_camel_case(rom) for rom in roms.get_all_rom_ids()]


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> HostEnv:
    """Builds one game by the rules for training or for evaluation."""
    sticky = options.probability("sticky", 0.0)
    full_actions = options.choice("actions", "minimal", ("minimal", "full")) == "full"
    fire = options.choice("fire", "auto", ("auto", "on", "off"))
    time_limit = options.positive("time_limit", 27_000)
    options.finish()
    rom = next(rom for rom in roms.get_all_rom_ids() if _camel_case(rom) == identifier)
    game = _Game(
        rom=rom,
        sticky=sticky,
        full_actions=full_actions,
        presses_fire=fire == "on" or (fire == "auto" and not evaluation),
        one_life=not evaluation,
        sign_of_reward=not evaluation,
        time_limit=time_limit,
    )
    spec = EnvSpec(
        name=full_name,
        observation_shape=(SIDE, SIDE),
        observation_dtype=np.dtype(np.uint8),
        action=Discrete(len(game.actions)),
        time_limit=time_limit,
        frame_stack=4,
    )
    inner = {
        "emulator": jax.ShapeDtypeStruct((len(game.switched_on),), np.uint8),
        "steps": jax.ShapeDtypeStruct((), np.int32),
        "life_lost": jax.ShapeDtypeStruct((), np.bool_),
        "seed": jax.ShapeDtypeStruct((), np.uint32),
        "last_action": jax.ShapeDtypeStruct((), np.int32),
    }
    return HostEnv(spec, inner, game.advance)


class _Game:
    """One game and its rules, for batches of any size.

    The state of an environment: `emulator`, the emulator's; `steps` of the game so far;
    `life_lost`, whether the next episode continues this game because only a life was lost; the
    `seed` of the episode, and `last_action`, for sticky actions.
    """

    def __init__(
        self,
        rom: str,
        sticky: float,
        full_actions: bool,
        presses_fire: bool,
        one_life: bool,
        sign_of_reward: bool,
        time_limit: int,
    ) -> None:
        self._rom = rom
        self._sticky = sticky
        self._one_life = one_life
        self._sign_of_reward = sign_of_reward
        self._time_limit = time_limit
        self.pool = SimulatorPool(self._switch_on)
        first = self._switch_on()
        self.actions = first.getLegalActionSet() if full_actions else first.getMinimalActionSet()
        self._fires = presses_fire and ale_py.Action.FIRE in first.getMinimalActionSet()
        self.switched_on = _save(first)

    def advance(
        self, inner: Inner, seed: np.ndarray, restart: np.ndarray, action: np.ndarray
    ) -> HostStep:
        """Steps or restarts every environment; see `host.Advance`."""
        batch = len(restart)
        after = {name: np.array(values) for name, values in inner.items()}
        screens = np.zeros((batch, SIDE, SIDE), np.uint8)
        reward, over = np.zeros(batch, np.float32), np.zeros(batch, bool)
        self.pool.expect(batch, jax.local_device_count())

        def work(part: range) -> None:
            for i in part:
                mark = after["emulator"][i].tobytes()
                begins = restart[i] and not after["life_lost"][i]
                emulator = None if begins else self.pool.take(mark)
                if emulator is None:
                    emulator = self.pool.spare()
                    _load(emulator, self.switched_on if begins else mark)
                if restart[i]:
                    after["life_lost"][i], after["last_action"][i] = False, 0
                    after["seed"][i] = seed[i]
                    if begins:
                        after["steps"][i] = 0
                    screens[i] = shrink(self._start(emulator, int(seed[i]), begins))
                else:
                    lives = emulator.lives()
                    actions = self._sticking(after, i, int(action[i]))
                    reward[i], screen = self._play(emulator, actions)
                    screens[i] = shrink(screen)
                    after["steps"][i] += 1
                    over[i] = emulator.game_over()
                    if self._one_life and not over[i] and 0 < emulator.lives() < lives:
                        over[i] = after["life_lost"][i] = True
                mark = _save(emulator)
                after["emulator"][i] = np.frombuffer(mark, np.uint8)
                self.pool.put(mark, emulator)

        in_threads(work, batch)
        truncated = ~restart & (after["steps"] >= self._time_limit)
        after["life_lost"] &= ~truncated
        if self._sign_of_reward:
            reward = np.sign(reward)
        return HostStep(after, screens, reward, over, truncated)

    def _start(self, emulator: ale_py.ALEInterface, seed: int, begins: bool) -> np.ndarray:
        """Starts an episode, in an emulator just switched on or after a lost life; the screen."""
        if begins:
            noops = np.random.default_rng(seed).integers(1, _MOST_NOOPS + 1)
            # FIRE takes the place of the last no-op, as in ALE's own wrapper.
            for _ in range(noops - self._fires):
                emulator.act(ale_py.Action.NOOP)
        else:
            self._play(emulator, [ale_py.Action.NOOP] * _FRAMES_PER_STEP)
        if self._fires:
            emulator.act(ale_py.Action.FIRE)
        if emulator.game_over():
            _load(emulator, self.switched_on)
        return emulator.getScreenGrayscale()

    def _sticking(self, after: Inner, i: int, action: int) -> list[ale_py.Action]:
        """The action of each frame of a step: the one asked for, or the one of the frame before.

        ALE can do this too, but from random numbers that no seed reaches once a game has begun.
        """
        if self._sticky == 0:
            return [self.actions[action]] * _FRAMES_PER_STEP
        random = np.random.default_rng([after["seed"][i], after["steps"][i]])
        frames = []
        for coin in random.random(_FRAMES_PER_STEP):
            if coin >= self._sticky:
                after["last_action"][i] = action
            frames.append(self.actions[after["last_action"][i]])
        return frames

    @staticmethod
    def _play(
        emulator: ale_py.ALEInterface, actions: list[ale_py.Action]
    ) -> tuple[float, np.ndarray]:
        """One step: the reward, and the maximum of the last two screens."""
        reward, screens = 0.0, []
        for frame, action in enumerate(actions):
            reward += emulator.act(action)
            over = emulator.game_over()
            if frame >= len(actions) - 2 or over:
                screens.append(emulator.getScreenGrayscale())
            if over:
                break
        return reward, screens[0] if len(screens) == 1 else np.maximum(*screens)

    def _switch_on(self) -> ale_py.ALEInterface:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        emulator = ale_py.ALEInterface()
        emulator.setFloat("repeat_action_probability", 0.0)
        emulator.setInt("max_num_frames_per_episode", 0)  # we count the time ourselves
        emulator.loadROM(str(roms.get_rom_path(self._rom)))
        emulator.reset_game()
        return emulator


def _save(emulator: ale_py.ALEInterface) -> bytes:
    # Without ALE's random numbers, which decide nothing here and would double the size.
    state: bytes = emulator.cloneState(include_rng=False).serialize()
    return state


def _load(emulator: ale_py.ALEInterface, state: bytes) -> None:
    emulator.restoreState(ale_py.ALEState(state))


def _camel_case(rom: str) -> str:
    return "".join(word.capitalize() for word in rom.split("_"))
