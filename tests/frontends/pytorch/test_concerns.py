from __future__ import annotations

import pytest

from fc2conv_cli.frontends.pytorch.concerns import concerns, unsettled


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (
            "TracerWarning: Converting a tensor to a Python boolean might cause the trace to be wrong. (/a/net.py:12)",
            "tracing fixed a branch or a loop of the model (/a/net.py:12): it does",
        ),
        (
            "TracerWarning: torch.tensor results are registered as constants in the trace. (/a/net.py:3)",
            "tracing turned a value of the model into a constant (/a/net.py:3)",
        ),
        (
            "TracerWarning: Converting a tensor to a Python integer might cause the trace to be wrong. (/a/net.py:3)",
            "tracing turned a value of the model into a constant (/a/net.py:3)",
        ),
        ("Truncating the start/stop/step of slice.", "PyTorch cut a constant down to what ONNX can hold"),
        (
            "UserWarning: Exporting a model to ONNX with a batch_size other than 1, with a variable length with LSTM",
            "the recurrent layer was exported for one batch size",
        ),
        (
            "ONNX export mode is set to TrainingMode.EVAL, but operator 'dropout' is set to train=True.",
            "in training mode",
        ),
    ],
)
def test_what_matters_in_our_words(said: str, ours: str) -> None:
    (note,) = concerns([said, said])
    assert ours in note


def test_what_is_about_pytorch_itself_is_left_out() -> None:
    assert concerns(["torchvision is not installed. Skipping nms", "DeprecationWarning: `torch.jit.trace` is"]) == ()


def test_a_comparison_at_two_sizes_answers_the_one_about_the_batch() -> None:
    notes = ("another", *concerns(["UserWarning: Exporting a model with a variable length with GRU"]))
    assert unsettled(notes, [{"N": 1}]) == notes
    assert unsettled(notes, [{"N": 1}, {"N": 3}]) == ("another",)
