"""The type of a model field that accepts another type than it stores. For type checkers only: pydantic converts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

InputT = TypeVar("InputT")
ValueT = TypeVar("ValueT")

if TYPE_CHECKING:

    class Coerced(Generic[InputT, ValueT]):
        """A field that accepts an `InputT` and stores the `ValueT` that a validator makes of it."""

        def __get__(self, model: object, owner: type | None = None) -> ValueT: ...

        def __set__(self, model: object, value: InputT) -> None: ...

else:

    class Coerced:
        """At run time, `Coerced[InputT, ValueT]` is `ValueT`."""

        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            return types[1]
