"""Cut-outs from one's own mosaics."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from galaxies.errors import GalaxiesError
from galaxies.sky.mosaics import Mosaics
from galaxies.sky.positions import Positions

SCALE = 0.396127


def grid(ra=150.0, dec=2.0, side=600, scale=SCALE, turned=0.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(side + 1) / 2] * 2
    angle = np.radians(turned)
    wcs.wcs.pc = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    wcs.array_shape = (side, side)
    return wcs


def sky(wcs, galaxies, seed=0, size=4.0):
    """Noise, and a round galaxy at each position, in nanomaggies."""
    height, width = wcs.array_shape
    image = np.random.default_rng(seed).normal(0, 0.02, (height, width))
    y, x = np.mgrid[:height, :width]
    for ra, dec in galaxies:
        px, py = wcs.all_world2pix(ra, dec, 0)
        image += 2 * np.exp(-np.hypot(x - px, y - py) / size)
    return image.astype(np.float32)


def save(path, image, wcs, band=None, kind=fits.PrimaryHDU, **keys):
    header = wcs.to_header()
    header["BUNIT"] = "nanomaggy"
    if band:
        header["FILTER"] = band
    for key, value in keys.items():
        header[key] = value
    path.parent.mkdir(exist_ok=True)
    if kind is fits.CompImageHDU:
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, header)])
    else:
        hdus = fits.HDUList([kind(image, header)])
    hdus.writeto(path, overwrite=True)


def at(*places, radius=6.0):
    ra, dec = np.array(places, float).T
    number = len(ra)
    return Positions(
        "list.csv",
        [f"g{n}" for n in range(number)],
        ra,
        dec,
        np.full(number, radius),
        "R90",
        [None] * number,
        pa.table({"ra": ra}),
    )


def cut(folder, positions, **options):
    mosaics = Mosaics(folder, **options)
    mosaics.fetch(positions)
    found = [mosaics.cut(positions, place) for place in range(len(positions))]
    mosaics.close()
    return found


def peak(cutout):
    """The centre of light, from the middle of the frame."""
    light = np.asarray(cutout.image, float).sum(axis=2)
    light = np.where(light > 0.5 * light.max(), light, 0)
    y, x = np.indices(light.shape)
    return float((x * light).sum() / light.sum() - 211.5), float(
        (y * light).sum() / light.sum() - 211.5
    )


PLACES = [(150.0, 2.0), (150.01, 1.99), (149.98, 2.013)]


@pytest.mark.parametrize("kind", [fits.PrimaryHDU, fits.CompImageHDU, "scaled", "gz"])
@pytest.mark.parametrize("turned", [0.0, 37.0])
def test_a_galaxy_stands_in_the_middle_at_the_right_scale(kind, turned, tmp_path):
    wcs = grid(turned=turned)
    for seed, band in enumerate("gri"):
        image = sky(wcs, PLACES, seed)
        if kind == "scaled":
            save(tmp_path / f"tile-{band}.fits", (image * 1000).astype(np.int16), wcs, band)
            with fits.open(tmp_path / f"tile-{band}.fits", mode="update") as file:
                file[0].header["BSCALE"] = 0.001
                file[0].header["BZERO"] = 0.0
        elif kind == "gz":
            save(tmp_path / f"tile-{band}.fits.gz", image, wcs, band)
        else:
            save(tmp_path / f"tile-{band}.fits", image, wcs, band, kind)
    for cutout in cut(tmp_path, at(*PLACES)):
        assert cutout.reason is None
        assert (cutout.image.mode, cutout.image.size) == ("RGB", (424, 424))
        assert cutout.scale == pytest.approx(0.12)
        # Within a fifth of a pixel of the mosaic.
        assert np.hypot(*peak(cutout)) < 0.2 * SCALE / 0.12


def independent(folder, wcs, ra, dec, radius):
    """A cut-out in other ways: astropy's, the stretch as Lupton et al. wrote it, scipy's spline."""
    scale = 0.02 * radius / SCALE  # pixels of the tile
    planes = []
    for band in "gri":
        with fits.open(folder / f"tile-{band}.fits") as file:
            whole = file[-1].data.astype(float)
        side = int(424 * scale) + 9
        part = Cutout2D(whole, SkyCoord(ra, dec, unit="deg"), (side, side), wcs)
        planes.append(part.data)
    x, y = part.to_cutout_position(wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")))
    blue, green, red = (
        weight * plane for weight, plane in zip((1.33, 0.93, 0.80), planes, strict=True)
    )
    mean = (red + green + blue) / 3
    stretch = 40.5 * np.arcsinh(510 / 40.5 * np.maximum(mean, 1e-9)) / np.maximum(mean, 1e-9)
    grey = [np.round(np.clip(band * stretch - 2.6, 0, 255)) for band in (red, green, blue)]
    step = (np.arange(424) - 211.5) * scale
    rows, columns = np.meshgrid(y - step, x + step, indexing="ij")  # north is up
    if scale < 1:
        frame = [map_coordinates(band, [rows, columns], order=1) for band in grey]
        return np.stack(frame, axis=2), 0.51
    # Averages of small squares: not the same filter as ours.
    fine = [(np.arange(3) - 1) / 3 * scale] * 2
    frame = []
    for band in grey:
        over = [map_coordinates(band, [rows + v, columns + u], order=1)
                for v in fine[0] for u in fine[1]]  # fmt: skip
        frame.append(np.mean(over, axis=0))
    return np.stack(frame, axis=2), 12


@pytest.mark.parametrize("radius", [4.0, 7.3, 19.0, 30.0])
def test_pixels_are_those_of_an_independent_computation(radius, tmp_path):
    wcs = grid(side=1000)
    for seed, band in enumerate("gri"):
        save(tmp_path / f"tile-{band}.fits", sky(wcs, PLACES, seed, size=6), wcs, band)
    places = [(150.0007, 2.0003), PLACES[1]]
    for (ra, dec), cutout in zip(places, cut(tmp_path, at(*places, radius=radius)), strict=True):
        expected, most = independent(tmp_path, wcs, ra, dec, radius)
        difference = np.abs(np.asarray(cutout.image, float) - expected)
        assert difference.max() <= most, difference.max()
        assert difference.mean() < 2


def test_a_radius_that_no_frame_can_have_is_a_reason(tmp_path):
    wcs = grid()
    save(tmp_path / "tile.fits", sky(wcs, PLACES), wcs, "r")
    for radius, word in ((1e-9, "too small"), (1e9, "too large")):
        [cutout] = cut(tmp_path, at(PLACES[0], radius=radius))
        assert cutout.image is None
        assert cutout.reason.startswith(f"{word} for a cut-out")


def test_bands_are_told_by_header_name_or_extension(tmp_path):
    wcs = grid()
    image = sky(wcs, PLACES)
    red = {"g": 0.3, "r": 0.7, "i": 1.0}
    for band, flux in red.items():
        save(tmp_path / "headers" / f"x{flux}.fits", flux * image, wcs, f"SDSS_{band}")
        save(tmp_path / "names" / f"tile-{band}.fits", flux * image, wcs)
    hdus = [fits.ImageHDU(red[b] * image, wcs.to_header(), name=b.upper()) for b in "rgi"]
    hdus.append(fits.ImageHDU(image, wcs.to_header(), name="INVVAR"))
    (tmp_path / "one").mkdir()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "one" / "all.fits")
    for name in ("headers", "names", "one"):
        [cutout] = cut(tmp_path / name, at(PLACES[0]))
        colour = np.asarray(cutout.image, float)[180:244, 180:244].mean(axis=(0, 1))
        assert colour[0] > 1.2 * colour[2], name


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("F090W", "F200W", "F410M"), {}),
        (("F410M", "F555W", "F814W"), {"TELESCOP": "HST"}),
        (("HSC-G", "HSC-R2", "HSC-I"), {"EXTNAME": "IMAGE"}),
        (("VIS", "NIR_Y", "NIR_H"), {}),
        (("B", "V", "W1"), {}),
    ],
)
def test_bands_of_every_telescope_are_put_in_order(names, keys, tmp_path):
    wcs = grid()
    image = sky(wcs, PLACES)
    for place in (1, 2, 0):
        flux = (0.3, 0.7, 1.0)[place]
        save(tmp_path / f"{place * 7 % 5}.fits", flux * image, wcs, names[place], **keys)
    [cutout] = cut(tmp_path, at(PLACES[0]))
    colour = np.asarray(cutout.image, float)[180:244, 180:244].mean(axis=(0, 1))
    assert colour[0] > 1.2 * colour[2]


def test_a_filter_that_may_be_two_is_refused(tmp_path):
    wcs = grid()
    for name in ("g", "F410M"):
        save(tmp_path / f"{name}.fits", sky(wcs, PLACES), wcs, name)
    with pytest.raises(GalaxiesError, match="without names of different filters"):
        Mosaics(tmp_path)


def test_maps_of_other_quantities_are_no_light(tmp_path):
    wcs = grid()
    save(tmp_path / "image-r.fits", sky(wcs, PLACES), wcs)
    save(tmp_path / "other.fits", sky(wcs, []), wcs, EXTNAME="E(B-V)")
    save(tmp_path / "mass.fits", sky(wcs, []), wcs, BUNIT="solMass")
    [cutout] = cut(tmp_path, at(PLACES[0]))
    assert np.hypot(*peak(cutout)) < 2


def test_numbers_that_signal_are_blank_without_a_warning(tmp_path):
    wcs = grid()
    image = sky(wcs, PLACES).astype(np.float64)
    image.view(np.uint64)[:3, :3] = 0x7FF4000000000001
    image[:3, 4] = 1e300
    save(tmp_path / "tile.fits", image, wcs, "r")
    [cutout] = cut(tmp_path, at(PLACES[0]))
    assert np.hypot(*peak(cutout)) < 2


def test_maps_of_weights_are_no_light(tmp_path):
    wcs = grid()
    save(tmp_path / "image-r.fits", sky(wcs, PLACES), wcs)
    save(tmp_path / "image-r.weight.fits", sky(wcs, []), wcs)
    save(tmp_path / "invvar-r.fits", sky(wcs, []), wcs)
    [cutout] = cut(tmp_path, at(PLACES[0]))
    assert np.hypot(*peak(cutout)) < 2


def test_two_images_of_one_place_without_filters_are_refused(tmp_path):
    wcs = grid()
    for name in ("one.fits", "two.fits"):
        save(tmp_path / name, sky(wcs, PLACES), wcs)
    with pytest.raises(GalaxiesError, match=r"without names of different filters .*one.fits"):
        Mosaics(tmp_path)


def test_outside_is_a_reason(tmp_path):
    wcs = grid()
    image = sky(wcs, PLACES)
    image[:, :200] = np.nan
    image[:100] = 0
    save(tmp_path / "tile.fits", image, wcs, "r")
    nan = tuple(float(v) for v in wcs.all_pix2world(150, 300, 0))
    zero = tuple(float(v) for v in wcs.all_pix2world(400, 50, 0))
    edge = tuple(float(v) for v in wcs.all_pix2world(597, 300, 0))
    found = cut(tmp_path, at(PLACES[0], (10, 50), (330, -2), nan, zero, edge))
    name = tmp_path.name
    assert [cutout.reason for cutout in found] == [
        None,
        f"outside the footprint of {name}",
        f"outside the footprint of {name}",
        *[f"outside the footprint of {name} (pixels without data)"] * 3,
    ]


def test_where_tiles_overlap_the_farther_edge_wins(tmp_path):
    left, right = grid(150.0), grid(150.05)
    assert left.footprint_contains is not None
    save(tmp_path / "left.fits", sky(left, []), left, "r")
    save(tmp_path / "right.fits", sky(right, [(150.028, 2.0)]), right, "r")
    [cutout] = cut(tmp_path, at((150.028, 2.0)))
    assert np.hypot(*peak(cutout)) < 2


def test_across_the_origin_of_right_ascension_and_near_a_pole(tmp_path):
    places = [(0.005, 0.0), (359.995, 0.0), (120.0, 89.995)]
    origin, pole = grid(0.0, 0.0), grid(120.0, 89.99)
    save(tmp_path / "origin.fits", sky(origin, places[:2]), origin, "r")
    save(tmp_path / "pole.fits", sky(pole, places[2:]), pole, "r")
    for cutout in cut(tmp_path, at(*places, radius=4)):
        assert cutout.reason is None
        assert np.hypot(*peak(cutout)) < 2


def test_a_radius_is_measured_where_none_is_known(tmp_path):
    wcs = grid()
    for seed, band in enumerate("gri"):
        save(tmp_path / f"tile-{band}.fits", sky(wcs, PLACES, seed, size=5), wcs, band)
    [cutout] = cut(tmp_path, at(PLACES[0], radius=np.nan))
    assert cutout.radius_from == "measured"
    # 90% of an exponential disk lies within 3.89 scale lengths.
    assert cutout.radius == pytest.approx(3.89 * 5 * SCALE, rel=0.25)


def test_a_damaged_tile_costs_its_own_galaxies(tmp_path):
    whole, damaged = grid(150.0), grid(151.0)
    save(tmp_path / "whole.fits", sky(whole, PLACES), whole, "r")
    save(tmp_path / "damaged.fits", sky(damaged, []), damaged, "r", fits.CompImageHDU)
    mosaics = Mosaics(tmp_path)
    with (tmp_path / "damaged.fits").open("r+b") as file:
        file.truncate(30_000)
    positions = at(PLACES[0], (151.0, 2.0))
    mosaics.fetch(positions)
    first, second = (mosaics.cut(positions, place) for place in range(2))
    mosaics.close()
    assert first.reason is None
    assert second.reason.startswith("the tile cannot be read")


def test_it_can_be_sent_to_another_machine(tmp_path):
    wcs = grid()
    save(tmp_path / "tile.fits", sky(wcs, PLACES), wcs, "r")
    positions = at(*PLACES)
    mosaics = Mosaics(tmp_path)
    mosaics.fetch(positions)
    before = mosaics.cut(positions, 1)
    again = pickle.loads(pickle.dumps(mosaics)).cut(positions, 1)
    assert np.array_equal(np.asarray(before.image), np.asarray(again.image))


def test_a_folder_without_mosaics_is_one_line(tmp_path):
    with pytest.raises(GalaxiesError, match="no FITS image with world coordinates"):
        Mosaics(tmp_path)
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "plain.fits")
    with pytest.raises(GalaxiesError, match="no FITS image with world coordinates"):
        Mosaics(tmp_path)
    with pytest.raises(GalaxiesError, match="no such folder"):
        Mosaics(tmp_path / "none")


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("mag", "where brighter is less"),
        ("log(nanomaggies)", "a logarithm"),
        ("1e-3 nanomaggies", "give nanomaggies"),
    ],
)
def test_a_unit_that_is_no_flux_is_named(tmp_path, unit, said):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150, 2]
    wcs.wcs.crpix, wcs.wcs.cdelt = [50, 50], [-0.0001, 0.0001]
    header = wcs.to_header()
    header["BUNIT"] = unit
    fits.PrimaryHDU(np.zeros((99, 99), np.float32), header).writeto(tmp_path / "field_r.fits")
    with pytest.raises(GalaxiesError, match=rf"field_r\.fits: .*{said}"):
        Mosaics(tmp_path)
