"""Memory that is not there: neither a fault of fc2conv, nor of a file, nor a difference between two models."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from fc2conv_cli.errors import FC2ConvError, NotEnoughMemoryError

_SAID = re.compile(
    r"bad_alloc|bad allocation|BFCArena|(failed|unable) to allocate|(cannot|can't|could not) allocate memory"
    r"|(not enough|out of|insufficient) memory",
    re.IGNORECASE,
)
"""What onnxruntime, PyTorch, numpy and the system say then; the first two raise what they raise for anything else."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, of whatever class, says that memory is short."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return _SAID.search(str(error)) is not None


def refuse_if_out_of_memory(error: BaseException) -> None:
    """Have those who call a model faulty for what it raises leave this to `needing_memory`.

    Raises:
        MemoryError: The exception says that memory is short.
    """
    if is_out_of_memory(error):
        raise MemoryError(" ".join(str(error).split())) from error


@contextlib.contextmanager
def needing_memory(purpose: str, hint: str = "") -> Iterator[None]:
    """Say what there was not enough memory for.

    Args:
        purpose: What is done inside, ``load the original``.
        hint: What to do about it.

    Raises:
        NotEnoughMemoryError: What is inside ran out of memory; whatever is refused by name already stays as it is.
    """
    try:
        yield
    except FC2ConvError:
        raise
    except (MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise NotEnoughMemoryError(purpose, hint=hint) from error
