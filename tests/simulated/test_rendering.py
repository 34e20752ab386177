"""What is drawn of a galaxy."""

from dataclasses import replace

import numpy as np
import pytest

from galaxies.simulated.camera import blur, draw_bands, plane
from galaxies.simulated.disk import DARKEST, filled, ring_pattern, spiral_pattern
from galaxies.simulated.encounter import arc_light, partner_light, tail_map
from galaxies.simulated.field import field_light
from galaxies.simulated.population import Galaxy, draw_galaxy
from galaxies.simulated.rendering import (
    OWN,
    deposit,
    dust_lane,
    galaxy_light,
)

RADIUS, ANGLE = np.meshgrid(np.linspace(0.1, 5, 40), np.linspace(-np.pi, np.pi, 80))


def galaxy(**changes: object) -> Galaxy:
    """A plain spiral of moderate size seen face-on, without anything odd."""
    rng = np.random.default_rng(2)
    drawn = next(
        one
        for one in iter(lambda: draw_galaxy(rng, 17.0), None)
        if one.kind == "spiral" and one.arm_strength > 0.5
    )
    plain: dict[str, object] = {
        "half_light_radius": 5.0,
        "disk_scale": 3.5,
        "bulge_fraction": 0.2,
        "inclination": 0.3,
        "grand_design": 0.0,
        "bar_fraction": 0.0,
        "ring_strength": 0.0,
        "lopsidedness": 0.0,
        "disturbance": 0.0,
        "encounter": "none",
        "partner_flux": 0.0,
        "tails": 0,
        "tail_fraction": 0.0,
        "boxiness": 0.0,
        "arc": 0.0,
        "petrosian_r90": 9.0,
    }
    return replace(drawn, **(plain | changes))


def draw(one: Galaxy, seed: int = 1):
    return galaxy_light(one, draw_bands(np.random.default_rng(0)), 160, np.random.default_rng(seed))


def test_a_galaxy_without_structure_has_a_flat_pattern() -> None:
    pattern = spiral_pattern(galaxy(), RADIUS, ANGLE, np.random.default_rng(0))
    assert pattern.std() > 0.1
    smooth = galaxy(arm_strength=0.0, patchiness=0.0)
    flat = spiral_pattern(smooth, RADIUS, ANGLE, np.random.default_rng(0))
    np.testing.assert_allclose(flat, 0, atol=1e-6)


@pytest.mark.parametrize("arms", [1, 2, 3, 4])
def test_a_disk_has_as_many_arms_as_it_should(arms: int) -> None:
    one = galaxy(arms=arms, arm_strength=1.0, arm_sharpness=2.0, patchiness=0.0)
    pattern = spiral_pattern(one, np.full(512, 2.0), np.linspace(0, 2 * np.pi, 513)[:-1],
                             np.random.default_rng(0))  # fmt: skip
    waves = np.abs(np.fft.rfft(pattern))
    assert waves[1:].argmax() + 1 == arms


@pytest.mark.parametrize("arms", [1, 2, 3, 6])
@pytest.mark.parametrize("inclination", [0.0, 0.6, 1.1])
@pytest.mark.parametrize("bar", [0.0, 0.25])
def test_nothing_makes_a_hole_in_the_disk(arms: int, inclination: float, bar: float) -> None:
    one = galaxy(
        arms=arms, inclination=inclination, bar_fraction=bar, arm_strength=1.8, arm_sharpness=2.4,
        patchiness=0.5, ring_strength=1.5, ring_radius=2.0, ring_width=0.2, lopsidedness=0.2,
        thickness=0.2, position_angle=0.5, knot_fraction=0.0,
    )  # fmt: skip
    light = draw(one, seed=arms)
    x, y = plane(160)
    cosine, sine = np.cos(0.5), np.sin(0.5)
    flattening = np.hypot(np.cos(inclination), 0.2 * np.sin(inclination))
    radius = np.hypot(x * cosine + y * sine, (y * cosine - x * sine) / flattening) / one.disk_scale
    for inner in np.arange(0.2, 3.0, 0.2):
        isophote = (radius >= inner) & (radius < inner + 0.2)
        for band in light.bands:
            assert band[isophote].min() > 0.2 * np.median(band[isophote])


def test_a_pattern_takes_no_more_than_there_is_and_adds_what_it_likes() -> None:
    patterns = np.linspace(-20, 20, 2001)
    left = 1 + filled(patterns)
    assert left.min() >= DARKEST
    assert (np.diff(left) >= 0).all()
    np.testing.assert_allclose(left[patterns >= 0], 1 + patterns[patterns >= 0])


def turning(one: Galaxy, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radii of the arms, and there the azimuth of one and the disk's light all around."""
    angle = np.linspace(0, 2 * np.pi, 361)[:-1]
    radii = np.geomspace(0.6, 8.0, 120)
    grid = np.meshgrid(radii, angle, indexing="ij")
    light = 1 + filled(spiral_pattern(one, *grid, np.random.default_rng(seed)))
    azimuth = np.unwrap(np.angle(np.fft.fft(light, axis=1)[:, 2])) / 2
    return radii, azimuth, light


@pytest.mark.parametrize("seed", range(12))
def test_arms_of_a_grand_design_are_two_alike_and_turn_by_half_a_circle(seed: int) -> None:
    one = galaxy(
        arms=2, grand_design=0.9, arm_strength=1.0, arm_sharpness=1.5, patchiness=0.05,
        pitch=np.deg2rad(20.0),
    )  # fmt: skip
    _, azimuth, light = turning(one, seed)
    contrast = light.max(axis=1) / light.min(axis=1)
    plain = contrast > 2.0
    assert np.ptp(azimuth[plain]) > np.pi
    opposite = np.roll(light, 180, axis=1)
    assert np.abs(light - opposite)[plain].max() < 0.4 * light[plain].max()


def test_many_spirals_with_two_arms_have_a_grand_design() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_galaxy(rng, 17.0) for _ in range(2000)]
    plain = [one for one in drawn if one.arms == 2 and one.arm_strength > 0.5]
    designed = [one for one in plain if one.grand_design > 0]
    assert len(designed) > 0.4 * len(plain)
    assert all(one.arm_strength >= 0.9 and one.patchiness <= 0.12 for one in designed)
    assert all(one.kind == "spiral" and one.arms == 2 for one in designed)


def test_arms_begin_at_the_ends_of_the_bar() -> None:
    one = galaxy(arms=2, grand_design=1.0, arm_strength=1.0, patchiness=0.0, bar_fraction=0.2,
                 bar_length=1.2)  # fmt: skip
    radii, azimuth, light = turning(one, 0)
    contrast = np.ptp(light, axis=1)
    assert contrast[radii < 0.7].max() < 0.3 * contrast.max()
    start = azimuth[np.abs(radii - 0.95 * 1.2).argmin()]
    assert abs(np.sin(start)) < 0.15


def test_the_layers_add_up_to_the_light() -> None:
    one = galaxy(bar_fraction=0.2, ring_strength=1.0, boxiness=0.8, knot_fraction=0.2, knots=20)
    light = draw(one)
    assert set(light.layers) == set(OWN)
    assert all(layer.any() for layer in light.layers.values())
    np.testing.assert_allclose(sum(light.layers.values()), light.bands[1], rtol=1e-9, atol=1e-12)


def test_a_bar_holds_its_share_of_the_disk() -> None:
    one = galaxy(bar_fraction=0.25)
    light = draw(one)
    whole = sum(layer.sum() for layer in light.layers.values())
    assert light.layers["bar"].sum() / whole == pytest.approx(0.25 * 0.8, rel=0.1)
    assert not draw(galaxy()).layers["bar"].any()


def test_a_ring_is_brightest_at_its_radius() -> None:
    radius = np.linspace(0, 5, 501)
    one = galaxy(ring_strength=1.5, ring_radius=2.0, ring_width=0.2)
    assert radius[ring_pattern(one, radius).argmax()] == pytest.approx(2.0, abs=0.05)


def test_a_box_is_fuller_in_the_corners_than_an_ellipse() -> None:
    def corner(boxiness: float) -> float:
        one = galaxy(boxiness=boxiness, bulge_radius=3.0, position_angle=0.0, bulge_fraction=0.5)
        bulge = draw(one).layers["bulge"]
        middle, reach = 80, 10
        diagonal = bulge[middle + reach, middle + reach]
        return float(diagonal / np.sqrt(bulge[middle + 14, middle] * bulge[middle, middle + 14]))

    assert corner(1.0) > 1.1 * corner(0.0)


def test_a_disturbed_disk_is_less_symmetric() -> None:
    def asymmetry(disturbance: float) -> float:
        smooth = {"arm_strength": 0.0, "patchiness": 0.0, "knot_fraction": 0.0}
        disk = draw(galaxy(disturbance=disturbance, **smooth)).layers["disk"]
        return float(np.abs(disk - disk[::-1, ::-1]).sum() / disk.sum())

    assert asymmetry(0.6) > asymmetry(0.2) > 2 * asymmetry(0.0)


def test_a_partner_lies_where_it_should_with_its_flux() -> None:
    one = galaxy(partner_flux=0.5, partner_distance=2.0, partner_direction=0.0, partner_radius=0.3)
    band = draw_bands(np.random.default_rng(0))[1]
    partner = partner_light(one, band, 160, np.random.default_rng(1))
    row, column = np.unravel_index(partner[1].argmax(), (160, 160))
    assert column == pytest.approx(79.5 + 10 / 0.396, abs=2)
    assert row == pytest.approx(79.5, abs=2)
    assert partner[1].sum() == pytest.approx(0.5 * 10 ** (0.4 * (22.5 - one.r_magnitude)), rel=0.2)


def test_tails_hold_their_light_outside_the_middle() -> None:
    one = galaxy(tails=2, tail_fraction=0.1, tail_length=3.0)
    tails = tail_map(one, 160, np.random.default_rng(0))
    assert tails.sum() == pytest.approx(0.1, rel=0.05)
    x = np.arange(160) - 79.5
    distance = (np.hypot(*np.meshgrid(x, x)) * tails).sum() / tails.sum() * 0.396
    assert distance > one.half_light_radius
    assert not tail_map(galaxy(), 160, np.random.default_rng(0)).any()


def test_an_arc_lies_outside_the_galaxy_with_its_light() -> None:
    one = galaxy(arc=0.05)
    band = draw_bands(np.random.default_rng(0))[1]
    arc = arc_light(one, band, 160, np.random.default_rng(1))
    galaxy_flux = 10 ** (0.4 * (22.5 - one.r_magnitude))
    assert arc[1].sum() == pytest.approx(0.05 * galaxy_flux, rel=0.05)
    row, column = np.unravel_index(arc[1].argmax(), (160, 160))
    distance = np.hypot(row - 79.5, column - 79.5) * 0.396
    assert 1.3 * one.half_light_radius < distance < 2.4 * one.half_light_radius


def test_the_field_keeps_stars_neighbours_partner_and_tails_apart() -> None:
    one = galaxy(partner_flux=0.5, tails=1, tail_fraction=0.1)
    light = field_light(one, draw_bands(np.random.default_rng(0)), 160, np.random.default_rng(3))
    assert set(light.layers) == {"stars", "neighbours", "partner", "tails"}
    np.testing.assert_allclose(sum(light.layers.values()), light.bands[1], atol=1e-9)
    assert light.layers["partner"].sum() > 0


def test_dust_darkens_blue_light_most_and_only_where_there_is_some() -> None:
    edge_on = galaxy(inclination=np.pi / 2, dust=1.0, lane=0.0)
    lane = dust_lane(edge_on, 80, 1.3)
    assert lane[0].min() < lane[1].min() < lane[2].min() < 1
    assert (dust_lane(galaxy(dust=1.0, lane=0.0), 80, 1.3) == 1).all()
    assert dust_lane(galaxy(dust=0.0, lane=1.0), 80, 1.3).min() < 0.9


def test_a_lane_of_dust_is_dark_and_never_black() -> None:
    large = {"disk_scale": 8.0, "thickness": 0.25, "inclination": np.pi / 2}
    lane = dust_lane(galaxy(dust=6.0, lane=0.0, **large), 160, 1.3)
    assert 0.1 < lane.min() < 0.5
    small = dust_lane(galaxy(dust=6.0, lane=0.0, **(large | {"disk_scale": 2.0})), 160, 1.3)
    assert small.min() > lane.min()


def test_blurring_moves_no_light_and_takes_one_kernel_after_the_other() -> None:
    maps = np.zeros((2, 40, 50))[:, :, :40]
    maps[0, 20, 15] = 1.0
    maps[1, 5, 30] = 2.0
    kernel = np.zeros((5, 5))
    kernel[2, 3] = 1.0
    spread = np.full((3, 3), 1 / 9)
    seen = blur(maps, kernel, spread)
    assert seen[0, 20, 16] == pytest.approx(1 / 9, abs=1e-6)
    assert seen[1].sum() == pytest.approx(2.0, abs=1e-5)


def test_deposit_conserves_the_flux_inside_and_drops_what_is_outside() -> None:
    image = np.zeros((8, 9))
    deposit(image, np.array([3.3, 20.0]), np.array([2.8, 1.0]), np.array([2.0, 5.0]))
    assert image.sum() == pytest.approx(2.0)
    rows, columns = np.indices(image.shape)
    assert (image * columns).sum() / 2 == pytest.approx(3.3)
    assert (image * rows).sum() / 2 == pytest.approx(2.8)
