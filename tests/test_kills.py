"""A few kills and interrupts at random moments of a training; tests/kills.py makes as many as it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_kills_and_interrupts_at_random_moments_change_nothing():
    project = Path(__file__).parents[1]
    command = [sys.executable, "tests/kills.py", "--kill", "2", "--interrupt", "2"]
    environment = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
