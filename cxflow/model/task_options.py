"""How Airflow runs tasks, and whom it tells of them: what a team chooses for all its connections, or for one."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from cxflow.model.frozen import Frozen

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class Notice(Frozen):
    """Whom to tell: a notifier of an Airflow provider, or a function. Further keys are its arguments."""

    model_config = ConfigDict(extra="allow")

    call: str
    """Import path of a notifier, such as `airflow.providers.smtp.notifications.smtp.SmtpNotifier`, or of a function,
    which gets the context."""

    @field_validator("call")
    @classmethod
    def _is_path(cls, path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is not an import path, such as package.module.Name")
        return path

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})


class TaskOptions(Frozen):
    """How Airflow runs tasks. What a connection does not set is as in `[airflow]`."""

    owner: str | None = None
    """Who is responsible, for Airflow's lists; unset: Airflow's default."""
    tags: tuple[str, ...] = ()
    """Further tags of its DAGs, beside `cxflow` and the project's name."""
    queue: str | None = None
    """The queue of the workers that run its tasks; unset: the executor's default."""
    priority: int | None = None
    """Airflow's priority weight: tasks with a greater one get free slots first."""
    timeout_seconds: float | None = Field(default=None, gt=0)
    """How long a task may run before it fails; unset: as long as it takes."""
    executor_config: dict[str, Any] | None = None
    """What the executor is told of its tasks, in the executor's own terms."""
    on_failure: tuple[Notice, ...] = ()
    """Whom to tell when a task has failed for good."""
    on_retry: tuple[Notice, ...] = ()
    """Whom to tell when a task has failed and will be tried again."""
    on_success: tuple[Notice, ...] = ()
    """Whom to tell when a task has succeeded."""
    deadline_seconds: float | None = Field(default=None, gt=0)
    """How long a run may take, from when it is queued, before `on_deadline` are told, once; it goes on. Unset: as long
    as it takes."""
    on_deadline: tuple[Notice, ...] = ()
    """Whom to tell of a run that is not done by then. Their texts find `dag_run` and `deadline`, and no task."""

    def over(self, others: TaskOptions) -> TaskOptions:
        """These options and, where one is not set, those of the others; tags of both."""
        own = {
            name: getattr(self, name) for name in TaskOptions.model_fields if name in self.model_fields_set
        }
        general = {name: getattr(others, name) for name in TaskOptions.model_fields}
        return TaskOptions(**general | own | {"tags": (*others.tags, *self.tags)})
