"""The protocols that published figures were measured under, and the old readings of them."""

from __future__ import annotations

from dataclasses import replace

from vitruvian.measure.protocols import IMAGE_BOX, LABELLED_BOX, Group, Part, Protocol
from vitruvian.skeleton import COCO, FLIC, LSP, MPII


def _sides(part: str) -> Group:
    return part, (f"right_{part}", f"left_{part}")


_LIMBS = tuple(_sides(part) for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
_BODY: tuple[Group, ...] = (("head", ("neck", "head_top")), *_LIMBS)
_NO_LENGTH = "persons whose reference length is unknown or zero"
_TOOLKIT = "torso and comparison of eval_pck.m (bearpaw/eval_pose, after MPI's)"
_OWN = "the system's own, taken back to px of the photograph"


def _stick(name: str, one: str, other: str) -> tuple[Part, Part]:
    """The same stick on both sides."""
    right, left = (
        (f"{side} {name}", (f"{side}_{one}",), (f"{side}_{other}",)) for side in ("right", "left")
    )
    return right, left


_STICKS: tuple[Part, ...] = (
    *_stick("lower leg", "knee", "ankle"),
    *_stick("upper leg", "hip", "knee"),
    *_stick("lower arm", "elbow", "wrist"),
    *_stick("upper arm", "shoulder", "elbow"),
    ("head", ("neck",), ("head_top",)),
    ("torso", ("right_hip", "left_hip"), ("right_shoulder", "left_shoulder")),
)
_STICK_GROUPS: tuple[Group, ...] = (
    *((part, (f"right {part}", f"left {part}"))
      for part in ("lower leg", "upper leg", "lower arm", "upper arm")),
    ("arms and legs", tuple(part[0] for part in _STICKS[:8])),
)  # fmt: skip

LSP_PCK_PC = Protocol(
    name="lsp-pck-pc",
    version=1,
    metric="pck",
    skeleton="lsp",
    convention="PC",
    reference="torso",
    threshold=0.2,
    comparator="<=",
    joints=LSP.joint_names,
    averaging="micro",
    left_out=_NO_LENGTH,
    source=f"Yang & Ramanan, PAMI 2013; {_TOOLKIT}",
    auc_upto=0.2,
    groups=_BODY,
    quoted=(("PCK@0.1", 0.1),),
)
LSPET_PCK_PC = replace(
    LSP_PCK_PC,
    name="lspet-pck-pc",
    box=LABELLED_BOX,
    flip_test=False,
    decoding=_OWN,
)
_LOOSE = "Wang et al. and Tian et al. as DeepPose, Table 1, marks them with *"
_LSP_PCP = replace(
    LSP_PCK_PC,
    name="lsp-pcp-strict",
    metric="pcp",
    reference="stick",
    threshold=0.5,
    left_out="sticks of which an end is not located",
    source="Eichner & Ferrari's evalPCP, eval_pcp.m of bearpaw/eval_pose; the group 'arms and legs' is "
    "the average of DeepPose's tables",
    auc_upto=0.0,
    groups=_STICK_GROUPS,
    quoted=(),
    parts=_STICKS,
    rule="strict",
)
_FLIC_OC = replace(
    LSP_PCK_PC,
    name="flic-pck-oc",
    skeleton="flic",
    convention="OC",
    joints=FLIC.joint_names,
    source=f"Sapp & Taskar, CVPR 2013; {_TOOLKIT}",
    groups=(("head", ("nose", "neck")), *_LIMBS[:4]),
)
_LSP_PDJ = replace(
    LSP_PCK_PC,
    name="lsp-pdj",
    auc_upto=0.5,
    quoted=tuple((f"PDJ@{t}", t) for t in (0.05, 0.1, 0.15, 0.3, 0.4, 0.5)),
    source="Sapp & Taskar, CVPR 2013; Toshev & Szegedy, CVPR 2014; eval_pdj.m of bearpaw/eval_pose",
)
_FLIC_PDJ_OC = replace(
    _FLIC_OC,
    name="flic-pdj-oc",
    auc_upto=_LSP_PDJ.auc_upto,
    quoted=_LSP_PDJ.quoted,
    source="Sapp & Taskar, CVPR 2013; Toshev & Szegedy, CVPR 2014, which does not say whose left "
    "its labels mean; torso as for LSP",
)
_MPII = Protocol(
    name="mpii-pckh",
    version=1,
    metric="pck",
    skeleton="mpii",
    convention="PC",
    reference="head_box",
    threshold=0.5,
    comparator="<=",
    joints=tuple(name for name in MPII.joint_names if name not in ("pelvis", "thorax")),
    averaging="micro",
    left_out="persons whose head box is unknown",
    source="Andriluka et al., CVPR 2014; computePCK.m and genTablePCK.m of the MPII toolkit",
    auc_upto=0.5,
    groups=_BODY,
    quoted=(("PCKh@0.1", 0.1),),
)
_MPII_SEGMENT = replace(
    _MPII,
    name="mpii-pckh-segment",
    reference="head",
    threshold=0.375,  # 0.5 x 0.75
    left_out=_NO_LENGTH,
    source="stands in for mpii-pckh where files give no head boxes: a head size of 0.75 x neck to head "
    "top, which is the median of 0.6 x the box's diagonal; not to be compared with PCKh",
    auc_upto=0.375,
    auc_step=0.0075,
    quoted=(("PCKh@0.1", 0.075),),
)
_HEAD_TOP: tuple[Group, ...] = (("head", ("head_top",)), *_LIMBS)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        LSPET_PCK_PC,
        replace(LSPET_PCK_PC, name="lspet-pck-pc-image", box=IMAGE_BOX),
        LSP_PCK_PC,
        replace(LSP_PCK_PC, name="lsp-pck-oc", convention="OC"),
        _LSP_PCP,
        replace(_LSP_PCP, name="lsp-pcp-loose", rule="loose", source=_LOOSE),
        replace(_LSP_PCP, name="lsp-pcp-strict-oc", convention="OC"),
        replace(_LSP_PCP, name="lsp-pcp-loose-oc", convention="OC", rule="loose", source=_LOOSE),
        _LSP_PDJ,
        replace(_LSP_PDJ, name="lsp-pdj-oc", convention="OC"),
        _FLIC_OC,
        replace(
            _FLIC_OC,
            name="flic-pck-pc",
            convention="PC",
            reference="torso_other",
            source="Newell et al., ECCV 2016: `normalize` of pose-hg's FLIC files is this diagonal",
        ),
        _FLIC_PDJ_OC,
        replace(_FLIC_PDJ_OC, name="flic-pdj-pc", convention="PC"),
        _MPII,
        _MPII_SEGMENT,
        replace(
            _LSP_PCP,
            name="parse-pcp",
            convention="OC",
            source="Toshev & Szegedy, CVPR 2014, Table 2; eval_pcp.m of bearpaw/eval_pose",
        ),
        Protocol(
            name="coco-oks",
            version=1,
            metric="oks",
            skeleton="coco",
            convention="PC",
            reference="object_scale",
            threshold=0.5,
            comparator="<=",
            joints=COCO.joint_names,
            averaging="micro",
            left_out="crowds and persons without a located joint",
            source="COCO keypoint evaluation, through its library",
        ),
        # Old readings, to explain old numbers
        replace(
            LSP_PCK_PC,
            name="lsp-pck-oc-other-diagonal",
            convention="OC",
            reference="torso_other",
            source="a reading of 'torso' by the other diagonal",
        ),
        replace(
            _MPII,
            name="mpii-pckh-pytorch-pose",
            comparator="<",
            averaging="macro",
            groups=_HEAD_TOP,
            source="eval_PCKh.py of bearpaw/pytorch-pose: the mean of 14 joints, head top as head",
        ),
        replace(
            _MPII,
            name="mpii-pckh-simple-baselines",
            groups=_HEAD_TOP,
            quoted=(("Mean@0.1, which is @0.11", 0.11),),
            source="mpii.py of microsoft/human-pose-estimation.pytorch: its Mean@0.1 reads the curve "
            "at 0.11; head top as head",
        ),
    )
}
