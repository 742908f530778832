"""Every run's LSL is its own: nothing outside this test session sees its streams or is seen.

So are its ports: liblsl's own 32 are soon taken, two by each outlet, and who gets none of them is
not found.
"""

import os
import random
import tempfile
import uuid
from pathlib import Path

# liblsl reads its configuration once, when it is first used in a process; children inherit it.
# Ports of its own too: LSL has 32 for a whole machine, and a stream beyond them is not found.
_port = random.randrange(20_000, 30_000, 100)
_folder = Path(tempfile.mkdtemp(prefix="eegd-lsl-"))
(_folder / "lsl_api.cfg").write_text(
    f"[ports]\nMulticastPort = {_port}\nBasePort = {_port + 1}\nPortRange = 98\n"
    "[multicast]\nResolveScope = machine\n"
    f"[ports]\nBasePort = {10_000 + os.getpid() % 88 * 250}\nPortRange = 240\n"
    "[lab]\n"
    f"KnownPeers = {{127.0.0.1}}\nSessionID = {uuid.uuid4().hex}\n",
    encoding="utf-8",
)
os.environ["LSLAPICFG"] = str(_folder / "lsl_api.cfg")
