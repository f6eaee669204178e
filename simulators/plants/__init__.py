"""The simulated plants, one module each. `KINDS` names them, with the parameters that each takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from simulators.plants.base import Plant
from simulators.plants.cement import Cement, CementParameters
from simulators.plants.foil import Foil, FoilParameters
from simulators.plants.gypsum import Gypsum, GypsumParameters
from simulators.plants.materials import Materials, MaterialsParameters
from simulators.plants.packaging import Packaging, PackagingParameters
from simulators.plants.potline import Potline, PotlineParameters
from simulators.plants.vehicles import VehicleParameters, Vehicles

__all__ = ["KINDS", "Kind", "Plant"]


class Kind(NamedTuple):
    """A plant's class and that of its parameters."""

    plant: type[Plant]
    parameters: type[Any]


KINDS = {
    "potline": Kind(Potline, PotlineParameters),
    "packaging": Kind(Packaging, PackagingParameters),
    "vehicles": Kind(Vehicles, VehicleParameters),
    "materials": Kind(Materials, MaterialsParameters),
    "gypsum": Kind(Gypsum, GypsumParameters),
    "cement": Kind(Cement, CementParameters),
    "foil": Kind(Foil, FoilParameters),
}
