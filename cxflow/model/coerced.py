"""The type of a model's field that takes more than it gives. Written for type checkers: pydantic does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

TakenT = TypeVar("TakenT")
HeldT = TypeVar("HeldT")

if TYPE_CHECKING:

    class Coerced(Generic[TakenT, HeldT]):
        """A field that is declared with a `TakenT`, and holds the `HeldT` that a validator makes of it."""

        def __get__(self, model: object, owner: type | None = None) -> HeldT: ...

        def __set__(self, model: object, taken: TakenT) -> None: ...

else:

    class Coerced:
        """To pydantic, `Coerced[taken, held]` is `held`."""

        def __class_getitem__(cls, forms: tuple[Any, Any]) -> Any:
            return forms[1]
