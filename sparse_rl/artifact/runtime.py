"""Running a packed actor: `load_actor(path)`, without JAX.

    actor = load_actor("actor.srl")
    action, _ = actor.predict(observation)         # as in Stable-Baselines3
    actions = actor(batch_of_observations)

With a C compiler on the machine the actor runs as compiled C, otherwise with NumPy; both give the
same actions.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import HOST, Target, generate
from sparse_rl.artifact.compiler import CompilationError, compile_shared, find_compiler
from sparse_rl.artifact.facts import as_html, facts, in_a_line
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor, Provenance, load

Backend = Literal["auto", "numpy", "c"]
_NOT_FINITE = "observation: a number is not finite, or too large to act on"


class Actor:
    """A compressed actor: call it with one observation or a batch of them.

    `backend` is "c" or "numpy"; `target` is whose kernels the C has. Actions are float32
    [*batch, n] in the environment's units, or int64 [*batch] for discrete actions.
    """

    def __init__(
        self, packed: PackedActor, backend: Backend = "auto", target: Target = HOST
    ) -> None:
        if backend not in ("auto", "numpy", "c"):
            raise ValueError(f"backend {backend!r}: expected auto, numpy or c")
        self._packed, self._asked, self._target = packed, backend, target
        self._dtype = np.dtype(packed.graph.observation.dtype)
        self.graph: Graph = packed.graph
        self.provenance: Provenance = packed.provenance
        self.backend: Literal["numpy", "c"] = "numpy"
        self._c: _Library | None = None
        if backend == "c" or (backend == "auto" and find_compiler()):
            try:
                self._c = _compiled(self.graph, target)
                self.backend = "c"
            except (CompilationError, OSError) as error:
                # A compiler that fails, or a directory from which nothing may be loaded.
                reason = " ".join(str(error).split())
                if backend == "c":
                    raise CompilationError(f"backend c: {reason}") from None
                warnings.warn(f"the actor runs with NumPy, not C: {reason}", stacklevel=3)

    def __repr__(self) -> str:
        """Where it comes from, its weights, what it reads and gives, in one line."""
        return in_a_line(facts(self.graph, self.provenance, self.backend))

    def _repr_html_(self) -> str:
        """The same, with its layers, as a table in a notebook."""
        return as_html(facts(self.graph, self.provenance, self.backend))

    def __call__(self, observation: ArrayLike) -> NDArray:
        """Action of one observation of the actor's shape, or actions of a batch with one axis more.

        Raises ValueError for another shape, for numbers that the actor's type cannot hold
        (fractions where it reads bytes), and for one that is not finite, or so large that an output
        would not be.
        """
        shape = self.graph.observation.shape
        if (
            self._c is not None
            and type(observation) is np.ndarray
            and observation.dtype == self._dtype
            and observation.shape == shape
        ):
            return self._c.act_on_one(observation)
        array = np.asarray(observation)
        single = array.shape == shape
        actions, finite = self._act(self._batch(array[None] if single else array))
        if not finite.all():
            raise ValueError(_NOT_FINITE)
        return actions[0] if single else actions

    def where_finite(self, observations: ArrayLike) -> NDArray:
        """Actions of a batch [n, *shape], nan in the rows for which a call would raise.

        Discrete actions are float64 where there are such rows. For episodes side by side, of which
        one that fails must not end the others. Raises ValueError for another shape or type.
        """
        actions, finite = self._act(self._batch(np.asarray(observations)))
        if finite.all():
            return actions
        found = actions.astype(np.result_type(actions.dtype, np.float32))
        found[~finite] = np.nan
        return found

    def predict(
        self,
        observation: ArrayLike,
        state: None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray, None]:
        """(action, None), as in Stable-Baselines3; the policy is always deterministic."""
        return self(observation), None

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, also in another process, are compiled there."""
        return Actor, (self._packed, self._asked, self._target)

    def _batch(self, array: NDArray) -> NDArray:
        """A batch in the actor's type; raises ValueError for what it does not read."""
        if array.shape[1:] != self.graph.observation.shape or not array.ndim:
            raise ValueError(
                f"observation of shape {array.shape}: the actor reads "
                f"{self.graph.observation.shape}, or a batch"
            )
        self._check_type(array)
        return np.ascontiguousarray(array, self._dtype)

    def _check_type(self, array: NDArray) -> None:
        """Refuses what a conversion to the actor's type would change without a word."""
        kind, reads = array.dtype.kind, self.graph.observation.dtype
        if kind not in "biuf":
            raise ValueError(f"observation of type {array.dtype}: expected real numbers")
        if array.dtype == self._dtype or reads == "float32" or not array.size:
            return
        largest = 255 if reads == "uint8" else 1
        if reads == "uint8" and kind == "f":
            raise ValueError(
                f"observation of {array.dtype}: the actor reads bytes, whole numbers from 0 to 255"
            )
        if (
            not np.isin(array, (0, 1)).all()
            if reads == "bool"
            else (array.min() < 0 or array.max() > largest)
        ):
            raise ValueError(
                f"observation from {array.min():g} to {array.max():g}: "
                f"the actor reads whole numbers from 0 to {largest}"
            )

    def _act(self, batch: NDArray) -> tuple[NDArray, NDArray]:
        """Actions, and in which rows all numbers are finite: in others an action means nothing."""
        if self._c is not None:
            return self._c.act(batch)
        if not len(batch):
            width = () if isinstance(self.graph.output, ArgMax) else self.graph.output_shape
            return np.empty((0, *width), np.int64 if not width else np.float32), np.ones(0, bool)
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = reference.outputs(self.graph, batch)
            actions = reference.action_of(self.graph, outputs)
        # int8 makes numbers of an observation's nan, so the outputs alone do not show it.
        seen = np.isfinite(batch).reshape(len(batch), -1).all(axis=1)
        return actions, seen & np.isfinite(outputs).all(axis=1)


def load_actor(path: str | Path, backend: Backend = "auto") -> Actor:
    """The actor in a packed file; raises ArtifactError (a ValueError) if the file is damaged."""
    return Actor(load(Path(path)), backend)


class _Library:
    """The generated C in a shared library of its own, with its functions for a small actor.

    Its arrays lie on the stack of the thread that calls.
    """

    def __init__(self, library: ctypes.CDLL, graph: Graph) -> None:
        self._act = library.srl_act_batch
        self._act.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        self._act.restype = ctypes.c_int
        self.discrete = isinstance(graph.output, ArgMax)
        self.width = 1 if self.discrete else graph.output_shape[0]
        # A single observation is copied to a place whose address is known: asking NumPy for one
        # takes longer than many an actor. One call at a time, and without giving up the
        # interpreter's lock, which takes as long.
        self._observation = np.empty(graph.observation.shape, graph.observation.dtype)
        self._action = np.empty(self.width, np.int32 if self.discrete else np.float32)
        self._places = tuple(
            ctypes.c_void_p(array.ctypes.data) for array in (self._observation, self._action)
        )
        self._act_on_one = ctypes.PyDLL(None, handle=library._handle).srl_act
        self._lock = threading.Lock()

    def act_on_one(self, observation: NDArray) -> NDArray:
        with self._lock:
            self._observation[...] = observation
            if self._act_on_one(*self._places):
                raise ValueError(_NOT_FINITE)
            return np.int64(self._action[0]) if self.discrete else self._action.copy()  # type: ignore[return-value]

    def act(self, batch: NDArray) -> tuple[NDArray, NDArray]:
        actions = np.empty((len(batch), self.width), np.int32 if self.discrete else np.float32)
        finite, done = np.ones(len(batch), bool), 0
        while done < len(batch):  # it ends before the first that is refused: on behind that
            done += self._act_in_order(batch[done:], actions[done:])
            if done < len(batch):
                finite[done] = False
                done += 1
        return (actions[:, 0].astype(np.int64) if self.discrete else actions), finite

    def _act_in_order(self, batch: NDArray, actions: NDArray) -> int:
        """Writes the actions of all observations before the first refused; returns how many."""
        return self._act(batch.ctypes.data, actions.ctypes.data, len(batch))


class _LibraryWithScratch(_Library):
    """The same for a large actor, whose arrays would end Python in a thread with too small a stack.

    Each thread has a buffer for them, so that several may act at once.
    """

    def __init__(self, library: ctypes.CDLL, graph: Graph, scratch_bytes: int) -> None:
        super().__init__(library, graph)
        self._act = library.srl_act_batch_in
        self._act.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int]
        self._act.restype = ctypes.c_int
        self._floats = -(-scratch_bytes // 4)
        self._of_thread = threading.local()

    def act_on_one(self, observation: NDArray) -> NDArray:
        actions, finite = self.act(np.ascontiguousarray(observation[None]))
        if not finite[0]:
            raise ValueError(_NOT_FINITE)
        return actions[0]

    def _act_in_order(self, batch: NDArray, actions: NDArray) -> int:
        scratch = self._scratch().ctypes.data
        return self._act(scratch, batch.ctypes.data, actions.ctypes.data, len(batch))

    def _scratch(self) -> NDArray[np.float32]:
        """This thread's buffer, of floats because nothing in it is larger."""
        scratch: NDArray[np.float32] | None = getattr(self._of_thread, "scratch", None)
        if scratch is None:
            scratch = self._of_thread.scratch = np.empty(self._floats, np.float32)
        return scratch


def _compiled(graph: Graph, target: Target) -> _Library:
    """Raises CompilationError, or OSError where nothing can be written or loaded."""
    source = generate(graph, target)
    with tempfile.TemporaryDirectory(prefix="srl_actor_") as folder:
        directory = Path(folder)
        source.write(directory)
        # Once loaded, the library stays mapped although its file goes.
        library = ctypes.CDLL(str(compile_shared(directory, directory / "srl_actor.so")))
    if source.scratch_bytes:
        return _LibraryWithScratch(library, graph, source.scratch_bytes)
    return _Library(library, graph)
