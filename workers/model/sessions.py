"""Native threads the way we run them: few, asleep when idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import threadpoolctl

from core.errors import Broken


def calm(threads: int) -> None:
    """Keep the linear algebra that is loaded by now to so many threads.

    OpenBLAS lets its own threads spin for some 30 ms after every product (2**26 cycles by default:
    https://github.com/OpenMathLib/OpenBLAS#setting-the-number-of-threads-using-environment-variables), which cost more
    than answering a typed question does.
    """
    threadpoolctl.threadpool_limits(threads, user_api="blas")


def session(graph: Path, threads: int = 1) -> Any:
    """Load an ONNX graph on the CPU (an `onnxruntime.InferenceSession`; `run` may be called from several threads).

    Raises:
        Broken: the file is missing or no graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting worker must not burn a core
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # onnxruntime's own exceptions share no root but this
        raise Broken(f"cannot load {graph}: {problem}; run `polydesk models prepare`") from problem
