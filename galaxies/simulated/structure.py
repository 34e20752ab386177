"""What a simulated galaxy has beside bulge and disk, and what it goes through."""

from typing import Any, Literal

import numpy as np

Kind = Literal["elliptical", "lenticular", "spiral", "irregular"]
Encounter = Literal["none", "nuclei", "pair", "tidal", "remnant"]

# What galaxies go through. Two in a hundred nearby galaxies merge (Darg et al. 2010, MNRAS 401,
# 1043); many more have a neighbour in front or behind that people take for a partner.
ENCOUNTERS: dict[Encounter, float] = {
    "none": 0.81,
    "nuclei": 0.06,
    "pair": 0.075,
    "tidal": 0.035,
    "remnant": 0.02,
}


def bounded_normal(
    rng: np.random.Generator, mean: float, spread: float, low: float, high: float
) -> float:
    """Draw a normal deviate, clipped to a physical range."""
    return float(np.clip(rng.normal(mean, spread), low, high))


def draw_structure(
    kind: Kind, bulge_fraction: float, disk_g_r: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw arms, bar, ring, patches, knots, lopsidedness and dust.

    Numbers of arms follow the counts of Hart et al. 2016 (MNRAS 461, 3663): two mostly, many in
    flocculent disks. Most pairs of arms that show have a grand design, above all in barred disks
    (Elmegreen & Elmegreen 1982, MNRAS 201, 1021). A third of the disks have a bar (Masters et al.
    2011, MNRAS 411, 2026), with lengths about the disk's scale length (Erwin 2005, MNRAS 364, 283);
    rings lie at the resonances, one to three scale lengths out (Buta & Combes 1996, Fund. Cosmic
    Phys. 17, 95). Lopsidedness is that of Rix & Zaritsky 1995 (ApJ 447, 82). One early type in
    thirty has a lane of dust (Kaviraj et al. 2012, MNRAS 423, 49). Arcs are more frequent than in
    nature, so that a survey of a few thousand galaxies has some.
    """
    spiral, irregular = kind == "spiral", kind == "irregular"
    strength = min(float(np.exp(rng.normal(np.log(0.72), 0.6))), 1.8)
    # Many disks, blue ones too, show next to nothing at this resolution.
    calm = float(rng.uniform(0.02, 0.25)) if rng.random() < 0.66 else 1.0
    barred = rng.random() < {"spiral": 0.36, "lenticular": 0.15, "irregular": 0.2}.get(kind, 0.0)
    ringed = rng.random() < {"spiral": 0.09, "lenticular": 0.11}.get(kind, 0.0)
    patchiness = calm * rng.uniform(0.1, 0.5) * (2.2 if irregular else 1.0)
    # Blue disks form stars, in knots.
    young = float(np.clip(0.95 - disk_g_r, 0.0, 0.6)) if spiral or irregular else 0.0
    arms = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.05, 0.66, 0.13, 0.09, 0.04, 0.03]))
    # Arms open up as the bulge shrinks; a single one, drawn out by a partner, is open.
    pitch = bounded_normal(rng, 21.4 - 12 * bulge_fraction + 6 * (arms == 1), 7.0, 8.0, 42.0)
    design = 0.0
    if (
        spiral
        and arms == 2
        and calm == 1.0
        and bulge_fraction > 0.06
        and rng.random() < (0.8 if barred else 0.65)
    ):
        design = float(rng.uniform(0.7, 1.0))
        strength, patchiness = rng.uniform(0.9, 1.8), rng.uniform(0.02, 0.12)
        pitch = min(pitch, 24.0)  # over half a turn before the disk fades
    return {
        "arms": arms,
        "arm_strength": calm * strength if spiral else 0.0,
        "arm_sharpness": float(rng.uniform(0.5, 2.4)),
        "grand_design": design,
        "pitch": float(np.deg2rad(pitch)),
        "winding": int(rng.choice([-1, 1])),
        "bar_fraction": float(rng.uniform(0.05, 0.28)) if barred else 0.0,
        "bar_length": float(rng.uniform(0.7, 1.5)),
        "bar_width": float(rng.uniform(0.2, 0.4)),
        "ring_strength": float(rng.uniform(0.4, 2.0)) if ringed else 0.0,
        "ring_radius": float(rng.uniform(1.2, 2.8)),
        "ring_width": float(rng.uniform(0.12, 0.35)),
        "patchiness": float(patchiness) if spiral or irregular else float(abs(rng.normal(0, 0.08))),
        "knot_fraction": calm * young * float(rng.uniform(0.05, 0.45)) * (1.6 if irregular else 1),
        "knots": int(rng.poisson(25 if spiral else 9)),
        "lopsidedness": float(abs(rng.normal(0.0, 0.5 if irregular else 0.12 if spiral else 0.03))),
        "dust": min(float(np.exp(rng.normal(0.4, 0.9))), 6.0) if spiral else 0.0,
        "lane": float(rng.uniform(0.6, 3.0))
        if kind in ("elliptical", "lenticular") and rng.random() < 0.03
        else 0.0,
        "arc": float(rng.uniform(0.02, 0.07))
        if kind in ("elliptical", "lenticular") and rng.random() < 0.015
        else 0.0,
    }


def draw_encounter(kind: Kind, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a partner, tails, and how far the disk is pushed out of shape.

    Fluxes from equal to a sixth are those of pairs that people call mergers, and tails hold a few
    to twenty per cent of the light (Darg et al. 2010, MNRAS 401, 1552); one to two tails of a few
    radii are what an encounter of disks draws out (Toomre & Toomre 1972, ApJ 178, 623).
    """
    stages = list(ENCOUNTERS)
    encounter = stages[rng.choice(len(stages), p=list(ENCOUNTERS.values()))]
    disturbance = 0.0
    if encounter in ("tidal", "remnant"):
        disturbance = rng.uniform(0.15, 0.55)
    elif encounter == "pair" or kind == "irregular":
        disturbance = rng.uniform(0.0, 0.3)
    tailed = rng.random() < {"tidal": 1.0, "remnant": 0.7, "pair": 0.25, "nuclei": 0.3}.get(
        encounter, 0.0
    )
    alone = encounter in ("none", "remnant") or (encounter == "tidal" and rng.random() < 0.25)
    near, far = {"nuclei": (0.4, 1.1), "pair": (0.9, 2.6)}.get(encounter, (0.4, 2.6))
    return {
        "disturbance": float(disturbance),
        "twist": float(rng.normal(0.0, 0.5) * disturbance),
        "encounter": encounter,
        "partner_flux": 0.0 if alone else float(6.0 ** rng.uniform(-1.0, 0.1)),
        "partner_distance": float(rng.uniform(near, far)),
        "partner_direction": float(rng.uniform(0.0, 2 * np.pi)),
        "partner_radius": float(np.exp(rng.normal(-0.9 if encounter == "nuclei" else -0.3, 0.3))),
        "partner_axis_ratio": float(rng.uniform(0.25, 1.0)),
        "partner_sersic": float(
            rng.choice([2.5, 4.0] if encounter == "nuclei" else [1.0, 1.5, 2.5, 4.0])
        ),
        "partner_blueness": float(abs(rng.normal(0.0, 0.2))),
        "off_centre": float(rng.uniform(0.0, 0.6)) if encounter == "nuclei" else 0.0,
        "tails": int(rng.choice([1, 2], p=[0.55, 0.45])) if tailed else 0,
        "tail_fraction": float(rng.uniform(0.03, 0.2)) if tailed else 0.0,
        "tail_length": float(rng.uniform(1.5, 5.0)),
    }
