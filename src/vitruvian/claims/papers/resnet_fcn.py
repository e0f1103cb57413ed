"""Wang & Hao's fully convolutional head, against the deconvolutions of Simple Baselines."""

from __future__ import annotations

from vitruvian.claims.model import Arm, Claim, Figure, Measure, above, more

PAPER = "Wang & Hao"
RECIPE = "resnet_fcn/compact"
CLOSE = 0.02  # of 1: what counts as close


def _head(head: str, speed: float) -> Arm:
    settings = ("config.crop=[96,96]", "config.lateral=false", f"config.head={head}")
    return Arm(head.replace("_", "-"), RECIPE, (("heatmaps", 1.0),), settings, speed=speed)


FCN_UP, DECONV = _head("fcn_up", 160), _head("deconv", 200)
FCN_1X1, NATIVE = _head("fcn_1x1", 210), _head("fcn_native", 220)
OWN, TIGHT = Figure(), Figure(at=0.1)


def _decoded(offset: str, flip: bool) -> tuple[Figure, Figure]:
    """At 0.1 and at 0.2."""
    measure = Measure(flip=flip, settings=(f"config.offset={offset}",), thresholds=(0.1, 0.2))
    return Figure(measure, at=0.1), Figure(measure)


PLAIN, OFFSET = _decoded("none", False), _decoded("both_axes", False)
FLIP, BOTH_WAYS = _decoded("none", True), _decoded("both_axes", True)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "W1",
        "A fully convolutional head comes close to deconvolutions with fewer parameters",
        f"{PAPER}, introduction and section 4.2",
        (
            above(
                "fcn_up plus 2 points above deconv",
                (FCN_UP, OWN),
                (DECONV, OWN),
                margin=CLOSE,
            ),
            above("fcn_up above deconv", (FCN_UP, OWN), (DECONV, OWN), decides=False),
            above("fcn_up above fcn_1x1 at 0.1", (FCN_UP, TIGHT), (FCN_1X1, TIGHT), decides=False),
            above(
                "fcn_up above fcn_native at 0.1", (FCN_UP, TIGHT), (NATIVE, TIGHT), decides=False
            ),
        ),
        note="The report gives no figure of its own: it simplifies the head and calls the result still "
        "good. How 8x8 cells become a heatmap it does not say; fcn_up, which doubles them between "
        "convolutions, is a reading, fcn_native the literal one. Close is within 2 points. How many "
        "fewer parameters the whole has is counted of the nets as the report describes them, on a "
        "ResNet-50 (`vitruvian systems`: resnet_fcn/paper, resnet_fcn/baseline); on this thin backbone "
        "both heads are small. All learn by the compact recipe's cross-entropy, missing joints masked, "
        "not by the report's squared error of maps that are zero there. At 96 px the maps of fcn_native "
        "have 3x3 cells, in which little can be found at 0.1.",
    ),
    Claim(
        "W2",
        "The flip test and the quarter offset each help",
        f"{PAPER}, section 5.1",
        (
            above(
                "flip test above none, with the offset, at 0.1",
                (FCN_UP, BOTH_WAYS[0]),
                (FCN_UP, OFFSET[0]),
            ),
            above(
                "offset above none, without the flip test, at 0.1",
                (FCN_UP, OFFSET[0]),
                (FCN_UP, PLAIN[0]),
            ),
            above(
                "flip test above none, without the offset, at 0.1",
                (FCN_UP, FLIP[0]),
                (FCN_UP, PLAIN[0]),
                decides=False,
            ),
            more(
                "what both add at 0.1, above what they add at 0.2",
                ((FCN_UP, BOTH_WAYS[0]), (FCN_UP, PLAIN[0])),
                ((FCN_UP, BOTH_WAYS[1]), (FCN_UP, PLAIN[1])),
                decides=False,
            ),
        ),
        note="One model, four decodings. The report uses both; it claims a gain of the offset alone, at "
        "tight thresholds.",
    ),
)
