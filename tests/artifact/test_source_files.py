"""Text from files of others stays text in generated sources."""

import itertools
import re

import pytest

from benchmarks.synthetic import mlp_actor, random_observations
from sparse_rl.artifact import reference, source_files
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.rust_source import crate

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
GRAPH = mlp_actor((3, 4, 1), 0.5)
EVIL = "***///static int evil; /*"


def test_no_text_begins_or_ends_a_comment():
    for letters in itertools.product("*/ ", repeat=7):
        text = source_files.one_line("".join(letters))
        assert "*/" not in text and "/*" not in text


@pytest.mark.parametrize("where", ["title", "notes"])
def test_the_code_of_a_header_is_the_same_whatever_its_text(where):
    def code(text):
        told = {"title": text} if where == "title" else {"title": "", "notes": [text]}
        return COMMENT.sub("", generate(GRAPH, **told).files["srl_actor.h"])

    assert code(EVIL) == code("a") and "evil" not in code(EVIL)


def test_documentation_in_rust_is_neither_html_nor_a_program():
    seen = random_observations(GRAPH, 5)
    known = seen, reference.act(GRAPH, seen)
    lines = ["```", "    std::process::exit(1)", "<script>", "~~~", "[a](b)", "C:\\a `b`"]
    library = crate(GRAPH, "title", lines, known)["src/lib.rs"]
    said = [line[4:] for line in library.splitlines() if line.startswith("//! ")][1:]
    assert said == [
        "title",
        r"\`\`\`",
        "std::process::exit(1)",
        r"\<script>",
        r"\~\~\~",
        r"\[a](b)",
        r"C:\\a \`b\`",
    ]
