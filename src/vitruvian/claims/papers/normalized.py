"""Sun et al., "Human pose estimation using global and local normalization" (ICCV 2017).

Trained with rotations of 360 degrees, as the paper's nets for LSP. The kernels of the refinement nets see
21 of the 24 cells, as the paper's see 37 of 43.
"""

from __future__ import annotations

from vitruvian.claims.model import (
    FINE,
    LSPET,
    RENDERED,
    Arm,
    Claim,
    Contrast,
    Fact,
    Figure,
    Measure,
    above,
    chain,
    more,
)

PAPER = "Sun et al., ICCV 2017"
RECIPE = "normalized/compact"
_ALL = (
    "config.crop=[96,96]",
    "config.channels=[32,64,96,128]",
    "config.scale=8",
    "config.kernels=[7,7,9]",
    "augment.rotation=180",
    "augment.rotation_law=uniform",
)
_ALONE = (*_ALL, "config.refine=none")
_FITS = {
    ("plain", 32): (("detector", 1.0),),
    ("plain", 16): (("detector", 1.0),),
    ("plain", 8): (("detector", 1.0),),
    ("extra", 16): (("detector_32s", 0.25), ("detector", 0.75)),
    ("extra", 8): (("detector_32s", 0.15), ("detector_16s", 0.15), ("detector", 0.7)),
}


def _fcn(supervision: str, scale: int) -> Arm:
    """An FCN detector alone: the fusions learn as the further losses do."""
    fits = _FITS["plain" if supervision == "plain" else "extra", scale]
    settings = (*_ALONE, f"config.supervision={supervision}", f"config.scale={scale}")
    return Arm(f"fcn{scale}-{supervision}", RECIPE, fits, settings, speed=180)


def _refined(
    name: str,
    parent: Arm,
    *settings: str,
    of: tuple[str, ...],
    fits: tuple[tuple[str, float], ...] = (("body", 0.35), ("limbs", 0.4)),
    speed: float = 110,
) -> Arm:
    """A refinement of a detector that stands still."""
    whole = (*_ALL, *of, f"config.refine=st{len(fits)}", *settings)
    return Arm(name, RECIPE, fits, whole, parent, speed=speed)


FCN32, FCN16, FCN8 = (_fcn("plain", scale) for scale in (32, 16, 8))
EXTRA16, EXTRA8 = (_fcn("extra", scale) for scale in (16, 8))
FUSION16, DETECTOR = (_fcn("fusion", scale) for scale in (16, 8))
NO_WARPS = ("config.body_norm=false", "config.limb_norm=false")
TURNING = _refined("turned", DETECTOR, of=("config.supervision=fusion",))
PLAIN = _refined("unturned", DETECTOR, *NO_WARPS, of=("config.supervision=fusion",), speed=140)

_OF_PLAIN = ("config.supervision=plain",)
# Maps of types have a third of the others' positives: at a quarter of these steps they are all but empty.
_LONG = (("body", 1.4),)
GLOBAL = _refined("global", FCN8, fits=_LONG, of=_OF_PLAIN, speed=200)
BALANCED = ("config.body_norm=false", "balance=pose_types")
MULTI = _refined(
    "multi", FCN8, *BALANCED, "config.branches=multi", fits=_LONG, of=_OF_PLAIN, speed=150
)
TYPES = _refined(
    "types", FCN8, *BALANCED, "config.branches=types", fits=_LONG, of=_OF_PLAIN, speed=200
)

_RESNET = ("config.detector=resnet", "config.dilation=1")
_HOURGLASS = (
    "config.detector=hourglass",
    "config.stacks=2",
    "config.features=64",
    "config.levels=3",
    "config.foreground=10",
    "config.sigma=1.0",
)
RESNET = Arm("resnet", RECIPE, (("detector", 1.0),), (*_ALONE, *_RESNET), speed=160)
HOURGLASS = Arm("hourglass", RECIPE, (("detector", 1.0),), (*_ALONE, *_HOURGLASS), speed=95)
RESNET_TURNING = _refined("resnet-turned", RESNET, of=_RESNET)
HOURGLASS_TURNING = _refined("hourglass-turned", HOURGLASS, of=_HOURGLASS)

OWN = Figure()
TURNED = Measure("figures turned", thresholds=(0.2,))
LYING, UPRIGHT = ("45-90", "90-180"), ("0-45",)
BODY = Measure(stage="body", thresholds=(0.2,))


def _concentrates(measure: Measure, tier: tuple) -> tuple[Contrast, ...]:
    lying, upright = Figure(measure, angle=LYING), Figure(measure, angle=UPRIGHT)
    return (
        more(
            "the gain over the detector beyond 45 degrees, above that below",
            ((TURNING, lying), (DETECTOR, lying)),
            ((TURNING, upright), (DETECTOR, upright)),
            tiers=tier,
        ),
        more(
            "what normalization adds to the refinement beyond 45 degrees, above that below",
            ((TURNING, lying), (PLAIN, lying)),
            ((TURNING, upright), (PLAIN, upright)),
            tiers=tier,
        ),
        above(
            "upright persons alone: refinement with normalization above the detector",
            (TURNING, upright),
            (DETECTOR, upright),
            decides=False,
            tiers=tier,
        ),
    )


def _of_joints(*joints: str) -> tuple[Figure, Figure]:
    return Figure(BODY, joints=joints), Figure(joints=joints)


_TRUNK, _ENDS = _of_joints("shoulder", "hip"), _of_joints("wrist", "knee", "ankle")
_AUC = Figure(Measure(thresholds=FINE), "auc")
_TORSO = "torso lengths"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "S1",
        "Normalization compacts the relative positions of joints",
        f"{PAPER}, Fig. 1 and 4, section 3.2",
        facts=tuple(
            Fact(f"{name}: {words}", f"labels-S1-{data}", key, _TORSO)
            for name, data in (("LSP", "lsp"), ("LSPET", "lspet"))
            for words, key in (
                ("spread of the head about the torso, raw less after body normalization", "head"),
                (
                    "spread of the left wrist about its shoulder, raw less after limb normalization",
                    "wrist",
                ),
                ("the same, after body normalization less after limb normalization", "wrist_body"),
            )
        ),
        note="Labels only. The spread is the root mean square distance from the mean offset.",
    ),
    Claim(
        "S2",
        "Refinement with normalization is better than the detector, and the detector better than "
        "refinement without it",
        f"{PAPER}, Tables 9 and 10",
        (
            above(
                "refinement with normalization above the detector", (TURNING, OWN), (DETECTOR, OWN)
            ),
            above(
                "the detector above refinement without normalization", (DETECTOR, OWN), (PLAIN, OWN)
            ),
            above(
                "refinement with normalization above refinement without",
                (TURNING, OWN),
                (PLAIN, OWN),
            ),
            more(
                "refinement with normalization above that without: more on figures turned by any angle",
                ((TURNING, Figure(TURNED)), (PLAIN, Figure(TURNED))),
                ((TURNING, OWN), (PLAIN, OWN)),
                decides=False,
                tiers=(RENDERED,),
            ),
        ),
        note="One detector, frozen; the same nets with and without turning the maps, as many steps each. "
        "These are few: what a refinement without normalization loses, more steps might give back.",
    ),
    Claim(
        "S3",
        "The gain concentrates on rotated people",
        f"{PAPER}, section 4.1, Table 8",
        _concentrates(TURNED, (RENDERED,)) + _concentrates(Measure(), (LSPET,)),
    ),
    Claim(
        "S4",
        "FCN-8s is better than 16s, 16s than 32s; extra supervision and fusion help",
        f"{PAPER}, Table 11",
        (
            *chain((("8s", FCN8), ("16s", FCN16), ("32s", FCN32)), _AUC),
            above("16s, extra supervision above plain", (EXTRA16, _AUC), (FCN16, _AUC)),
            above("8s, extra supervision above plain", (EXTRA8, _AUC), (FCN8, _AUC)),
            above("16s, fusion above extra supervision", (FUSION16, _AUC), (EXTRA16, _AUC)),
            above("8s, fusion above extra supervision", (DETECTOR, _AUC), (EXTRA8, _AUC)),
        ),
        tiers=(RENDERED,),
        note="The area under PCK up to 0.2, in points of 100.",
    ),
    Claim(
        "S5",
        "Global normalization is better than multi-branch, that than type supervision, that than none",
        f"{PAPER}, Table 1",
        chain(
            (
                ("global normalization", GLOBAL),
                ("multi-branch", MULTI),
                ("type supervision", TYPES),
                ("none", FCN8),
            ),
            OWN,
        ),
        tiers=(RENDERED,),
        note="Four answers on one plain FCN-8s; rivals see each type of pose equally often. Type "
        "supervision learns slowest, and is not trained out here.",
    ),
    Claim(
        "S6",
        "The refinement helps other detectors, ResNet and hourglass, too",
        f"{PAPER}, Tables 6 and 7",
        (
            above("ResNet with refinement above without", (RESNET_TURNING, OWN), (RESNET, OWN)),
            above(
                "hourglass with refinement above without",
                (HOURGLASS_TURNING, OWN),
                (HOURGLASS, OWN),
            ),
        ),
    ),
    Claim(
        "S7",
        "MPII's raw poses are already as compact as normalized ones of LSP",
        f"{PAPER}, section 4.1",
        facts=(
            Fact(
                "spread of the head: LSP after body normalization less MPII raw",
                "labels-S7",
                "rms",
                _TORSO,
            ),
            Fact(
                "circular variance of the head's direction: LSP after body normalization less MPII raw",
                "labels-S7",
                "direction",
                "of 1",
            ),
            Fact(
                "spread of the head: LSP raw less MPII raw", "labels-S7", "rms_raw", _TORSO, False
            ),
            Fact(
                "circular variance of the head's direction: LSP raw less MPII raw",
                "labels-S7",
                "direction_raw",
                "of 1",
                False,
            ),
        ),
        note="Labels only; of MPII the validation persons.",
    ),
    Claim(
        "S8",
        "Body normalization gains at shoulders and hips, limb normalization at wrists, knees and ankles",
        f"{PAPER}, section 4.2, Table 9",
        (
            above(
                "stage 1 at shoulders and hips, with body normalization above without",
                (TURNING, _TRUNK[0]),
                (PLAIN, _TRUNK[0]),
            ),
            more(
                "what stage 2 adds at wrists, knees and ankles, with limb normalization above without",
                ((TURNING, _ENDS[1]), (TURNING, _ENDS[0])),
                ((PLAIN, _ENDS[1]), (PLAIN, _ENDS[0])),
            ),
        ),
        tiers=(RENDERED,),
    ),
)
