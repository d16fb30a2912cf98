"""Shared fixtures, and a hypothesis profile without deadlines: onnxruntime's first call is slow."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis

sys.path.insert(0, str(Path(__file__).parent))

hypothesis.settings.register_profile(
    "fc2conv", deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], derandomize=True
)
hypothesis.settings.load_profile("fc2conv")
