"""The walker: a hull on one or two pairs of two-jointed legs, on Box2D.

The body of Gymnasium's BipedalWalker, and the short-legged and four-legged ones of the ALP-GMM paper
(https://arxiv.org/abs/1910.07224).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import NonFiniteData
from teachrl_envs.box2d.engine import b2ContactListener, b2FixtureDef, b2PolygonShape, b2RevoluteJointDef
from teachrl_envs.box2d.lidar import RAYS, cast_rays
from teachrl_envs.box2d.terrain import HEIGHT, PAD, SCALE, Terrain

FPS = 50
HIP_SPEED, KNEE_SPEED = 4.0, 6.0
_HULL = ((-30, 9), (6, 9), (34, 1), (34, -8), (-30, -8))
_LONG_HULL = ((-46, 13), (6, 13), (50, 5), (50, -12), (-46, -12))
_LEG_DOWN = -8 / SCALE
_TURN, _SPEED_X, _SPEED_Y = 2 / FPS, 0.3 * (600 / SCALE) / FPS, 0.3 * (400 / SCALE) / FPS


@dataclass(frozen=True, slots=True)
class Morphology:
    """A body.

    Attributes:
        hull: Vertices of the hull, in pixels.
        leg_width: In pixels; the lower leg has 0.8 of it.
        leg_height: Of the upper and of the lower leg, in pixels.
        pairs: For each pair of legs, where it hangs on the hull and where it is created, both from the hull's position
            in world units; the joint pulls one to the other in the first step.
        torque: A motor's greatest torque.
        cost: What an action of 1 costs per joint and step, the torque times the paper's penalty.
    """

    hull: tuple[tuple[int, int], ...] = _HULL
    leg_width: float = 8
    leg_height: float = 34
    pairs: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    torque: float = 80.0
    cost: float = 0.00035 * 80

    @property
    def joints(self) -> int:
        """Number of motors."""
        return 4 * len(self.pairs)


MORPHOLOGIES = {
    "default": Morphology(),
    "short": Morphology(leg_height=17),
    "quadru": Morphology(_LONG_HULL, 10, 51, ((-1.2, -1.6), (0.85, 0.85 * 1.6)), 300.0, 0.00035 / 8 * 300),
}


class Contacts(b2ContactListener):  # type: ignore[misc]
    """Notes which feet stand and whether the hull has touched anything.

    A foot that leaves one of two pieces of ground counts as in the air until it touches a new one, as in the original.

    Attributes:
        feet: 1.0 for each foot that stands, else 0.0.
        fallen: Whether the hull has touched something.
    """

    def __init__(self, feet: int) -> None:
        super().__init__()
        self.feet = [0.0] * feet
        self.fallen = False

    def BeginContact(self, contact: Any) -> None:  # noqa: N802 (Box2D calls it so)
        """Called by Box2D when two fixtures begin to touch."""
        part = self._part(contact)
        if part == "hull":
            self.fallen = True
        elif part is not None:
            self.feet[part] = 1.0

    def EndContact(self, contact: Any) -> None:  # noqa: N802
        """Called by Box2D when two fixtures cease to touch."""
        part = self._part(contact)
        if part is not None and part != "hull":
            self.feet[part] = 0.0

    def PreSolve(self, contact: Any, manifold: Any) -> None:  # noqa: N802
        """Does nothing, for less than the inherited method takes to do so."""

    def PostSolve(self, contact: Any, impulse: Any) -> None:  # noqa: N802
        """Does nothing either."""

    @staticmethod
    def _part(contact: Any) -> Any:
        part = contact.fixtureB.body.userData
        return contact.fixtureA.body.userData if part is None else part


class Walker:
    """A body in a world, above the middle of the start pad.

    Args:
        world: The `b2World`, which already holds the terrain.
        morphology: The body.
        push: Force on the hull at the first step, to the right.

    Attributes:
        hull: The hull's `b2Body`.
        legs: Upper and lower leg in turn.
        joints: Hip and knee in turn.
        contacts: What touches the ground.
    """

    def __init__(self, world: Any, morphology: Morphology, push: float) -> None:
        self.contacts = Contacts(2 * len(morphology.pairs))
        world.contactListener = self.contacts
        self.morphology = morphology
        self.legs: list[Any] = []
        self.joints: list[Any] = []
        self._x, self._y = PAD / 2, HEIGHT + 2 * morphology.leg_height / SCALE
        hull, self._upper, self._lower = _parts(morphology)
        self.hull = world.CreateDynamicBody(position=(self._x, self._y), fixtures=hull, userData="hull")
        self.hull.ApplyForceToCenter((push, 0.0), True)
        for anchor, x in morphology.pairs:
            for side in (-1, 1):
                self._add_leg(world, anchor, x, side)
        self._padding = [0.0] * RAYS

    def _add_leg(self, world: Any, anchor: float, x: float, side: int) -> None:
        height = self.morphology.leg_height / SCALE
        upper_body, top = self.hull, (anchor, _LEG_DOWN)
        for depth, fixture, part, limits in (
            (0.5, self._upper, None, (-0.8, 1.1)),
            (1.5, self._lower, len(self.legs) // 2, (-1.6, -0.1)),
        ):
            leg = world.CreateDynamicBody(
                position=(self._x + x, self._y - height * depth - _LEG_DOWN),
                angle=0.05 * side,
                fixtures=fixture,
                userData=part,
            )
            joint = b2RevoluteJointDef(
                bodyA=upper_body,
                bodyB=leg,
                localAnchorA=top,
                localAnchorB=(0, height / 2),
                enableMotor=True,
                enableLimit=True,
                lowerAngle=limits[0],
                upperAngle=limits[1],
            )
            self.legs.append(leg)
            self.joints.append(world.CreateJoint(joint))
            upper_body, top = leg, (0.0, -height / 2)

    def act(self, action: list[float]) -> float:
        """Sets the motors: the sign of an entry is the direction, its size up to 1 the share of the torque.

        Args:
            action: One number per joint. More than 1 pulls as 1 does, in the original too.

        Returns:
            The sum of the shares.

        Raises:
            NonFiniteData: If an entry is NaN.
        """
        torque, effort, speed = self.morphology.torque, 0.0, HIP_SPEED
        for joint, value in zip(self.joints, action, strict=True):
            share = abs(value)
            if not share <= 1.0:
                share = _full_torque(action)
            joint.motorSpeed = speed if value > 0.0 else -speed if value < 0.0 else 0.0
            joint.maxMotorTorque = torque * share
            effort += share
            speed = KNEE_SPEED if speed == HIP_SPEED else HIP_SPEED
        return effort

    def observe(self, terrain: Terrain) -> tuple[NDArray[np.float32], float, float]:
        """Returns the observation, (4 + 5 per leg + 10,) float32, and the hull's x and angle."""
        hull, joints, feet = self.hull, self.joints, self.contacts.feet
        position, velocity, angle = hull.position, hull.linearVelocity, hull.angle
        x = position.x
        state = [angle, _TURN * hull.angularVelocity, _SPEED_X * velocity.x, _SPEED_Y * velocity.y]
        for foot, standing in enumerate(feet):
            hip, knee = joints[2 * foot], joints[2 * foot + 1]
            state += (hip.angle, hip.speed / HIP_SPEED, knee.angle + 1.0, knee.speed / KNEE_SPEED, standing)
        observation = np.array(state + self._padding, dtype=np.float32)
        cast_rays(x, position.y, terrain.xs, terrain.ys, terrain.stumps, observation)
        return observation, x, angle


@cache
def _parts(morphology: Morphology) -> tuple[Any, Any, Any]:
    """Definitions of hull, upper and lower leg, made once: Box2D's wrapper never frees one."""
    width, height = morphology.leg_width / SCALE, morphology.leg_height / SCALE
    hull = b2PolygonShape(vertices=[(x / SCALE, y / SCALE) for x, y in morphology.hull])
    legs = [b2PolygonShape(box=(share * width / 2, height / 2)) for share in (1.0, 0.8)]
    return _fixture(hull, 5.0, 0.1), _fixture(legs[0], 1.0, 0.2), _fixture(legs[1], 1.0, 0.2)


def _fixture(shape: Any, density: float, friction: float) -> Any:
    """A part of the body, which collides with the terrain only."""
    return b2FixtureDef(shape=shape, density=density, friction=friction, categoryBits=0x0020, maskBits=0x001)


def _full_torque(action: list[float]) -> float:
    if any(math.isnan(value) for value in action):
        raise NonFiniteData(f"An action must be {len(action)} numbers from -1 to 1, got {action}. Check the policy.")
    return 1.0
