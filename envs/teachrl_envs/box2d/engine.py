"""What we use of Box2D, imported so that it also loads where warnings are errors.

Box2D's wrapper makes types that Python 3.11 and later warn about, and crashes the interpreter if the warning is raised.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from Box2D import (
        b2ContactListener,
        b2EdgeShape,
        b2FixtureDef,
        b2PolygonShape,
        b2RayCastCallback,
        b2RevoluteJointDef,
        b2World,
    )

__all__ = [
    "b2ContactListener",
    "b2EdgeShape",
    "b2FixtureDef",
    "b2PolygonShape",
    "b2RayCastCallback",
    "b2RevoluteJointDef",
    "b2World",
]
