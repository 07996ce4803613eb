"""The packed file (`.srl`): an actor in about as many bytes as its information takes."""

from sparse_rl.artifact.packed.file import (
    MAGIC,
    VERSIONS,
    ArtifactError,
    PackedActor,
    Provenance,
    entropy_bound,
    from_bytes,
    load,
    save,
    to_bytes,
)

__all__ = [
    "MAGIC",
    "VERSIONS",
    "ArtifactError",
    "PackedActor",
    "Provenance",
    "entropy_bound",
    "from_bytes",
    "load",
    "save",
    "to_bytes",
]
