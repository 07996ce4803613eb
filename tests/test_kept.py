"""Results are kept where arguments can be hashed, and made anew where they cannot."""

from dataclasses import dataclass

from sparse_rl.kept import kept


@dataclass
class Unhashable:
    number: int


@dataclass(frozen=True)
class Plain:
    number: int


def test_equal_arguments_are_computed_once_if_they_can_be_hashed() -> None:
    calls = []

    @kept(2)
    def double(one: Unhashable | Plain) -> int:
        calls.append(one)
        return 2 * one.number

    assert [double(Plain(3)), double(Plain(3)), double(Plain(4))] == [6, 6, 8]
    assert calls == [Plain(3), Plain(4)]
    assert [double(Unhashable(5)), double(Unhashable(5))] == [10, 10]
    assert calls[2:] == [Unhashable(5), Unhashable(5)]
    double.forget()  # type: ignore[attr-defined]
    assert double(Plain(3)) == 6
    assert len(calls) == 5
