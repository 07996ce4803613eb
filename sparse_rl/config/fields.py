"""What sections of a configuration are made of: the types of their fields, and the decorator.

    @section
    class TD3Options(AgentOptions):
        \"\"\"Twin delayed DDPG (Fujimoto et al. 2018).\"\"\"

        name: Literal["td3"] = "td3"
        \"\"\"The algorithm.\"\"\"
        tau: Fraction = 0.005
        \"\"\"Share of the critics that is blended into their targets.\"\"\"

The docstrings below the fields are what --help shows.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import dataclasses as checked

from sparse_rl.config import options
from sparse_rl.config.error import ConfigError
from sparse_rl.config.validation_line import one_line


def _whole_number(value: object) -> object:
    """Accept 1e6 where a count is meant: YAML and the shell hand it over as a float or a string."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    if isinstance(value, numbers.Integral):  # NumPy's too
        return int(value)
    if isinstance(value, str):
        try:
            value = float(value) if not value.lstrip("+-").isdecimal() else int(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _real_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("not a number")
    try:
        return float(value) if isinstance(value, numbers.Real) else value
    except OverflowError:
        raise ValueError("too large") from None


Whole = Annotated[int, BeforeValidator(_whole_number), Field(le=options.LARGEST)]
Count = Annotated[Whole, Field(ge=0)]
PositiveCount = Annotated[Whole, Field(ge=1)]
Episodes = Annotated[PositiveCount, Field(le=100_000)]
"""They are played side by side, so they take memory."""
Real = Annotated[float, BeforeValidator(_real_number), Field(allow_inf_nan=False)]
Fraction = Annotated[Real, Field(ge=0, le=1)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Sparsity = Annotated[Real, Field(ge=0, lt=1), AfterValidator(abs)]  # -0.0 is 0

T = TypeVar("T")
_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def section(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass whose values are checked; see above.

    What it is made with and cannot hold raises `ConfigError`, one line, in Python too.
    """
    made: Any = checked.dataclass(frozen=True, config=_STRICT)(cls)
    check = made.__init__

    @functools.wraps(check)
    def init(self: Any, *args: Any, **values: Any) -> None:
        try:
            check(self, *args, **values)
        except ValidationError as error:
            raise ConfigError(one_line(error, options.sections(made))) from None

    made.__init__ = init
    return made  # type: ignore[no-any-return]
