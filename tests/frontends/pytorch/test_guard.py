from __future__ import annotations

import os
import pickle
import threading
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import torch_files

from fc2conv_cli.frontends.pytorch.guard import Refused, no_pickled_code


def test_no_pickle_finds_a_class_within_and_any_does_outside() -> None:
    content = pickle.dumps(Fraction(1, 2))
    with no_pickled_code() as refused:
        with pytest.raises(Refused, match=r"fractions.Fraction"):
            pickle.loads(content)
        assert pickle.loads(pickle.dumps([1, "a", {}])) == [1, "a", {}]
    assert refused == ["fractions.Fraction"]
    assert pickle.loads(content) == Fraction(1, 2)


def test_torch_cannot_get_around_it(tmp_path: Path) -> None:
    path = torch_files.pickled(tmp_path / "a.pt", torch_files.Evil(tmp_path / "witness"))
    with no_pickled_code(), pytest.raises(pickle.UnpicklingError, match=r"io.open"):
        torch.load(path, weights_only=False)
    assert not (tmp_path / "witness").exists()
    torch.load(path, weights_only=False).close()
    assert (tmp_path / "witness").exists()


def test_an_archive_with_a_program_of_its_own_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = torch_files.script(tmp_path / "a.ts")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with no_pickled_code(), pytest.raises(RuntimeError, match="TorchScript"):
        torch.load(path, weights_only=False)
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_the_restricted_unpickler_works_within(tmp_path: Path) -> None:
    path = torch_files.pickled(tmp_path / "a.pt", torch_files.mlp().state_dict())
    with no_pickled_code() as refused:
        assert len(torch.load(path, weights_only=True)) == 4
    assert refused == []


def test_other_threads_are_left_alone() -> None:
    content, found = pickle.dumps(Fraction(1, 2)), []
    with no_pickled_code():
        thread = threading.Thread(target=lambda: found.append(pickle.loads(content)))
        thread.start()
        thread.join()
    assert found == [Fraction(1, 2)]
