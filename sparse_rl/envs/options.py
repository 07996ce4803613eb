"""The options in an environment's name: the part after the question mark.

brax/hopper?backend=spring&time_limit=500
"""

from collections.abc import Callable
from typing import TypeVar

from sparse_rl.environment_name import taken_apart

T = TypeVar("T")
_LARGEST = 2**31 - 1
_INFINITE = float("inf")


class Options:
    """Options of one environment, taken one by one; `finish` refuses those nobody took."""

    def __init__(self, name: str) -> None:
        """Parses the options of `name`; raises ValueError if they are malformed."""
        self._name = name
        self._left: dict[str, str] = {}
        self._known: list[str] = []
        query = taken_apart(name).options
        for part in query.split("&") if query else []:
            key, equals, value = part.partition("=")
            if not equals or not key or not value:
                raise ValueError(
                    f"environment {name!r}: option {part!r} is not of the form key=value"
                )
            if key in self._left:
                raise ValueError(f"environment {name!r}: option {key} is given twice")
            self._left[key] = value

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """Takes an option that is one of a few words."""
        value = self._take(key, default)
        if value not in allowed:
            raise self._refusal(key, value, ", ".join(allowed))
        return value

    def probability(self, key: str, default: float) -> float:
        """Takes an option that is a number from 0 to 1."""
        return self._number(key, default, float, lambda x: 0.0 <= x <= 1.0, "a number from 0 to 1")

    def factor(self, key: str) -> float:
        """Takes an option that is a number above 0, by default 1."""
        return self._number(key, 1.0, float, lambda x: 0.0 < x < _INFINITE, "a number above 0")

    def positive(self, key: str, default: int, most: int = _LARGEST) -> int:
        """Takes an option that is a whole number from 1 to `most`, by default what 32 bits hold."""
        rule = f"a whole number of at least 1 and at most {most}"
        return self._number(key, default, int, lambda x: 1 <= x <= most, rule)

    def has(self, key: str) -> bool:
        """Whether this option is given and was not taken yet."""
        return key in self._left

    def rest(self) -> dict[str, str]:
        """Takes all that are left, as they are written."""
        left, self._left = self._left, {}
        return left

    def finish(self) -> None:
        """Raises ValueError if an option is left that this environment does not have."""
        if self._left:
            allowed = ", ".join(self._known) if self._known else "none"
            raise ValueError(
                f"environment {self._name!r}: unknown option {next(iter(self._left))}; "
                f"allowed: {allowed}"
            )

    def _take(self, key: str, default: str) -> str:
        self._known.append(key)
        return self._left.pop(key, default)

    def _number(
        self, key: str, default: T, parse: Callable[[str], T], test: Callable[[T], bool], rule: str
    ) -> T:
        text = self._take(key, str(default))
        try:
            value = parse(text)
        except ValueError:
            raise self._refusal(key, text, rule) from None
        if not test(value):
            raise self._refusal(key, text, rule)
        return value

    def _refusal(self, key: str, value: str, allowed: str) -> ValueError:
        return ValueError(
            f"environment {self._name!r}: option {key} is {value!r}, allowed: {allowed}"
        )
