from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import pytest
import torch_files

from fc2conv_cli.frontends.pytorch.pickle_names import names_in


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_names_are_read_and_nothing_runs(tmp_path: Path, new: bool, protocol: int) -> None:
    content = {"a": Fraction(1, 2), "b": torch_files.Evil(tmp_path / "witness")}
    path = torch_files.pickled(tmp_path / "a.pt", content, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    assert {"fractions.Fraction", "io.open"} <= set(names_in(path))
    assert not (tmp_path / "witness").exists()


def test_what_is_no_pickle_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x80\x02nonsense" + pickle.dumps(1))
    assert names_in(tmp_path / "a") == ()
