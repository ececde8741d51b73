"""Finds lines of a CR LF file that an unquoted line break cut in pieces. Called by `copies`.

A bare LF in such a file may end a line, or stand in the middle of a cell. Where a piece beside it has the wrong number
of cells, it stood in a cell; the other piece then may have the right number, but not its whole value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cxflow.connect.files.records import Slice


def ends_in_bare_lf(found: Slice) -> npt.NDArray[np.bool_]:
    """Which records end in LF alone."""
    text = np.frombuffer(found.data, np.uint8)
    is_lf = text[found.ends - 1] == 10
    after_cr = (found.ends > 1) & (text[np.maximum(found.ends - 2, 0)] == 13)
    return np.asarray(is_lf & ~after_cr, bool)


def pieces(
    bad: npt.NDArray[np.bool_], blank: npt.NDArray[np.bool_], is_joined: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """The records that bare LFs join to a bad one, themselves not bad, over blank lines too.

    `is_joined` says which records end in a bare LF.
    """
    reached = bad.copy()
    joints = np.flatnonzero(is_joined[:-1]).tolist()
    for number in joints:
        reached[number + 1] |= reached[number]
    for number in reversed(joints):
        reached[number] |= reached[number + 1]
    return np.asarray(reached & ~bad & ~blank, bool)
