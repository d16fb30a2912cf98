from __future__ import annotations

import errno
from pathlib import Path

import pytest
from helpers import SAMPLES

from fc2conv_cli import inspect
from fc2conv_cli.errors import ModelNotFoundError, NotEnoughMemoryError, UsageError
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.memory import is_out_of_memory, needing_memory, refuse_if_out_of_memory


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (RuntimeError("Load model from m.onnx failed:std::bad_alloc"), True),
        (RuntimeError("BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for a buffer"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("Memory pattern: the shapes do not fit"), False),
    ],
)
def test_what_says_that_memory_is_short(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) == short
    if short:
        with pytest.raises(MemoryError):
            refuse_if_out_of_memory(error)
    else:
        refuse_if_out_of_memory(error)


def test_only_what_lacks_memory_is_called_so() -> None:
    with pytest.raises(NotEnoughMemoryError) as named, needing_memory("dance", "Sit down."):
        raise MemoryError
    assert str(named.value) == "there is not enough memory to dance\nSit down."
    for other in (UsageError("out of memory"), OSError(errno.EACCES, "no"), ValueError("out of memory")):
        with pytest.raises(type(other)) as raised, needing_memory("dance"):
            raise other
        assert raised.value is other


def test_a_file_that_does_not_fit_into_memory_has_no_wrong_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> None:
        def opened(*args: object, **options: object) -> None:
            raise OSError(number, "Cannot allocate memory" if number == errno.ENOMEM else "Permission denied")

        monkeypatch.setattr(Path, "open", opened)

    refuse(errno.EACCES)
    with pytest.raises(ModelNotFoundError, match="permissions"):
        load(SAMPLES / "mlp.onnx")
    refuse(errno.ENOMEM)
    with pytest.raises(NotEnoughMemoryError, match=r"^there is not enough memory to read .*mlp\.onnx\n") as raised:
        inspect(SAMPLES / "mlp.onnx")
    assert "permissions" not in str(raised.value)
