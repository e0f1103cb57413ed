"""The published systems by name: names stand in recipes and model folders, hence this table."""

from vitruvian.systems.contract import System
from vitruvian.systems.deeppose import DEEPPOSE
from vitruvian.systems.multiscale import MULTISCALE
from vitruvian.systems.normalized import NORMALIZED
from vitruvian.systems.part_heatmaps import PART_HEATMAPS
from vitruvian.systems.resnet_fcn import RESNET_FCN

SYSTEMS: dict[str, System] = {
    system.name: system for system in (RESNET_FCN, DEEPPOSE, PART_HEATMAPS, MULTISCALE, NORMALIZED)
}
