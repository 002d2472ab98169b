"""onnxruntime sessions the way we run them: few threads that sleep when idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import Broken


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
