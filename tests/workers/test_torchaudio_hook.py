"""torchaudio can be imported whatever torch it was built for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *paths: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(path) for path in (*paths, ROOT))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_speechbrain_and_a_model_class_of_transformers_can_be_imported_after_workers() -> None:
    code = """
import workers
import speechbrain
from speechbrain.inference.ASR import EncoderASR
from speechbrain.lobes.features import Fbank
from transformers import BertModel
import torch
print(Fbank(n_mels=8)(torch.zeros(1, 1600)).shape[-1], BertModel.__name__, EncoderASR.__name__)
"""
    assert run(code) == "8 BertModel EncoderASR"


def test_importing_workers_imports_neither_torch_nor_torchaudio() -> None:
    assert run("import workers, sys; print({'torch', 'torchaudio'} & set(sys.modules))") == "set()"


EXTENSION = """
def fail_with_message(text):
    return lambda function: function
{broken}
_IS_TORCHAUDIO_EXT_AVAILABLE = True
_IS_ALIGN_AVAILABLE = True
fail_if_no_align = fail_with_message("never")
"""


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # Given an extension built for another torch, When torchaudio is imported, Then it does without the extension
        ("raise OSError('Could not load this library: _torchaudio.abi3.so')", "False False"),
        # Given one that loads, Then nothing is touched
        ("", "True True"),
    ],
)
def test_only_an_extension_that_does_not_load_is_replaced(tmp_path: Path, broken: str, expected: str) -> None:
    package = tmp_path / "torchaudio" / "_extension"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("from . import _extension\n")
    (package / "__init__.py").write_text(EXTENSION.format(broken=broken))
    code = """
import workers
from torchaudio import _extension as e
print(e._IS_TORCHAUDIO_EXT_AVAILABLE, e._IS_ALIGN_AVAILABLE)
"""
    assert run(code, tmp_path) == expected


def test_what_needs_the_extension_says_so_when_it_is_called(tmp_path: Path) -> None:
    package = tmp_path / "torchaudio" / "_extension"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("from . import _extension\n")
    (package / "__init__.py").write_text(EXTENSION.format(broken="raise OSError('no')"))
    code = """
import workers
from torchaudio._extension import fail_if_no_align
@fail_if_no_align
def forced_align(): ...
try:
    forced_align()
except RuntimeError as problem:
    print(problem)
"""
    assert run(code, tmp_path).startswith("forced_align needs torchaudio's compiled extension")
