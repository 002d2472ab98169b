"""What a worker logs, seen from outside."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import structlog
from workers.logs import configure
configure("INFO")
log = structlog.get_logger()
def predict(text):
    try:
        {}["nothing"]
    except KeyError:
        log.exception("question.failed", question="q1")
log.debug("quiet")
predict("my secret number is 4711")
"""


def test_a_failure_is_one_json_line_on_stderr_without_the_customers_words() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    said = json.loads(line)
    assert (said["event"], said["question"], said["level"]) == ("question.failed", "q1", "error")
    assert "KeyError" in said["exception"]
    assert "4711" not in line
