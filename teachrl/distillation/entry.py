"""What goes by a short name in configurations: the student that distils, and its methods; none needs torch to be named.

The package itself is no place to look through for classes: its losses need torch.
"""

from teachrl.distillation.distiller import Distiller
from teachrl.distillation.imitation import BC, DAgger
from teachrl.distillation.methods import Distillation
from teachrl.distillation.on_policy import OnPolicy
from teachrl.distillation.reinforced import KDRL, Kickstart

__all__ = ["BC", "KDRL", "DAgger", "Distillation", "Distiller", "Kickstart", "OnPolicy"]
