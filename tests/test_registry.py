"""Open sets: names from the house and from outside, and what a typing error gets."""

import sys
from pathlib import Path

import pytest

from sparse_rl.registry import Entry, Registry, UnknownNameError, load


def test_a_decorated_function_is_found_with_its_options() -> None:
    table = Registry("agent")

    @table.register("td3", options=dict)
    def build() -> str:
        return "built"

    assert table.names() == ("td3",)
    assert table.options("td3") is dict
    assert table.implementation("td3")() == "built"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    table = Registry("method")
    for name in ("gradual", "rigl", "static"):
        table.register(name)(print)
    with pytest.raises(
        UnknownNameError,
        match=r"^unknown method 'rigle'; did you mean rigl\? allowed: gradual, rigl, static$",
    ):
        table.implementation("rigle")


def test_a_name_belongs_to_one() -> None:
    table = Registry("network")
    table.add(Entry("mlp", None, "json:loads"))
    table.add(Entry("mlp", None, "json:loads"))  # the same module imported again
    with pytest.raises(ValueError, match="'mlp': registered by json:loads and again by json:dumps"):
        table.add(Entry("mlp", None, "json:dumps"))
    with pytest.raises(ValueError, match="letters, digits, underscores"):
        table.add(Entry("my-mlp", None, "json:dumps"))


def test_what_is_built_in_is_imported_when_it_is_used(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "lazy_part.py").write_text("class Options: ...\ndef build(): return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = Registry("agent")
    table.add(Entry("lazy", "lazy_part:Options", "lazy_part:build"))
    assert "lazy_part" not in sys.modules
    assert table.implementation("lazy")() == 3
    assert table.options("lazy").__name__ == "Options"


def test_a_package_of_ones_own_joins_by_its_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "joining_package.py").write_text(
        "from sparse_rl import registry\n"
        "@registry.PASSES.register('halve')\n"
        "def halve(graph): return graph / 2\n"
    )
    (tmp_path / "broken_package.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    load(["joining_package"])
    from sparse_rl import registry

    assert registry.PASSES.implementation("halve")(3) == 1.5
    with pytest.raises(ValueError) as caught:
        load(["broken_package"])
    place = tmp_path / "broken_package.py"
    assert str(caught.value) == (
        "imports: broken_package: ModuleNotFoundError: No module named 'nothing_of_this_name' "
        f"({place}, line 1)"
    )
    (tmp_path / "ending_script.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(ValueError) as caught:
        load(["ending_script"])
    place = tmp_path / "ending_script.py"
    assert str(caught.value) == f"imports: ending_script: SystemExit: 3 ({place}, line 1)"
    with pytest.raises(ValueError) as caught:
        load(["no_package_of_this_name"])
    assert str(caught.value) == (
        "imports: no_package_of_this_name: ModuleNotFoundError: "
        "No module named 'no_package_of_this_name'"
    )
