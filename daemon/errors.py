"""What can go wrong for a person, each with the exit code of the command that met it.

Raise one of these with a message that names what is wrong, where (file, key, stream, channel)
and what to do. The command line prints the message alone; any other exception is a bug and
keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.reasons import Code, Reason


class EegdError(Exception):
    """Something failed that is neither the user's input nor the stream: exit code 1."""

    exit_code = 1


class UsageError(EegdError):
    """Bad usage, config, model or recording: exit code 2."""

    exit_code = 2


class ContractError(EegdError):
    """The stream contradicts the model's contract, or several streams match: exit code 3.

    Attributes
    ----------
    reason : Reason
        The same as a value: a daemon that runs abstains with it.
    differences : tuple of str
        What contradicts the contract, a clause each; empty where it is something else.
    """

    exit_code = 3

    def __init__(
        self,
        text: str,
        code: Code = Code.CONTRACT,
        channels: Sequence[str] = (),
        differences: Sequence[str] = (),
    ) -> None:
        super().__init__(text)
        self.reason = Reason(code, text, tuple(channels))
        self.differences = tuple(differences)


class StreamNotFoundError(EegdError):
    """No matching stream within ``stream.resolve_timeout``: exit code 4."""

    exit_code = 4


def with_extra(name: str) -> str:
    """The command that brings the packages of an extra, for a message."""
    return f'`pip install -c constraints.txt -e ".[{name}]"` in the project\'s folder'
