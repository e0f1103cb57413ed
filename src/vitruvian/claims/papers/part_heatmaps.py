"""Bulat & Tzimiropoulos, "Human pose estimation via convolutional part heatmap regression" (ECCV 2016).

A net without a second subnetwork takes more steps, so that all four variants take about as long.
"""

from __future__ import annotations

from vitruvian.claims.model import RENDERED, Arm, Claim, Figure, Measure, above, chain, more

PAPER = "Bulat & Tzimiropoulos, ECCV 2016"
RECIPE = "part_heatmaps/compact"
_SMALL = ("config.crop=[96,96]", "config.levels=3", "config.radius=4", "config.sigma=2")
_ALL = (*_SMALL, "config.channels=[32,64,96,128]")
_DETECT = (("detect", 0.5), ("regress", 0.15), ("joint", 0.35))
_REGRESS = (("pre_regress", 0.5), ("regress", 0.15), ("joint", 0.35))
_TWICE = "config.variant=regression_regression"

BOTH = Arm("detection-regression", RECIPE, _DETECT, _ALL, speed=120)
TWICE = Arm("regression-regression", f"{RECIPE}_regression2", _REGRESS, _ALL, speed=120)
REGRESSION = Arm("regression", f"{RECIPE}_regression", (("regress", 1.3),), _ALL, speed=160)
DETECTION = Arm("detection", f"{RECIPE}_detection", (("detect", 1.3),), _ALL, speed=150)
VGG = Arm("vgg", f"{RECIPE}_vgg", _DETECT, _SMALL, speed=140)
VGG_TWICE = Arm(
    "vgg-regression-regression", f"{RECIPE}_vgg", _REGRESS, (*_SMALL, _TWICE), speed=140
)
AT_ONCE = Arm("at-once", RECIPE, (("joint", 1.0),), (*_ALL, "fits.0.optim.lr=0.003"), speed=95)
AT_ONCE_AS_LONG = Arm("at-once-as-long", RECIPE, (("joint", 0.7),), AT_ONCE.settings, speed=95)

_SIXTEEN = (*_ALL, "skeleton=mpii")
OF_16 = Arm(
    "of-16-joints",
    RECIPE,
    (("detect", 0.4), ("regress", 0.12), ("joint", 0.28)),
    _SIXTEEN,
    data="figures of 16 joints",
    speed=120,
)


def _tuned(undefined: str) -> Arm:
    """Tuned where 14 of 16 joints are labelled."""
    settings = (*_SIXTEEN, f"config.undefined={undefined}")
    data = "figures with 14 of 16 joints"
    return Arm(f"tuned-{undefined}", RECIPE, (("joint", 0.4),), settings, OF_16, data, 95)


STOP, SYNTHESISE = _tuned("stop"), _tuned("synthesise")
OWN = Figure()
COVERED = Measure(occluders=4, thresholds=(0.2,))
FIRST_COVERED = Measure(stage="detect", occluders=4, thresholds=(0.2,))
HEIGHTS = Measure(occluders=4, heights="detection", thresholds=(0.2,))
OCCLUDED, VISIBLE = Figure(COVERED, state="occluded"), Figure(COVERED, state="visible")
ENDS = Figure(joints=("wrist", "ankle"))
REST = Figure(joints=("knee", "hip", "elbow", "shoulder", "neck", "head_top"))


def _height(state: str) -> tuple[Arm, Figure]:
    return BOTH, Figure(HEIGHTS, "height", state=state)  # type: ignore[arg-type]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "B1",
        "Detection and regression is better than regression twice, that than regression once, and that "
        "than detection",
        f"{PAPER}, Table 5",
        (
            *chain(
                (
                    ("detection + regression", BOTH),
                    ("regression + regression", TWICE),
                    ("regression", REGRESSION),
                    ("detection", DETECTION),
                ),
                OWN,
            ),
            more(
                "the cascade's gain over detection at wrists and ankles, above that at other joints",
                ((BOTH, ENDS), (DETECTION, ENDS)),
                ((BOTH, REST), (DETECTION, REST)),
                decides=False,
            ),
            more(
                "the same on occluded joints, above that on visible ones",
                ((BOTH, OCCLUDED), (DETECTION, OCCLUDED)),
                ((BOTH, VISIBLE), (DETECTION, VISIBLE)),
                decides=False,
            ),
            above(
                "the cascade above detection on occluded joints",
                (BOTH, OCCLUDED),
                (DETECTION, OCCLUDED),
                decides=False,
            ),
            above(
                "the cascade above its own first net, under the shapes",
                (BOTH, Figure(COVERED)),
                (BOTH, Figure(FIRST_COVERED)),
                decides=False,
            ),
            above(
                "the cascade trained at once, as in B4, above regression + regression",
                (AT_ONCE, OWN),
                (TWICE, OWN),
                decides=False,
                tiers=(RENDERED,),
            ),
        ),
        note="A net without a second one after it takes more steps, so that all four take about as long: "
        "the first net of a cascade has 360 where a net alone has 936. The paper trains each to its end; "
        "with these few steps the order is that of what is learnt soonest. Where both nets lose to "
        "detection alone, a gain above a gain is a smaller loss.",
    ),
    Claim(
        "B2",
        "The detector is less confident on occluded parts, and the regression recovers them",
        f"{PAPER}, sections 1.1 and 3",
        (
            above(
                "confidence on visible joints above occluded ones",
                _height("visible"),
                _height("occluded"),
            ),
            above(
                "confidence on occluded joints above the background",
                _height("occluded"),
                (BOTH, Figure(HEIGHTS, "background")),
            ),
            above(
                "occluded joints after the regression above before",
                (BOTH, OCCLUDED),
                (BOTH, Figure(FIRST_COVERED, state="occluded")),
            ),
        ),
        note="Four shapes are pasted on each person. Confidence is the detector's value at the joint's "
        "cell, in points of 100, kept in steps of 2; the background lies half a reference length and "
        "more from every joint. Before the regression means the detector's own answer after both have "
        "learnt.",
    ),
    Claim(
        "B3",
        "Residual nets are better than a VGG",
        f"{PAPER}, Table 5",
        (above("residual above VGG", (BOTH, OWN), (VGG, OWN)),),
        note="Light nets of both kinds; the tables say how many parameters they have.",
    ),
    Claim(
        "B4",
        "Training stage by stage is faster than everything from the start",
        f"{PAPER}, section 3.1",
        (
            above("stage by stage above at once, after as many steps", (BOTH, OWN), (AT_ONCE, OWN)),
            above(
                "stage by stage above at once, after about as long",
                (BOTH, OWN),
                (AT_ONCE_AS_LONG, OWN),
                decides=False,
            ),
        ),
        tiers=(RENDERED,),
        note="Faster is read as more after as many steps, of which either net has fewer in stages. Steps "
        "on all are dearer than steps on a part: what as much time gives stands beside. Only the ends "
        "are compared, no curves. At once they begin with a higher rate than all have after the stages.",
    ),
    Claim(
        "B5",
        "Stopping the gradient at undefined points is better than synthesising them",
        f"{PAPER}, section 3.1",
        (
            above(
                "stopped above synthesised, at half a head",
                (STOP, Figure(at=0.5)),
                (SYNTHESISE, Figure(at=0.5)),
            ),
        ),
        tiers=(RENDERED,),
        note="A model of 16 joints is tuned on figures with 14 of them labelled, and scored on these 14.",
    ),
    Claim(
        "B6",
        "Detection and regression gains more over regression twice with a VGG than with residual nets",
        f"{PAPER}, section 4.2",
        (
            more(
                "the gap with a VGG, above that with residual nets",
                ((VGG, OWN), (VGG_TWICE, OWN)),
                ((BOTH, OWN), (TWICE, OWN)),
            ),
        ),
        tiers=(RENDERED,),
        note="The gap with residual nets is B1's first contrast: where that is below zero, so is part of "
        "what the VGG's is measured from.",
    ),
)
