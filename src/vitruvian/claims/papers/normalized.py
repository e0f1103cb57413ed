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


def _fcn(supervision: str, scale: int) -> tuple[str, ...]:
    """The settings of an FCN detector alone."""
    return (*_ALONE, f"config.supervision={supervision}", f"config.scale={scale}")


FCN8 = Arm("fcn8-plain", RECIPE, (("detector", 1.0),), _fcn("plain", 8), speed=180)
_PROGRESSIVE = (("detector_32s", 0.15), ("detector_16s", 0.15), ("detector", 0.7))
DETECTOR = Arm("fcn8-fusion", RECIPE, _PROGRESSIVE, _fcn("fusion", 8), speed=180)


def _heads(supervision: str, scale: int) -> Arm:
    """A row of table 11: scores and fusions from random weights, on the trunk of the detector."""
    settings = _fcn(supervision, scale)
    return Arm(
        f"heads{scale}-{supervision}", RECIPE, (("heads", 1.0),), settings, DETECTOR, speed=300
    )


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


# whole nets, each with its trunk: what an extra loss is worth can come from the trunk alone
WHOLE8, WHOLE8_EXTRA = (
    Arm(f"whole8-{kind}", RECIPE, (("detector", 1.0),), _fcn(kind, 8), speed=180)
    for kind in ("plain", "extra")
)
HEADS32, HEADS16, HEADS8 = (_heads("plain", scale) for scale in (32, 16, 8))
EXTRA16, EXTRA8 = (_heads("extra", scale) for scale in (16, 8))
FUSION16, FUSION8 = (_heads("fusion", scale) for scale in (16, 8))
NO_WARPS = ("config.body_norm=false", "config.limb_norm=false")
TURNING = _refined("turned", DETECTOR, of=("config.supervision=fusion",))
PLAIN = _refined("unturned", DETECTOR, *NO_WARPS, of=("config.supervision=fusion",), speed=140)

_OF_PLAIN = ("config.supervision=plain",)
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
            "upright persons alone: the gain over the detector below 1 point",
            (DETECTOR, upright),
            (TURNING, upright),
            margin=0.01,
            decides=False,
            tiers=tier,
        ),
    )


def _of_joints(*joints: str) -> tuple[Figure, Figure]:
    return Figure(BODY, joints=joints), Figure(joints=joints)


# at the torso's joints and at the limbs' ends: after stage 1, and of the whole (of the detector, its own)
_TORSO_ENDS = ("shoulder", "hip")
_LIMBS = ("wrist", "knee", "ankle")
_TRUNK, _ENDS = _of_joints(*_TORSO_ENDS), _of_joints(*_LIMBS)
_FINE = Figure(Measure(thresholds=FINE))
_AUC = Figure(_FINE.measure, "auc")
_TORSO = "torso lengths"


def _joint_by_joint() -> tuple[Contrast, ...]:
    """Table 9's columns that the paper speaks of."""
    contrasts = []
    for joint in (*_TORSO_ENDS, *_LIMBS):
        first, whole = _of_joints(joint)
        words, higher, lower = "stage 2 above stage 1", (TURNING, whole), (TURNING, first)
        if joint in _TORSO_ENDS:
            words, higher, lower = "stage 1 above the detector", (TURNING, first), (DETECTOR, whole)
        contrasts.append(above(f"{joint}s alone: {words}", higher, lower, decides=False))
    return tuple(contrasts)


_STAGED = above(
    "the detector above a plain FCN-8s of as many steps, as in S5",
    (DETECTOR, OWN),
    (FCN8, OWN),
    decides=False,
    tiers=(RENDERED,),
)
_WEAK = (
    "The detector learns scale by scale; as S2's last line says for figures, a plain FCN-8s of as many "
    "steps finds more, so that part of what a refinement gains may be what the detector has yet to learn "
    "(S5 refines the plain one)."
)

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
                tiers=(RENDERED,),
            ),
            _STAGED,
        ),
        note="One detector, frozen; the same nets with and without turning the maps, as many steps each, "
        "the latter without either normalization. These are few: what a refinement without normalization "
        "loses, more steps might give back. That it falls below the detector is Table 10's; in Table 9 "
        f"it stays level. {_WEAK}",
    ),
    Claim(
        "S3",
        "The gain concentrates on rotated people",
        f"{PAPER}, section 4.1, Table 8",
        _concentrates(TURNED, (RENDERED,)) + _concentrates(Measure(), (LSPET,)),
        note="The paper sees the gain vanish with nets for MPII, whose people are mostly upright. These "
        "learn people turned by any angle, so what they gain on upright ones stands beside. Gains are in "
        f"points, and turned people are the harder ones. {_WEAK}",
    ),
    Claim(
        "S4",
        "FCN-8s is better than 16s, 16s than 32s; extra supervision and fusion help",
        f"{PAPER}, Table 11",
        (
            *chain((("8s", HEADS8), ("16s", HEADS16), ("32s", HEADS32)), _AUC),
            above(
                "8s, whole nets, extra supervision above plain",
                (WHOLE8_EXTRA, _AUC),
                (WHOLE8, _AUC),
            ),
            above(
                "16s, extra supervision above plain, heads alone",
                (EXTRA16, _AUC),
                (HEADS16, _AUC),
                decides=False,
            ),
            above(
                "8s, extra supervision above plain, heads alone",
                (EXTRA8, _AUC),
                (HEADS8, _AUC),
                decides=False,
            ),
            above(
                "16s, fusion above extra supervision, at 0.2", (FUSION16, _FINE), (EXTRA16, _FINE)
            ),
            above("8s, fusion above extra supervision, at 0.2", (FUSION8, _FINE), (EXTRA8, _FINE)),
        ),
        tiers=(RENDERED,),
        note="The area under PCK up to 0.2, in points of 100, but for fusion: of that the paper says "
        "that PCK gains, and its areas are equal. Seven heads, from random weights and as many steps "
        "each, on one trunk that stands still: that of fcn8-fusion, which all five losses have trained. "
        "On a trunk that stands still further losses can only bind the finest map, so that extra "
        "supervision is asked of two whole nets. The paper trains scale by scale; the maps of 32s have "
        "3x3 cells here, the paper's 10 or 11 on a side.",
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
        note="Four answers on one plain FCN-8s; rivals see each type of pose equally often.",
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
        note="As the paper's tables, without an arm that lacks normalization: part of a gain may be that "
        "of more steps and layers.",
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
                "shoulders and hips, stage 1 with body normalization above the detector",
                (TURNING, _TRUNK[0]),
                (DETECTOR, _TRUNK[1]),
            ),
            above(
                "wrists, knees and ankles, stage 2 with limb normalization above stage 1",
                (TURNING, _ENDS[1]),
                (TURNING, _ENDS[0]),
            ),
            above(
                "shoulders and hips, stage 1 with body normalization above stage 1 without",
                (TURNING, _TRUNK[0]),
                (PLAIN, _TRUNK[0]),
            ),
            more(
                "wrists, knees and ankles, what stage 2 adds: with both normalizations above with neither",
                ((TURNING, _ENDS[1]), (TURNING, _ENDS[0])),
                ((PLAIN, _ENDS[1]), (PLAIN, _ENDS[0])),
                decides=False,
            ),
            *_joint_by_joint(),
        ),
        tiers=(RENDERED,),
        note="The paper's figures are stage 1's above the detector (+0.7 and +1.1) and stage 2's above "
        "stage 1 (+0.6, +0.9 and +0.3). The nets without normalization lack both: what limb "
        f"normalization alone adds to a normalized body is not told apart. {_WEAK}",
    ),
)
