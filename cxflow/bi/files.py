"""Writes the files for a BI tool as YAML: into a folder, or into one ZIP."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cxflow import private_files

_FIRST = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a ZIP: the same content is the same bytes."""


def text(content: Any) -> str:
    """Content as YAML; a text stays as it is. PyYAML quotes what its own reader, which the tools use, would take for
    something else than a text: `on`, `1e3`."""
    if isinstance(content, str):
        return content
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def write(files: Mapping[str, Any], out: Path) -> None:
    """Write the files into the ZIP or the folder `out`, under a folder of its name in a ZIP. Raises OSError."""
    texts = {path: text(content).encode() for path, content in files.items()}
    if out.suffix != ".zip":
        for path, each in texts.items():
            private_files.replace(out / path, each)
        return
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, each in texts.items():
            entry = zipfile.ZipInfo(f"{out.stem}/{path}", _FIRST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, each)
    private_files.replace(out, packed.getvalue())


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - its base asks
        """Write what is used twice twice."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
