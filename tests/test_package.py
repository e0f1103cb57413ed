"""What importing the package does, and does not."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_onnxruntime_is_told_to_report_nothing(given: str | None, expected: str) -> None:
    named = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    said = subprocess.run(
        [sys.executable, "-c", "import os, vitruvian; print(os.environ['ORT_DISABLE_TELEMETRY'])"],
        env=named | ({} if given is None else {"ORT_DISABLE_TELEMETRY": given}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == expected


def test_importing_loads_nothing() -> None:
    heavy = {"numpy", "cv2", "torch", "onnxruntime"}
    code = f"import sys, vitruvian; print(*sorted({heavy} & {{*sys.modules}}))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""
