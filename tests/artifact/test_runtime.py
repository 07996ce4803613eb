"""`load_actor`: one observation or a batch, C or NumPy, and no JAX."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.packed import ArtifactError, PackedActor, Provenance, save
from sparse_rl.artifact.runtime import Actor, load_actor
from tests import broken_compiler

BACKENDS = ["numpy", pytest.param("c", marks=pytest.mark.skipif(
    find_compiler() is None, reason="no C compiler found"))]  # fmt: skip

ACTORS = {
    "mlp": synthetic.mlp_actor((3, 8, 2), 0.5),
    "minatar": synthetic.minatar_q_network(0.9, "float32"),
}


def saved(path, graph):
    save(path / "actor.srl", PackedActor(graph, Provenance("probe", "0.9-int8", 3)))
    return path / "actor.srl"


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_observation_and_a_batch(tmp_path, architecture, backend):
    graph = architecture(sparsity=0.9, quantization="int8")
    actor = load_actor(saved(tmp_path, graph), backend)
    observations = synthetic.random_observations(graph, 9)
    expected = reference.act(graph, observations)
    found = actor(observations)
    assert actor.backend == backend and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    action, state = actor.predict(observations[4])
    assert state is None
    np.testing.assert_array_equal(action, found[4])
    assert actor(observations[:0]).shape == expected[:0].shape


@pytest.mark.parametrize("backend", BACKENDS)
def test_fixed_scales_are_run_as_packed(tmp_path, backend):
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    observations = synthetic.random_observations(graph, 30)
    static = synthetic.with_static_scales(graph, observations)
    actor = load_actor(saved(tmp_path, static), backend)
    expected = reference.act(static, observations)
    np.testing.assert_allclose(actor(observations), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_wrong_observations_are_refused(tmp_path, backend):
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    actor = load_actor(saved(tmp_path, graph), backend)
    with pytest.raises(ValueError, match=r"shape \(4,\): the actor reads \(5,\)"):
        actor(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="not finite"):
        actor(np.array([0, 0, np.nan, 0, 0]))
    assert actor([0, 0, 0, 0, 0]).shape == (2,)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("discrete", [False, True])
def test_where_a_batch_is_wanted_whole_only_rows_that_are_not_finite_are_nan(discrete, backend):
    graph = synthetic.mlp_actor((3, 8, 2), 0.5, "int8")
    if discrete:
        graph = dataclasses.replace(graph, output=ArgMax())
    actor = Actor(PackedActor(graph), backend)
    seen = synthetic.random_observations(graph, 6)
    expected = actor(seen)
    np.testing.assert_array_equal(actor.where_finite(seen), expected)
    assert actor.where_finite(seen).dtype == expected.dtype
    seen[0, 0], seen[3, 2], seen[5, 1] = np.nan, np.inf, -np.inf
    found = actor.where_finite(seen)
    whole = [1, 2, 4]
    np.testing.assert_array_equal(found[whole], expected[whole])
    assert np.isnan(np.delete(found, whole, axis=0)).all()
    with pytest.raises(ValueError, match="not finite"):
        actor(seen)
    with pytest.raises(ValueError, match="the actor reads"):
        actor.where_finite(seen[0])


def test_errors_are_one_line(tmp_path):
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    path = saved(tmp_path, graph)
    with pytest.raises(ValueError, match="backend 'cuda'"):
        load_actor(path, "cuda")  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ArtifactError, match=r"actor\.srl: damaged"):
        load_actor(path)


def test_jax_is_not_imported(tmp_path):
    path = saved(tmp_path, synthetic.mlp_actor((5, 20, 2), 0.5, "int8"))
    program = (
        "import sys; from sparse_rl.artifact.runtime import Actor, load_actor\n"
        f"load_actor({str(path)!r})([0] * 5)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'jax', 'flax', 'onnx', 'torch'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.fixture
def pixels(tmp_path):
    return load_actor(saved(tmp_path, synthetic.nature_q_network(36)), "numpy")


def test_bytes_are_asked_for_where_the_actor_reads_bytes(pixels):
    frame = np.random.default_rng(0).integers(0, 256, (36, 36, 4))
    action = pixels(frame.astype(np.uint8))
    assert pixels(frame) == action  # other whole numbers that fit
    for fractions in (frame / 255, frame.astype(np.float32)):
        with pytest.raises(ValueError, match=r"float\d\d: the actor reads bytes"):
            pixels(fractions)
    for outside in (frame + 1, frame - 300):
        with pytest.raises(ValueError, match=r"the actor reads whole numbers from 0 to 255"):
            pixels(outside)


def test_planes_are_zero_or_one_of_whatever_type(tmp_path):
    actor = load_actor(saved(tmp_path, synthetic.minatar_q_network()), "numpy")
    planes = np.random.default_rng(0).random((10, 10, 4)) < 0.1
    assert actor(planes) == actor(planes.astype(float)) == actor(planes.astype(np.int64))
    with pytest.raises(ValueError, match="whole numbers from 0 to 1"):
        actor(planes * 0.5)


@pytest.mark.parametrize("value", [1j, "1", None])
def test_what_is_no_real_number_is_refused(tmp_path, value):
    actor = load_actor(saved(tmp_path, synthetic.mlp_actor((5, 20, 2), 0.5, "int8")), "numpy")
    with pytest.raises(ValueError, match="expected real numbers"):
        actor([value] * 5)


@pytest.mark.parametrize(
    "compiler",
    [broken_compiler.FAILS, broken_compiler.WRITES_NOTHING, broken_compiler.NO_PROGRAM],
    ids=["fails", "writes nothing", "no program"],
)
def test_an_actor_runs_with_numpy_and_says_so_where_c_cannot_be_had(
    tmp_path, monkeypatch, compiler
):
    """The compiler fails, or there is nothing to load from where it should have written to."""
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    path = saved(tmp_path, graph)
    folder = broken_compiler.write(tmp_path / "bin", compiler)
    monkeypatch.setenv("PATH", folder + ":/usr/bin:/bin")
    with pytest.warns(UserWarning, match="runs with NumPy, not C: "):
        actor = load_actor(path)
    assert actor.backend == "numpy"
    observations = synthetic.random_observations(graph, 3)
    np.testing.assert_array_equal(actor(observations), reference.act(graph, observations))
    with pytest.raises(ValueError, match=r"^backend c: ") as refusal:
        load_actor(path, "c")
    assert "\n" not in str(refusal.value)


def test_a_temporary_directory_that_is_not_there_is_no_traceback_either(tmp_path, monkeypatch):
    import tempfile

    if find_compiler() is None:
        pytest.skip("no C compiler found")
    path = saved(tmp_path, synthetic.mlp_actor((5, 20, 2), 0.5, "int8"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.warns(UserWarning, match="runs with NumPy, not C"):
        assert load_actor(path).backend == "numpy"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ACTORS)
def test_actors_are_copied_and_pickled(name, backend):
    graph = ACTORS[name]
    actor = Actor(PackedActor(graph), backend)
    observations = synthetic.random_observations(graph, 5)
    for again in (copy.deepcopy(actor), pickle.loads(pickle.dumps(actor))):
        assert again.backend == backend
        np.testing.assert_array_equal(again(observations), actor(observations))


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
@pytest.mark.parametrize("name", ACTORS)
def test_one_observation_at_a_time_gives_what_a_batch_gives_and_an_action_of_its_own(name):
    graph = ACTORS[name]
    actor = Actor(PackedActor(graph), "c")
    observations = synthetic.random_observations(graph, 50)
    actions = [actor.predict(one)[0] for one in observations]
    np.testing.assert_array_equal(actions, actor(observations))
    # Not contiguous, and not of the actor's type.
    spread = np.zeros((*observations[0].shape, 2), observations.dtype)
    spread[..., 0] = observations[7]
    np.testing.assert_array_equal(actor(spread[..., 0]), actions[7])
    np.testing.assert_array_equal(actor(observations[7].astype(np.float64)), actions[7])
    if name == "mlp":
        with pytest.raises(ValueError, match="not finite"):
            actor(np.array([0, np.inf, 0], np.float32))
        np.testing.assert_array_equal(actor(observations[0]), actions[0])


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_threads_do_not_mix_their_observations():
    graph = synthetic.mlp_actor((3, 8, 2), 0.5)
    actor = Actor(PackedActor(graph), "c")
    observations = synthetic.random_observations(graph, 400)
    expected = actor(observations)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(actor, np.tile(observations, (10, 1))))
    np.testing.assert_array_equal(found, np.tile(expected, (10, 1)))


IN_A_SMALL_THREAD = """
import sys, threading
import numpy as np
from sparse_rl import load_actor

path, seen = sys.argv[1], np.load(sys.argv[2])
actor, found = load_actor(path, "c"), {}

def act(number):
    found[number] = [*(actor(one) for one in seen), *actor(seen)]

threading.stack_size(262_144)
threads = [threading.Thread(target=act, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*(action for number in range(3) for action in found[number]))
"""


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_threads_with_little_stack_act_on_images_at_once(tmp_path):
    """Of a network with 1.5 MB of arrays; in a process of its own, which it would end."""
    graph = synthetic.impala_q_network(84, sparsity=0.98, quantization="int8")
    seen = synthetic.random_observations(graph, 3)
    path = saved(tmp_path, graph)
    np.save(tmp_path / "seen.npy", seen)
    words = [sys.executable, "-c", IN_A_SMALL_THREAD, str(path), str(tmp_path / "seen.npy")]
    done = subprocess.run(words, capture_output=True, text=True)
    expected = load_actor(path, "numpy")(seen)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(action) for action in [*expected, *expected] * 3]


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_a_large_actor_refuses_what_is_not_finite_and_goes_on():
    """Hidden layers of 4,096 numbers are more than what stays on the stack."""
    graph = synthetic.mlp_actor((3, 4096, 4096, 2), 0.99)
    assert generate(graph).scratch_bytes
    actor, numpy = (Actor(PackedActor(graph), backend) for backend in ("c", "numpy"))
    seen = synthetic.random_observations(graph, 4)
    expected = numpy(seen)
    np.testing.assert_allclose([actor(one) for one in seen], expected, rtol=0, atol=1e-6)
    seen[1, 2] = np.nan
    found = actor.where_finite(seen)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2, 3]], expected[[0, 2, 3]], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="not finite"):
        actor(seen[1])
