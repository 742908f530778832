"""Every run's LSL is its own: nothing outside this test session sees its streams or is seen.

So are its ports: LSL has 32 for a whole machine, two for each outlet, and a stream beyond them is
not found.
"""

import os
import tempfile
import uuid
from pathlib import Path

# liblsl reads its configuration once, when it is first used in a process; children inherit it.
_port = 10_000 + os.getpid() % 88 * 250
_folder = Path(tempfile.mkdtemp(prefix="eegd-lsl-"))
(_folder / "lsl_api.cfg").write_text(
    f"[ports]\nMulticastPort = {_port}\nBasePort = {_port + 1}\nPortRange = 240\n"
    "[multicast]\nResolveScope = machine\n"
    "[lab]\n"
    f"KnownPeers = {{127.0.0.1}}\nSessionID = {uuid.uuid4().hex}\n",
    encoding="utf-8",
)
os.environ["LSLAPICFG"] = str(_folder / "lsl_api.cfg")
