"""What a stream may say of itself: liblsl's own reading of broken XML, described and compared."""

import ctypes
from collections import Counter
from dataclasses import astuple
from xml.sax.saxutils import escape

import pylsl
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, TEXT, mutated
from pylsl.lib import lib

from daemon.contract import Contract
from daemon.discovery import describe
from daemon.errors import ContractError
from daemon.pick import pick_for

lib.lsl_streaminfo_from_xml.restype = ctypes.c_void_p
lib.lsl_streaminfo_from_xml.argtypes = [ctypes.c_char_p]

CONTRACT = Contract.model_validate(
    {
        "sample_rate": 100,
        "window": 10,
        "channels": ["Fp1", "Cz"],
        "classes": ["a", "b"],
    }
)
FIELDS = {
    "name": "Amp",
    "type": "EEG",
    "channel_count": "2",
    "channel_format": "float32",
    "source_id": "amp-1",
    "nominal_srate": "100.0000000000000",
    "version": "1.100000000000000",
    "created_at": "12.5",
    "uid": "6f2c2a8e-7c0c-4a52-8ab0-3c2f6e8f9d10",
    "session_id": "default",
    "hostname": "lab",
    "v4address": "",
    "v4data_port": "0",
    "v4service_port": "0",
    "v6address": "",
    "v6data_port": "0",
    "v6service_port": "0",
}
NUMBERS = st.sampled_from(
    ["", "0", "-1", "1", "2", "3", " 2", "2 ", "64", "1025", "2147483647", "4294967296", "1e3"]
) | st.sampled_from(["nan", "inf", "-inf", "1e-320", "1e400", "0x10", "2.5", "two"])
CHANNEL = st.lists(
    st.tuples(
        st.sampled_from(["label", "unit", "type", "label", "unit", "desc"]),
        st.sampled_from(["Fp1", "Cz", "microvolts", "µV", "volts"]) | TEXT,
    ),
    max_size=4,
)


def element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def document(fields: dict[str, str], channels: list[list[tuple[str, str]]], count: int) -> bytes:
    listed = "".join(
        element_tree("channel", "".join(element(*pair) for pair in channel)) for channel in channels
    )
    desc = element_tree("desc", element_tree("channels", listed) * count)
    body = "".join(element(*pair) for pair in fields.items()) + desc
    return f'<?xml version="1.0"?>{element_tree("info", body)}'.encode("utf-8", "replace")


def element_tree(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


USUAL = [[("label", label), ("unit", "microvolts")] for label in ("Fp1", "Cz")]
WHOLE = document(FIELDS, USUAL, 1)
DOCUMENTS = st.one_of(
    st.builds(
        document,
        st.fixed_dictionaries(
            {key: st.just(value) for key, value in FIELDS.items()},
            optional={},
        ).flatmap(
            lambda fields: st.dictionaries(
                st.sampled_from(sorted(fields)), NUMBERS | TEXT, max_size=3
            ).map(lambda changed: {**fields, **changed})
        ),
        st.just(USUAL) | st.lists(CHANNEL, max_size=5),
        st.sampled_from([1, 1, 1, 0, 2]),
    ),
    mutated(WHOLE),
    mutated(WHOLE, most=1),
    st.binary(max_size=80),
)


@FUZZ
@given(DOCUMENTS)
def test_stream_metadata(count: Counter[str], content: bytes) -> None:
    handle = lib.lsl_streaminfo_from_xml(content)
    if not handle:
        count["not taken by liblsl"] += 1
        return
    info = pylsl.StreamInfo(handle=handle)
    said = None
    try:
        stream = describe(info)
        shown = [
            str(stream),
            *(part for part in astuple(stream)[:4]),
            *stream.labels,
            *stream.units,
        ]
        assert all(text.isprintable() for text in shown)
        pick_for(CONTRACT, stream)
    except ContractError as error:
        said = str(error)
    count["picked" if said is None else "refused"] += 1
    assert said is None or said.isprintable(), said
