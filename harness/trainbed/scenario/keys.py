# SPDX-License-Identifier: Apache-2.0
"""Building blocks of the schema: mappings that know their keys, mappings with exactly one key, words from a list."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from trainbed.scenario.wording import describe, did_you_mean

E = TypeVar("E", bound=Enum)

Name = Annotated[str, Field(min_length=1, max_length=200)]


def wrong(expected: str, found: Any) -> PydanticCustomError:
    """The error of a value of the wrong form."""
    return PydanticCustomError("wrong", "{text}", {"text": f"expected {expected}, found {describe(found)}"})


class Keys(BaseModel):
    """A mapping whose keys are all known. Values are taken as they stand: no number is read out of a text."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )
    _what: ClassVar[str] = "key"

    @classmethod
    def key_names(cls) -> tuple[str, ...]:
        """Names of all keys as they are written in a scenario."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="before")
    @classmethod
    def _all_keys_are_known(cls, value: Any) -> Any:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise wrong(f"a mapping with the keys {', '.join(cls.key_names())}", value)
        for key in value:
            if key not in cls.key_names():
                text = f"unknown {cls._what} '{key[:80]}'{did_you_mean(key, cls.key_names())}"
                raise PydanticCustomError("unknown_key", "{text}", {"text": text, "key": key})
        return value


class OneKey(Keys):
    """A mapping with exactly one of its keys; a bare word stands for that key with nothing in it."""

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        names = cls.key_names()
        if isinstance(value, str):
            value = {value: {}}
        if not isinstance(value, dict):
            raise wrong(f"a {cls._what} ({', '.join(names)})", value)
        unknown = [key for key in value if key not in names]
        if not unknown and len(value) != 1:
            found = ", ".join(value) if value else "none"
            text = f"expected one {cls._what} ({', '.join(names)}), found {found}"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return {key: {} if content is None else content for key, content in value.items()}

    @property
    def kind(self) -> str:
        """The key that was given."""
        return next(iter(self.model_fields_set))

    @property
    def chosen(self) -> Any:
        """The content of that key."""
        return getattr(self, self.kind)


if TYPE_CHECKING:
    Choice = Annotated[E, "one of an Enum's values"]
else:

    class Choice:
        """``Choice[SomeEnum]``: a text that is one of the Enum's values."""

        def __class_getitem__(cls, enum: type[E]) -> Any:
            def choose(value: Any) -> Any:
                names = [str(member.value) for member in enum]
                if not isinstance(value, str):
                    if isinstance(value, enum):
                        return value
                    raise wrong(f"one of {', '.join(names)}", value)
                if value not in names:
                    text = f"'{value[:80]}' is not known{did_you_mean(value, names)}"
                    raise PydanticCustomError("wrong", "{text}", {"text": text})
                return enum(value)

            return Annotated[enum, BeforeValidator(choose)]
