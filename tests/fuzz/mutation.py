"""Broken versions of what is whole: the inputs of the fuzz tests.

The plain suite tries a few; ``make fuzz`` sets EEGD_FUZZ to their number.
"""

import os
import struct

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=int(os.environ.get("EEGD_FUZZ", "60")),
    derandomize="EEGD_FUZZ" not in os.environ,  # the plain suite fails only for what was changed
    deadline=None,  # a busy machine is no fault; the tests have limits of their own
    suppress_health_check=list(HealthCheck),
)

# What lengths, counts and offsets are most likely to be mishandled.
ODD_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
ODD_BYTES = [struct.pack(order, n) for n in ODD_NUMBERS for order in ("<I", ">I")]
ODD_TEXT = [
    b"",
    b"\x00",
    b"-1",
    b"nan",
    b"1e999",
    b"99999999",
    b"\x1b[31m",
    b"\xff\xfe",
    b"<",
    b"&",
]


@st.composite
def mutated(draw: st.DrawFn, whole: bytes, most: int = 4) -> bytes:
    """``whole`` with up to ``most`` of: bytes changed, overwritten, cut, repeated, left out."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        # Headers come first, and are where it hurts.
        end = draw(st.sampled_from([64, 512, len(content)]))
        at = draw(st.integers(0, max(min(end, len(content)) - 1, 0)))
        length = draw(st.sampled_from([1, 2, 4, 16, 200]))
        match draw(st.integers(0, 5)):
            case 0:
                if content:
                    content[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                odd = draw(st.sampled_from(ODD_BYTES))
                content[at : at + len(odd)] = odd
            case 2:
                odd = draw(st.sampled_from(ODD_TEXT) | st.binary(max_size=12))
                content[at : at + len(odd)] = odd
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = content[at : at + length] * draw(st.integers(1, 3))
            case 5:
                if draw(st.booleans()):
                    del content[at:]
    return bytes(content)


TEXT = st.text(max_size=30) | st.sampled_from(
    ["", " ", "\x1b[31mx", "a\nb", "\u202e", "µV", "nan", "-1", "1e400", "x" * 3000, "null", "~"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400])
    | st.floats()
    | TEXT
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def grafted(draw: st.DrawFn, tree: object, depth: int = 0) -> object:
    """A JSON-like ``tree`` with one of its parts replaced, left out or added."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        changed = dict(tree)
        match draw(st.integers(0, 7)):
            case 0:
                del changed[key]
            case 1:
                changed[draw(TEXT)] = draw(TREES)
            case _:
                changed[key] = draw(grafted(tree[key], depth + 1))
        return changed
    if isinstance(tree, list) and tree and draw(st.integers(0, 5)):
        n = draw(st.integers(0, len(tree) - 1))
        match draw(st.integers(0, 7)):
            case 0:
                return tree[:n] + tree[n + 1 :]
            case 1:
                return [*tree[:n], draw(TREES), *tree[n:]]
            case _:
                return [*tree[:n], draw(grafted(tree[n], depth + 1)), *tree[n + 1 :]]
    return draw(TREES)
