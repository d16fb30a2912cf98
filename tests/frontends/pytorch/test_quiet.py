from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import warnings

import pytest

from fc2conv_cli.frontends.pytorch.quiet import quiet

NOISE = """
import logging, os, sys, warnings
from fc2conv_cli.frontends.pytorch.quiet import quiet
with quiet(verbose={verbose}) as said:
    print("printed")
    print("complained", file=sys.stderr)
    os.write(1, b"from C\\n")
    os.write(2, b"from C++\\n")
    logging.getLogger("torch.onnx").addHandler(logging.StreamHandler())
    logging.getLogger("torch.onnx").warning("logged")
    warnings.warn("warned")
print("after", said[0], "warned" in said[1])
logging.getLogger("torch.onnx").warning("logged later")
"""


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_reaches_the_user_unless_verbose_and_never_stdout(verbose: bool) -> None:
    code = NOISE.format(verbose=verbose)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "after logged True\n"
    shown = {"printed", "complained", "from C", "from C++", "logged"} if verbose else set()
    assert set(done.stderr.splitlines()) == {"logged later", *shown}


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_streams_that_the_caller_closed(closed: str) -> None:
    code = (
        "import sys;from fc2conv_cli.frontends.pytorch.quiet import quiet\nwith quiet(verbose=True): pass\nsys.exit(7)"
    )
    done = subprocess.run(["bash", "-c", f"{sys.executable} -c '{code}' {closed}"], check=False)
    assert done.returncode == 7


def test_descriptors_are_as_before_when_something_fails() -> None:
    probe = os.dup(1)
    os.close(probe)
    with contextlib.suppress(ZeroDivisionError), quiet(verbose=False) as said:
        warnings.warn("a", stacklevel=1)
        raise ZeroDivisionError
    again = os.dup(1)
    os.close(again)
    assert again == probe  # the lowest one that is free: none was left open
    assert len(said) == 1
    assert not any("Gatherer" in type(h).__name__ for h in logging.getLogger("torch").handlers)
