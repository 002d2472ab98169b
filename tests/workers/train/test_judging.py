"""Whether a candidate takes the place of the model in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.configuration import Configuration
from workers.local import Local
from workers.model.trained import FIXED, Trained
from workers.train.judging import promotion

pytestmark = pytest.mark.models

SHOP = """\
polydesk: 1
title: Shop
language: en
entries:
  - {id: track, question: Where is my order?, variants: [where is my parcel, track my package], answer: Look.}
  - {id: hours, question: When are you open?, variants: [opening hours], answer: Nine to five.}
cases:
  - {text: when do you open, expect: hours}
  - {text: write me a poem, expect: none}
"""


def test_a_model_in_use_that_cannot_answer_any_more_is_replaced_in_the_comparison(
    models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "kb.yaml").write_text(SHOP)
    configuration = Configuration("", tmp_path / "blobs", models_dir, tmp_path / "encodings.db")
    used, candidate = tmp_path / "used", tmp_path / "candidate"
    Trained("an encoder of last year", fusion=FIXED).save(used)
    with Local.open(tmp_path, configuration) as local:
        Trained(local.encoder.digest, fusion=FIXED).save(candidate)
    # Workers answer with the shipped model where the one in use does not fit them.
    found = promotion(tmp_path, configuration, candidate, used, ())
    assert found.promoted, found
    assert "compared with the shipped model" in found.why and "an encoder of last year" in found.why
    # A candidate that does not fit is nobody's.
    with pytest.raises(Exception, match="an encoder of last year"):
        promotion(tmp_path, configuration, used, None, ())
