"""The packed file: read as written, as small as promised, and never misread when damaged."""

import dataclasses
import json
import tracemalloc
import zlib

import numpy as np
import pytest

from benchmarks import packed_mutations, synthetic
from sparse_rl.architecture.operations import ArgMax, Observation, Squash
from sparse_rl.artifact import reference
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import Dense, Graph, Normalize
from sparse_rl.artifact.packed import (
    ArtifactError,
    PackedActor,
    Provenance,
    entropy_bound,
    from_bytes,
    load,
    save,
    to_bytes,
)
from sparse_rl.artifact.packed.blocks import Reader, compressor, decompressor, varint
from sparse_rl.artifact.packed.description import describe
from sparse_rl.artifact.weights import Weights

ABOUT = Provenance("brax/halfcheetah", "0.98-int8", 7, "0123456789ab", 8123.25)
DELIVERED_BYTES = synthetic.dense_float32_bytes(
    synthetic.mlp_actor((17, 256, 256, 6), 0.0, "float32")
)

VERSION_1 = (
    "53524c01aa8df4b83d0000c50100c05b333470726f62652f78353330313233222c2d312e357d5d0b002c8557e0dde84a"
    "76b178810c144711109a02cd25a0c77043733300080106007070005b24b77f3eadfc660e3c007beb503e04d401bfa679"
    "833d8d1e87be04002b0045a96a811f31f03b00b4b481bd3fef97be"
)
"""A small actor as the first release wrote it."""
EXPECTED = [[-0.05171060562133789, -0.28833305835723877]]


def halfcheetah(sparsity, quantization, seed=0):
    kind = "int8" if quantization == "integer" else quantization
    graph = synthetic.mlp_actor((17, 256, 256, 6), sparsity, kind, seed)
    if quantization == "integer":
        graph = synthetic.with_static_scales(graph, synthetic.random_observations(graph, 200))
    return graph


@pytest.mark.parametrize("sparsity", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "static"])
def test_the_actor_is_read_as_written(tmp_path, architecture, quantization, sparsity):
    kind = "int8" if quantization == "static" else quantization
    graph = architecture(sparsity=sparsity, quantization=kind)
    observations = synthetic.random_observations(graph, 8)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    size = save(tmp_path / "actor.srl", PackedActor(compact(graph), ABOUT))
    read = load(tmp_path / "actor.srl")
    assert size == (tmp_path / "actor.srl").stat().st_size
    assert read.provenance == ABOUT
    assert read.graph.observation == graph.observation and read.graph.output == graph.output
    np.testing.assert_array_equal(
        reference.outputs(read.graph, observations), reference.outputs(compact(graph), observations)
    )
    assert to_bytes(read) == to_bytes(PackedActor(compact(graph), ABOUT))


def test_bounds_of_actions_are_kept():
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "float32")
    squash = type(graph.output)((-2.0, -0.5), (1.0, 3.0))
    graph = type(graph)(graph.observation, graph.operations, squash)
    assert from_bytes(to_bytes(PackedActor(graph))).graph.output == squash


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "integer"])
@pytest.mark.parametrize("sparsity", [0.98, 0.99])
def test_the_size_is_near_the_entropy_bound(sparsity, quantization, seed):
    graph = halfcheetah(sparsity, quantization, seed)
    assert len(to_bytes(PackedActor(graph, ABOUT))) < 1.25 * entropy_bound(graph)


def test_the_bound_of_a_small_layer_by_hand():
    graph = synthetic.mlp_actor((4, 2), 0.5, "int8w")
    # log2(8 choose 4) = log2(70) index bits, four values of 8 bits, two biases of 32 bits
    assert entropy_bound(graph) == pytest.approx((np.log2(70) + 4 * 8 + 2 * 32) / 8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("quantization", ["int8w", "int8", "integer"])
def test_compressed_actors_are_as_small_as_promised(quantization, seed):
    assert DELIVERED_BYTES == 287_768
    for sparsity, ratio in ((0.98, 60), (0.99, 100)):
        actor = PackedActor(compact(halfcheetah(sparsity, quantization, seed)), ABOUT)
        assert DELIVERED_BYTES / len(to_bytes(actor)) >= ratio


@pytest.fixture(scope="module")
def small():
    return to_bytes(PackedActor(synthetic.impala_q_network(30, (2, 3, 3), 4, 0.8, "int8"), ABOUT))


def test_every_truncation_is_an_error(small):
    for length in range(len(small)):
        with pytest.raises(ArtifactError):
            from_bytes(small[:length])
    with pytest.raises(ArtifactError):
        from_bytes(small + b"\0")


def test_every_flipped_bit_is_an_error(small):
    for bit in range(8 * len(small)):
        damaged = bytearray(small)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError):
            from_bytes(bytes(damaged))


def with_checksum(body: bytes) -> bytes:
    return b"SRL\x01" + zlib.crc32(body).to_bytes(4, "little") + body


def test_damage_behind_a_right_checksum_is_an_error_or_a_whole_actor(small):
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        body = bytearray(small[8:])
        kind = random.integers(3)
        where = int(random.integers(len(body)))
        if kind == 0:
            body[where] ^= int(random.integers(1, 256))
        elif kind == 1:
            del body[where : where + int(random.integers(1, 9))]
        else:
            body[where:where] = random.bytes(int(random.integers(1, 9)))
        try:
            actor = from_bytes(with_checksum(bytes(body)))
        except ArtifactError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        # What is accepted is a complete actor: it acts, and its outputs are numbers.
        observations = synthetic.random_observations(actor.graph, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            assert reference.outputs(actor.graph, observations).shape == (
                1,
                *actor.graph.output_shape,
            )
    assert refused > 1000


@pytest.mark.parametrize("length", [0, 1, 3, 8, 9, 100, 5000])
def test_random_bytes_are_an_error(length):
    random = np.random.default_rng(length)
    for _ in range(50):
        data = random.bytes(length)
        for candidate in (data, with_checksum(data)):
            with pytest.raises(ArtifactError):
                from_bytes(candidate)


def test_errors_name_the_file_and_the_cause(tmp_path, small):
    path = tmp_path / "actor.srl"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ArtifactError, match=r"actor\.srl: not a packed actor"):
        load(path)
    path.write_bytes(small[:3] + b"\x04" + small[4:])
    with pytest.raises(ArtifactError, match="version 4: this library reads versions 1 to 3"):
        load(path)
    path.write_bytes(small[:-1])
    with pytest.raises(ArtifactError, match="checksum"):
        load(path)


@pytest.mark.parametrize(
    "about",
    [
        {"measured_return": [1]},
        {"environment": ["a"]},
        {"arm": 3},
        {"seed": "best"},
        {"seed": True},
        {"unheard": "of"},
        ["brax/hopper"],
    ],
)
def test_a_description_of_other_types_behind_a_right_checksum_is_an_error(about):
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "float32")
    whole = to_bytes(PackedActor(graph))
    description = compressor().compress(json.dumps([describe(graph), about]).encode())
    reader = Reader(whole[8:])
    reader.take(reader.varint())
    body = varint(len(description)) + description + whole[8 + reader.position :]
    with pytest.raises(ArtifactError, match=r"^damaged: "):
        from_bytes(with_checksum(body))


def test_a_file_of_version_1_is_read_as_ever():
    data = bytes.fromhex(VERSION_1)
    read = from_bytes(data)
    assert read.provenance == Provenance("probe/x", "0.5-int8", 3, "0123", -1.5)
    np.testing.assert_allclose(
        reference.act(read.graph, np.array([[1.0, -2.0, 0.5]], np.float32)), EXPECTED, atol=1e-6
    )
    assert to_bytes(read) == data


def with_description(data: bytes, change) -> bytes:
    """A file whose description is `change` of what it was, with a right checksum."""
    reader = Reader(data[8:])
    text = decompressor().decompress(reader.take(reader.varint()), max_output_size=1 << 17)
    description = compressor().compress(json.dumps(change(json.loads(text))).encode())
    body = varint(len(description)) + description + data[8 + reader.position :]
    return with_checksum(body)


def said(observation=None, operations=None, output=None, **about):
    """A change of a description."""

    def change(tree):
        old, others = tree
        new = [observation or old[0], operations or old[1], output or old[2]]
        return [new, others | about]

    return change


NESTED: list = ["relu"]
for _ in range(9):
    NESTED = [["residual", NESTED]]


@pytest.mark.parametrize(
    "change, reason",
    [
        (said(operations=[["dense", 1 << s, "int8", "float"] for s in (21, 7)]), "weights"),
        (said(observation=[[4000, 4000], "float32", 1.0, 1]), "elements"),
        (said(operations=["relu"] * 1001), "more than 1000"),
        (said(operations=[["residual", ["relu"] * 400]] * 3), "more than 1000"),
        (said(operations=NESTED), "operations"),
        (said(operations=[["residual", []]]), "empty"),
        (said(operations=["relu"]), "without a layer"),
        (said(observation=[[3], "float32", 1e-300, 1]), "number"),
        (said(observation=[[3], "float32", True, 1]), "number"),
        (said(observation=[[3], "float32", 1.0, 1.5]), "frame stack"),
        (said(observation=[[3], ["float32"], 1.0, 1]), "dtype"),
        (said(output=["squash", -1e308, 1.0]), "bound"),
        (said(output=["squash", "-1", 1.0]), "bound"),
        (said(environment="a\nb"), "printed"),
        (said(environment="\x1b[2J"), "printed"),
        (said(environment="x" * 501), "501 characters"),
        (said(measured_return=10**400), "too large"),
        (said(measured_return=float("inf")), "not finite"),
        (said(seed=1 << 63), "too large"),
    ],
)
def test_what_a_description_may_claim_is_bounded(change, reason):
    whole = to_bytes(PackedActor(synthetic.mlp_actor((3, 4, 2), 0.0, "int8w")))
    with pytest.raises(ArtifactError, match=f"^damaged: .*{reason}"):
        from_bytes(with_description(whole, change))


@pytest.mark.parametrize("where", ["description", "weights"])
def test_a_frame_that_says_its_size_is_not_unpacked_beyond_what_is_allowed(where):
    size = 1 << 26
    frame = packed_mutations.bomb(size)
    framed = varint(len(frame)) + frame
    whole = to_bytes(PackedActor(synthetic.mlp_actor((3, 4, 2), 0.0, "int8w")))
    reader = Reader(whole[8:])
    reader.take(reader.varint())
    body = framed + reader.data[reader.position :]
    if where == "weights":
        begin = reader.position + 2  # behind their number and the Rice parameter
        assert reader.data[begin - 1] == 255 and reader.data[begin] in (0, 1)
        body = reader.data[:begin] + b"\x01" + framed
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=f"a frame that claims {size} bytes; allowed: "):
        from_bytes(with_checksum(body))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < size / 16


def test_windows_that_take_too_long_are_refused():
    whole = to_bytes(PackedActor(synthetic.impala_q_network(30, (2, 3, 3), 4, 0.8, "int8")))
    seen = [[1024, 1024, 1], "uint8", 255.0, 1]
    pools = [["pool", [9999, 9999], [1, 1], "SAME"]]
    with pytest.raises(ArtifactError, match="products"):
        from_bytes(with_description(whole, said(observation=seen, operations=pools)))


def test_the_unit_that_earlier_versions_wrote_is_ignored():
    graph = synthetic.mlp_actor((5, 20, 2), 0.5, "int8")
    static = synthetic.with_static_scales(graph, synthetic.random_observations(graph, 30))
    whole = to_bytes(PackedActor(static, ABOUT))
    read = from_bytes(with_description(whole, said(unit=-20)))
    assert to_bytes(read) == whole


def test_a_large_layer_with_few_weights_costs_little_memory():
    graph = synthetic.mlp_actor((2000, 2000, 2), 0.9999, "float32")
    data = to_bytes(PackedActor(graph))
    tracemalloc.start()
    from_bytes(data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 * 4 * 2000 * 2000


def test_an_actor_beyond_the_limits_is_not_written():
    values = np.zeros((4096, 4096), np.int8)
    values[0, 0] = 1
    layer = Dense(Weights(values, np.ones(1, np.float32)), np.zeros(4096, np.float32))
    graph = Graph(Observation((4096,)), (layer,), ArgMax())
    with pytest.raises(ValueError, match="weights; allowed in"):
        to_bytes(PackedActor(graph))


@pytest.mark.parametrize(
    ("changed", "about", "reason"),
    [
        ({"output": Squash((-1e31, -1.0), (1e31, 1.0))}, {}, r"action bound -1e\+31; allowed"),
        ({"observation": Observation((3,), "float32", 1e-31)}, {}, "number 1e-31; allowed"),
        ({"limit": np.inf}, {}, "number inf; allowed"),
        ({"epsilon": 1e-31}, {}, "number 1e-31; allowed"),
        ({}, {"environment": "x" * 501}, "found 501 characters; allowed: 500"),
        ({}, {"variant": "a\nb"}, "allowed: 500, all of which can be printed"),
        ({}, {"seed": 1 << 63}, "seed: not finite, or too large"),
    ],
)
def test_what_a_reader_refuses_is_not_written(changed, about, reason):
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "float32")
    numbers = {"epsilon": 1e-8, "limit": 10.0}
    numbers |= {key: changed.pop(key) for key in list(changed) if key in numbers}
    ones = np.ones(3, np.float32)
    steps = (Normalize(ones, ones, **numbers), *graph.operations)
    graph = dataclasses.replace(graph, operations=steps, **changed)
    with pytest.raises(ValueError, match=reason):
        to_bytes(PackedActor(graph, Provenance(**about)))


def test_a_return_that_is_no_number_is_left_out():
    about = Provenance("probe/x", "0.5", 3, "0123", float("nan"))
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "int8w")
    assert from_bytes(to_bytes(PackedActor(graph, about))).provenance.measured_return is None
