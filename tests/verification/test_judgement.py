from __future__ import annotations

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.judgement import Judgement


def test_nothing_given_judges_nothing() -> None:
    assert not Judgement()
    for given in (Judgement(atol=0.0), Judgement(outputs={"y": (0.0, None)}), Judgement(elementwise=False)):
        assert given
        assert given.bears_on_tolerances
    assert Judgement(accept_ill_conditioned=False)
    assert not Judgement(accept_ill_conditioned=True).bears_on_tolerances


def test_in_words() -> None:
    wanted = Judgement(0.5, None, {"y": (1.0, 2.0)}, True, False)
    assert wanted.words == "atol 0.5 and atol 1 and rtol 2 of 'y' and elementwise and no-accept-ill-conditioned"
    assert wanted.tolerances_of("y") == (1.0, 2.0)
    assert wanted.tolerances_of("z") == (0.5, None)


def test_what_is_no_tolerance() -> None:
    with pytest.raises(UsageError, match="atol of output 'y' is -1"):
        Judgement(outputs={"y": (-1.0, None)})
