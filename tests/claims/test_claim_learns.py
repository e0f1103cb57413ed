"""One contrast of the ledger trained anew, smaller: it must have the sign that the committed files have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vitruvian.claims import ledger
from vitruvian.claims.doing import Order, do
from vitruvian.claims.model import RENDERED
from vitruvian.claims.raw import RAW, Store
from vitruvian.claims.rows import contrasted
from vitruvian.claims.work import Shop

pytestmark = pytest.mark.learn
SMALL = replace(RENDERED, steps=240)  # a third of the tier's
CLAIM, CONTRAST = "W2", 1  # an offset within the cell above none, of one net of Wang & Hao


def test_a_contrast_has_the_sign_of_the_committed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (claim,) = ledger.find_claims([CLAIM])
    contrast = claim.at(RENDERED)[CONTRAST]
    committed = contrasted(contrast, RENDERED, Store(RAW))
    if committed.effect is None:
        pytest.skip(f"{CLAIM} is not trained yet")
    small = (replace(claim, contrasts=(contrast,), tiers=(SMALL,)),)
    monkeypatch.setattr(ledger, "TIERS", (SMALL,))
    shop = Shop(
        Store(tmp_path / "raw"), tmp_path / "runs", quiet=True, everything=small, device="cpu"
    )
    done = do(Order((CLAIM,), seeds=1), shop)
    assert not done.failed
    anew = contrasted(contrast, SMALL, shop.store)
    assert anew.effect is not None
    print(f"{contrast.words}: committed {committed.effect:+.1f}, anew {anew.effect:+.1f} points")
    assert anew.effect * committed.effect > 0
