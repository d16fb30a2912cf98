from __future__ import annotations

import sys

import pytest

from fc2conv_cli.errors import TorchMissingError
from fc2conv_cli.frontends.pytorch.installed import require_torch


def test_it_is_there() -> None:
    require_torch("model.pt2")


@pytest.mark.parametrize("missing", ["torch", "onnxscript"])
def test_the_message_names_the_one_command_that_installs_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        TorchMissingError, match=f"model.pt2: this is a PyTorch model, and {missing} is missing"
    ) as caught:
        require_torch("model.pt2")
    assert "pip install 'fc2conv[torch]'" in caught.value.hint
