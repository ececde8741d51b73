"""Says what is wrong with settings: each place, and the nearest valid name for a misspelt one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from cxflow.model.names import nearest


def explain(problem: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """What is wrong with a configuration: one line per field, with the nearest valid name for a misspelt one."""
    lines = []
    for error in problem.errors():
        place = ".".join(str(key) for key in error["loc"])
        where = ".".join(name for name in (prefix, place) if name)
        if error["type"] == "extra_forbidden":
            hint = nearest(str(error["loc"][-1]), _fields_at(model, error["loc"][:-1]))
            lines.append(f"{where}: unknown setting{hint}")
        elif error["type"] == "missing":
            lines.append(f"{where}: this setting is required")
        else:
            lines.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the model at a path inside another model."""
    current: Any = model
    for key in path:
        if isinstance(current, type) and issubclass(current, BaseModel) and key in current.model_fields:
            current = current.model_fields[str(key)].annotation
        while not isinstance(current, type):
            inner = [item for item in getattr(current, "__args__", ()) if item is not type(None)]
            models = [item for item in inner if _holds_model(item)]
            if not models:
                return []
            current = models[0]
        if isinstance(current, type) and hasattr(current, "__args__"):
            current = next((item for item in current.__args__ if _holds_model(item)), current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_holds_model(item) for item in getattr(annotation, "__args__", ()))
