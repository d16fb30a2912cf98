"""A job of a pipeline as a user would write it: convert, verify, and then somebody touches one byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import SAMPLES

JOB = """
set -o pipefail
fc2conv convert network.onnx -o device.onnx --quiet

fc2conv verify network.onnx device.onnx > report.txt
echo "verify: $?"

# the highest byte of the first weight of the first converted layer: sign and exponent
offset=$(python - <<'END'
import onnx

model = onnx.load("device.onnx")
layer = next(n for n in model.graph.node if n.op_type == "Conv" and n.metadata_props)
weight = next(t for t in model.graph.initializer if t.name == layer.input[1])
whole = open("device.onnx", "rb").read()
assert whole.count(weight.raw_data) == 1
print(whole.index(weight.raw_data) + 3)
END
)
cp device.onnx before.onnx
printf '\\x42' | dd of=device.onnx bs=1 seek="$offset" conv=notrunc status=none
echo "bytes: $(cmp -l before.onnx device.onnx | wc -l)"

fc2conv verify network.onnx device.onnx --output-format json > report.json
echo "not reached"
"""


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "job.sh").write_text(script)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "job.sh"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip


def test_the_job_stops_at_a_file_that_was_tampered_with(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "mlp.onnx", tmp_path / "network.onnx")
    done = run(JOB, tmp_path)
    assert done.stdout == "verify: 0\nbytes: 1\n"
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "verdict: DIFFERENT" not in (tmp_path / "report.txt").read_text()
    assert '"passed": false' in (tmp_path / "report.json").read_text()


def test_the_job_ends_well_if_nobody_does(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "mlp.onnx", tmp_path / "network.onnx")
    untouched = "\n".join(line for line in JOB.splitlines() if not line.startswith("printf"))
    done = run(untouched.replace("not reached", "reached"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "verify: 0\nbytes: 0\nreached\n"
