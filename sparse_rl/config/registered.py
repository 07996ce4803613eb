"""Fields whose values are names from a registry, or sections that such a name chooses.

They are checked when a configuration is, against what is registered by then.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from sparse_rl import registry
from sparse_rl.registry import Registry, UnknownNameError

UNKNOWN = "unknown_name"
"""The type of the error of a name that is not registered; its message has near ones."""


class NameIn(NamedTuple):
    """An annotation: the text is a registered name."""

    table: Registry

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(str))

    def check(self, name: str) -> str:
        registry.load()
        try:
            self.table.options(name)
        except UnknownNameError as error:
            raise _unknown(error) from None
        return name


class OneOf(NamedTuple):
    """An annotation: a section of the options that are registered under what its `key` says."""

    table: Registry
    key: str
    default: str
    """What is meant where the key is not given."""

    def __get_pydantic_core_schema__(self, *_: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def make(self) -> Any:
        """The default's options with their defaults."""
        registry.load()
        return self.table.options(self.default)(**{self.key: self.default})

    def check(self, value: Any) -> Any:
        """The options as an instance of the class that is registered."""
        registry.load()
        if not isinstance(value, Mapping):
            return self._check_instance(value)
        name = value.get(self.key, self.default)
        kind = self._options(name)
        # As a mapping's value, so that an error's place begins with the name.
        chosen = {name: {**value, self.key: name}}
        return _adapter(dict[str, kind]).validate_python(chosen)[name]  # type: ignore[valid-type]

    def _options(self, name: Any) -> Any:
        try:
            return self.table.options(name)
        except UnknownNameError as error:
            raise _at(self.key, _unknown(error), name) from None

    def _check_instance(self, value: Any) -> Any:
        name = getattr(value, self.key, None)
        if not isinstance(name, str):
            raise PydanticCustomError("mapping_type", "no section")
        if type(value) is not self._options(name):
            raise PydanticCustomError("mapping_type", "the options of something else")
        return value


class EachOf(NamedTuple):
    """An annotation: pairs of a registered name and its options; a mapping becomes such pairs."""

    table: Registry

    def __get_pydantic_core_schema__(self, *_: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: Any) -> tuple[tuple[str, Any], ...]:
        try:
            parts = dict(value)
        except (TypeError, ValueError):
            raise PydanticCustomError("mapping_type", "of_methods: found no sections") from None
        return tuple((name, self._one(name, part)) for name, part in parts.items())

    def _one(self, name: str, part: Any) -> Any:
        registry.load()
        try:
            kind = self.table.options(name)
        except UnknownNameError as error:
            raise _at(name, _unknown(error), name) from None
        # As a mapping's value, so that an error's place begins with the name.
        return _adapter(dict[str, kind]).validate_python({name: part})[name]  # type: ignore[valid-type]


@functools.lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _unknown(error: UnknownNameError) -> PydanticCustomError:
    return PydanticCustomError(UNKNOWN, "{line}", {"line": str(error)})


def _at(key: str, problem: PydanticCustomError, found: Any) -> ValidationError:
    """The problem as one of the key inside the section."""
    return ValidationError.from_exception_data(
        key, [InitErrorDetails(type=problem, loc=(key,), input=found)]
    )
