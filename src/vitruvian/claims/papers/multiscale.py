"""Ke et al., "Multi-scale supervised network for human pose estimation" (ICIP 2018)."""

from __future__ import annotations

from vitruvian.claims.model import Arm, Claim, Figure, Measure, above, chain, more

PAPER = "Ke et al., ICIP 2018"
RECIPE = "multiscale/compact"
# Squared errors at every scale, as in the paper; but means, and weighed more near joints.
_ALL = (
    "config.crop=[96,96]",
    "config.levels=3",
    "config.loss=mse",
    "config.missing=zero",
    "config.foreground=10",
    "config.offset=both_axes",
)


def _stacks(stacks: int, scales: int, speed: float) -> Arm:
    """Stacked hourglasses without a regression net."""
    settings = (
        *_ALL,
        f"config.stacks={stacks}",
        f"config.scales={scales}",
        "config.regressor=none",
    )
    return Arm(f"stacks{stacks}-scales{scales}", RECIPE, (("stacks", 1.0),), settings, speed=speed)


ONE, TWO, FOUR = _stacks(1, 3, 110), _stacks(2, 3, 100), _stacks(4, 3, 75)
TWO_SCALES, ONE_SCALE = _stacks(2, 2, 105), _stacks(2, 1, 110)
REGRESSED = Arm(
    "stacks2-scales3-regression",
    RECIPE,
    (("regression", 1.0),),
    (*_ALL, "config.stacks=2", "config.scales=3"),
    speed=95,
)

OWN = Figure()
COVERED = Measure(occluders=4, thresholds=(0.2,))
HIDDEN, OTHERS = Figure(COVERED, state="inferable"), Figure(COVERED, state="others")
PEAKS = Measure(maps=("stacks", "regression"), thresholds=(0.2,))
SWAPS = Figure(Measure(swaps=True, thresholds=(0.2,)), "swapped")

_MEANS = (
    "reduction=mean: squared errors, 1 + 10 x target times, are means over each map's cells, so scales "
    "weigh equally; equation (1) sums over cells, by which the finest weighs 16:4:1."
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "K1",
        "More stacks help",
        f"{PAPER}, Fig. 4",
        chain((("4 stacks", FOUR), ("2 stacks", TWO), ("1 stack", ONE)), OWN),
        note=f"Three supervised scales each, no regression net. {_MEANS}",
    ),
    Claim(
        "K2",
        "More supervised scales help",
        f"{PAPER}, Fig. 4",
        (
            *chain((("3 scales", TWO), ("2 scales", TWO_SCALES), ("1 scale", ONE_SCALE)), OWN),
            above("3 scales above 1 scale", (TWO, OWN), (ONE_SCALE, OWN), decides=False),
        ),
        note=f"Two stacks each, no regression net. {_MEANS}",
    ),
    Claim(
        "K3",
        "Multi-scale supervision helps occluded joints more",
        f"{PAPER}, section 3.3",
        (
            more(
                "what 3 scales add to 1 on hidden joints between visible ones, above what they add on "
                "all others",
                ((TWO, HIDDEN), (ONE_SCALE, HIDDEN)),
                ((TWO, OTHERS), (ONE_SCALE, OTHERS)),
            ),
            above(
                "on hidden joints between visible ones, 3 scales above 1",
                (TWO, HIDDEN),
                (ONE_SCALE, HIDDEN),
                decides=False,
            ),
        ),
        note="Four shapes are pasted on each person, the same ones for every model. The others are "
        "visible, or hidden and not between visible ones. The paper has figures of hidden joints alone, "
        f"with its regression net; that line stands beside, here of two stacks without one. {_MEANS}",
    ),
    Claim(
        "K4",
        "The regression net reduces exchanges of left and right",
        f"{PAPER}, section 2",
        (
            above(
                "joints of pairs found on the mirrored joint, without a regression net above with",
                (TWO, SWAPS),
                (REGRESSED, SWAPS),
            ),
        ),
        note="Within 0.2 of the mirrored joint and not of the own one; two stacks, three scales. "
        f"{_MEANS}",
    ),
    Claim(
        "K5",
        "The regression net raises accuracy and removes second peaks",
        f"{PAPER}, section 2.2, Fig. 3",
        (
            above("with a regression net above without", (REGRESSED, OWN), (TWO, OWN)),
            above(
                "heatmaps with a second peak above half the first, before the regression net above after",
                (REGRESSED, Figure(PEAKS, "second_peaks", maps="stacks")),
                (REGRESSED, Figure(PEAKS, "second_peaks", maps="regression")),
            ),
        ),
        note=f"Two stacks, three scales. {_MEANS}",
    ),
)
