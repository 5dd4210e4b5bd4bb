"""A product's look → pictures of it without a ground: painted, lit and turned before an off-screen camera.

Needs the extra ``world`` (PyVista) and neither an X server nor a GPU. The first picture takes seconds, each later one
milliseconds, so keep one studio for a whole run. The same look and the same shot give the same pixels on one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encoders.world.meshes import parts_of
from encoders.world.pictures import Cutout
from encoders.world.shop import Look
from encoders.world.solids import Part, Points

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (200, 30, 35), "navy": (25, 35, 110), "sky blue": (100, 175, 235), "green": (30, 125, 60),
    "mint": (150, 225, 190), "yellow": (240, 205, 40), "orange": (235, 120, 25), "pink": (245, 150, 185),
    "purple": (115, 50, 150), "brown": (110, 65, 35), "beige": (215, 190, 150), "white": (238, 238, 236),
    "gray": (130, 130, 134), "black": (28, 28, 30),
}  # fmt: skip
FIXED: dict[str, Rgb] = {"dark": (45, 45, 48), "metal": (190, 192, 198)}
SPECULAR = ((0.0, 5.0), (0.5, 40.0), (0.9, 12.0))  # strength and sharpness of the gleam: matte, satin, glossy
VIEW_ANGLE_DEG, DISTANCE_RADII = 29.0, 4.2  # together they leave a thin margin round the largest turn


@dataclass(frozen=True, slots=True)
class Shot:
    """Where the camera stands (turned round the product, tilted above it, rolled) and how the light falls."""

    turn_deg: float
    tilt_deg: float
    roll_deg: float = 0.0
    key_at: tuple[float, float, float] = (3.0, -5.0, 6.0)
    key_strength: float = 0.8
    fill_strength: float = 0.45


Mask = NDArray[np.bool_]
PATTERNS: dict[str, Callable[[Points, Points], Mask]] = {
    "plain": lambda x, _: np.zeros(len(x), bool),
    "hstripe": lambda _, z: np.floor(z * 7) % 2 == 1,
    "vstripe": lambda x, _: np.floor(x * 9) % 2 == 1,
    "dots": lambda x, z: ((x * 5) % 1 - 0.5) ** 2 + ((z * 5 + 0.5 * (np.floor(x * 5) % 2)) % 1 - 0.5) ** 2 < 0.085,
    "band": lambda _, z: (z > 0.4) & (z < 0.66),
    "check": lambda x, z: (np.floor(z * 5) + np.floor(x * 5)) % 2 == 1,
    "dip": lambda _, z: z < 0.42,
}


def painted(parts: tuple[Part, ...], look: Look) -> NDArray[np.uint8]:
    """The colour of every point of every part, in order, shape (points, 3).

    The pattern runs over the box of all main parts together, so that it does not restart on each.
    """
    main = np.concatenate([part.points for part in parts if part.role == "main"])
    low, span = main.min(0), main.max(0) - main.min(0) + 1e-6
    fixed = FIXED | {"trim": COLOURS[look.trim]}
    colours = []
    for part in parts:
        if part.role != "main":
            colours.append(np.tile(fixed[part.role], (len(part.points), 1)))
            continue
        share = (part.points - low) / span
        mask = PATTERNS[look.pattern](share[:, 0], share[:, 2])
        colours.append(np.where(mask[:, None], COLOURS[look.pattern_colour], COLOURS[look.colour]))
    return np.concatenate(colours).astype(np.uint8)


class Studio:
    """A camera, two lights and at most one product on the table. Not to be shared by threads."""

    def __init__(self, size_px: int) -> None:
        import pyvista

        self._mesh_of = pyvista.PolyData
        pyvista.vtk_verbosity("off")  # without a display VTK warns on every start, and then draws all the same
        pyvista.OFF_SCREEN = True
        self._plotter = pyvista.Plotter(off_screen=True, window_size=[size_px, size_px], lighting="none")
        self._key = pyvista.Light(position=(3, -5, 6), focal_point=(0, 0, 0), light_type="scene light")
        self._fill = pyvista.Light(light_type="headlight")
        self._plotter.add_light(self._key)
        self._plotter.add_light(self._fill)
        self._plotter.set_background("white")
        self._radius = 1.0
        self._shown = False

    def put(self, look: Look) -> None:
        """Take away what stands on the table and put this product there."""
        parts = parts_of(look.kind, look.shape)
        points = np.concatenate([part.points for part in parts])
        starts = np.cumsum([0, *(len(part.points) for part in parts)])
        quads = np.concatenate([part.quads + start for part, start in zip(parts, starts, strict=False)])
        faces = np.hstack([np.full((len(quads), 1), 4), quads]).ravel()
        mesh = self._mesh_of(points.astype(np.float32), faces)
        mesh["rgb"] = painted(parts, look)
        strength, sharpness = SPECULAR[look.finish]
        self._radius = float(np.linalg.norm(points.max(0) - points.min(0))) / 2
        self._plotter.clear_actors()
        self._plotter.add_mesh(
            mesh, scalars="rgb", rgb=True, smooth_shading=True, specular=strength, specular_power=sharpness,
            ambient=0.18, diffuse=0.9, render=False, show_scalar_bar=False, reset_camera=False,
        )  # fmt: skip

    def shoot(self, shot: Shot) -> Cutout:
        """A picture of what stands on the table, cut to its own box."""
        self._aim(shot)
        if not self._shown:
            self._plotter.show(auto_close=False)
            self._shown = True
        self._plotter.render()
        image = np.asarray(self._plotter.screenshot(None, return_img=True, transparent_background=True))
        return trimmed(image.astype(np.uint8))

    def close(self) -> None:
        """Give the camera's memory back."""
        self._plotter.close()

    def _aim(self, shot: Shot) -> None:
        turn, tilt = np.radians(shot.turn_deg), np.radians(shot.tilt_deg)
        away = np.array([np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)])
        camera = self._plotter.camera
        self._plotter.camera_position = [tuple(away * self._radius * DISTANCE_RADII), (0, 0, 0), (0, 0, 1)]
        camera.view_angle = VIEW_ANGLE_DEG
        camera.roll += shot.roll_deg
        camera.clipping_range = (self._radius * 1.5, self._radius * 8)
        self._key.position = shot.key_at
        self._key.intensity, self._fill.intensity = shot.key_strength, shot.fill_strength


def trimmed(image: Cutout) -> Cutout:
    """The image cut to the box of what is covered; an image that is empty comes back whole."""
    rows, columns = np.nonzero(image[..., 3] > 20)
    if not len(rows):
        return image
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def page_shot(generator: np.random.Generator) -> Shot:
    """How a seller photographs: from the front left, a little from above."""
    return Shot(-25 + generator.uniform(-8, 8), 18 + generator.uniform(-5, 5))


def room_shot(generator: np.random.Generator) -> Shot:
    """How a product is seen in a host's hands: any turn that shows something of its front, any light."""
    key_at = (generator.uniform(-5, 5), -5.0, generator.uniform(2, 7))
    turned = Shot(generator.uniform(-85, 60), generator.uniform(4, 45), generator.normal(0, 7), key_at)
    return replace(turned, key_strength=generator.uniform(0.55, 0.9), fill_strength=generator.uniform(0.3, 0.55))
