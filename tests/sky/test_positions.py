"""Tables of positions in every format, and names."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from galaxies.errors import GalaxiesError
from galaxies.sky.angles import iau_names
from galaxies.sky.cache import Cache
from galaxies.sky.manners import Manners
from galaxies.sky.names import resolve_names
from galaxies.sky.positions import Columns, read_positions

LONG = 587722952767439450


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "fits", "vot", "ecsv"])
def test_one_table_in_every_format(suffix, tmp_path):
    path = tmp_path / f"table.{suffix}"
    columns = {
        "objID": [LONG, LONG + 1],
        "ra": [184.9511, 359.99],
        "dec": [-0.8754, 89.5],
        "petroR90_r": [7.5, 12.25],
        "kind": ["Sa", "E0"],
    }
    if suffix.startswith("csv"):
        pd.DataFrame(columns).to_csv(path, index=False)
    elif suffix == "parquet":
        pd.DataFrame(columns).to_parquet(path)
    else:
        format_of = {"fits": "fits", "vot": "votable", "ecsv": "ascii.ecsv"}
        Table(columns).write(path, format=format_of[suffix])
    found = read_positions(path)
    assert found.ids == [str(LONG), str(LONG + 1)]
    assert found.ra.tolist() == columns["ra"]
    assert found.dec.tolist() == columns["dec"]
    assert found.radius.tolist() == columns["petroR90_r"]
    assert found.radius_from == "petroR90_r"
    assert found.reasons == [None, None]
    assert found.carried.column_names == ["ra", "dec", "petroR90_r", "kind"]
    assert found.carried["kind"].to_pylist() == ["Sa", "E0"]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_sexagesimal_text_means_hours_and_degrees(tmp_path):
    rows = "name,RA,Dec\nM 87,12:30:49.42,+12:23:28.0\nM 104,12h39m59.4s,-11d37m23s\nx,190,2.5\n"
    found = read_positions(write(tmp_path / "m.csv", rows))
    expected = SkyCoord(["12:30:49.42 +12:23:28.0", "12:39:59.4 -11:37:23"], unit=("hour", "deg"))
    np.testing.assert_allclose(found.ra[:2], expected.ra.deg, atol=1e-9)
    np.testing.assert_allclose(found.dec[:2], expected.dec.deg, atol=1e-9)
    # A number is in degrees, also in a column of text.
    assert (found.ra[2], found.dec[2]) == (190, 2.5)
    assert found.carried.column_names == ["RA", "Dec", "ra_deg", "dec_deg"]


def test_units_of_a_table_count(tmp_path):
    table = Table(
        {
            "ID": ["a"],
            "RAJ2000": [12.5] * units.hourangle,
            "DEJ2000": [0.1] * units.rad,
            "shape_r": [0.1] * units.arcmin,
        }
    )
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    found = read_positions(tmp_path / "t.ecsv")
    assert found.ra[0] == pytest.approx(187.5)
    assert found.dec[0] == pytest.approx(np.degrees(0.1))
    assert found.radius[0] == pytest.approx(2.6 * 6)
    assert found.radius_from == "2.6 x shape_r"


def test_columns_can_be_named(tmp_path):
    path = write(tmp_path / "t.csv", "key,x,y,size\n007,10,-20,0.2\n")
    found = read_positions(path, Columns("key", "x", "y", "size", "arcmin"))
    assert found.ids == ["007"]
    assert (found.ra[0], found.dec[0], found.radius[0]) == (10, -20, pytest.approx(12))


def test_who_has_no_position_keeps_a_row_with_the_reason(tmp_path):
    rows = "id,ra,dec\na,10,20\nb,,20\nc,400,0\nd,10,-91\ne,-10,0\nf,what,0\n"
    found = read_positions(write(tmp_path / "t.csv", rows))
    assert found.reasons == [
        None,
        "has no position",
        "is not on the sky: ra 400, dec 0",
        "is not on the sky: ra 10, dec -91",
        None,
        "has a position that cannot be read: ra what, dec 0",
    ]
    assert found.ra[4] == 350
    assert np.isnan(found.ra[[1, 2, 3, 5]]).all()


def test_radii_that_are_none_are_unknown(tmp_path):
    rows = "id,ra,dec,petroR90_r\n" + "".join(
        f"{n},1{n},0,{radius}\n" for n, radius in enumerate(["5", "", "-9999", "0", "nan"])
    )
    found = read_positions(write(tmp_path / "t.csv", rows))
    np.testing.assert_array_equal(found.radius, [5, np.nan, np.nan, np.nan, np.nan])


def test_missing_values_of_fits_and_votable_stay_missing(tmp_path):
    table = Table({"id": ["a", "b"], "ra": [1.0, 2.0], "dec": [0.0, 0.0]})
    table["z"] = MaskedColumn([3, 4], mask=[False, True])
    table.write(tmp_path / "t.vot", format="votable")
    assert read_positions(tmp_path / "t.vot").carried["z"].to_pylist() == [3, None]


def test_galaxies_without_an_id_are_named_after_their_position(tmp_path):
    found = read_positions(write(tmp_path / "t.csv", "ra,dec\n187.70593,12.39112\n0,-0.0001\n"))
    assert found.ids == ["J123049.42+122328.0", "J000000.00-000000.3"]


@pytest.mark.parametrize(
    ("ra", "dec", "degrees"),
    [
        # A declination between 0 and -1 degree keeps its sign.
        ("10:00:00", "-00:30:00", (150, -0.5)),
        ("10 00 00", "-00 30 00", (150, -0.5)),
        ("10h00m00s", "-0d30m00s", (150, -0.5)),
        ("10:00:00", "-0:0:30", (150, -30 / 3600)),
        ("10:00:00", "\u221200:30:00", (150, -0.5)),
        # Each cell counts alone, and says its unit.
        ("10:00:00", "-20", (150, -20)),
        ("150d", "-20:30:00", (150, -20.5)),
        ("10h", "20d", (150, 20)),
        ("1.5e2", "-8.7e-1", (150, -0.87)),
        # 60 seconds come from rounding.
        ("09:59:60", "19:59:60", (150, 20)),
        # Poles, and the origin of right ascension.
        ("0", "90", (0, 90)),
        ("123.4", "-90", (123.4, -90)),
        ("360", "0", (0, 0)),
        ("-0.0", "-0.0", (0, 0)),
        ("24:00:00", "0", (0, 0)),
        ("-1", "0", (359, 0)),
        # These are errors in their rows.
        ("", "", "has no position"),
        ("nan", "20", "has no position"),
        ("N/A", "--", "has no position"),
        ("12:61:00", "10", "has a position that cannot be read: ra 12:61:00, dec 10"),
        ("25:00:00", "10", "has a position that cannot be read: ra 25:00:00, dec 10"),
        ("ten", "10", "has a position that cannot be read: ra ten, dec 10"),
        ("-999", "-999", "is not on the sky: ra -999, dec -999"),
        ("10", "90.0000001", "is not on the sky: ra 10, dec 90.0000001"),
        ("12:00:00", "95:00:00", "is not on the sky: ra 180, dec 95"),
        ("inf", "0", "is not on the sky: ra inf, dec 0"),
        ("1849511", "-8754", "is not on the sky: ra 1849511, dec -8754"),
    ],
)
def test_a_position_is_right_or_a_reason(ra, dec, degrees, tmp_path):
    rows = f"id,ra,dec\nfirst,1,2\nx,{ra},{dec}\nlast,3,4\n"
    found = read_positions(write(tmp_path / "t.csv", rows))
    assert found.ra[[0, 2]].tolist() == [1, 3]
    if isinstance(degrees, str):
        assert found.reasons == [None, degrees, None]
        assert np.isnan([found.ra[1], found.dec[1]]).all()
    else:
        assert found.reasons == [None] * 3
        apart = (found.ra[1] - degrees[0] + 180) % 360 - 180
        assert (apart, found.dec[1]) == pytest.approx((0, degrees[1]), abs=1e-9)


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("ra [deg],dec [deg],petroR90_r [arcmin]", "10.5,-20,0.1", (10.5, -20, 6)),
        ("RA (hours),Dec (deg),shape_r (arcsec)", "10.5,-20,2", (157.5, -20, 5.2)),
        ("ra_hours,dec_deg,petroR90_r", "10.5,-20,6", (157.5, -20, 6)),
        ("ra_h,dec,petroR90_r_arcmin", "10.5,-20,0.1", (157.5, -20, 6)),
        ("RA_rad,Dec_rad,petroR90_r", "0.5,-0.25,6", (np.degrees(0.5), np.degrees(-0.25), 6)),
        (" ra, dec, petroR90_r", " 10.5, -20, 6", (10.5, -20, 6)),
    ],
)
def test_a_unit_in_the_name_of_a_column_counts(header, row, expected, tmp_path):
    found = read_positions(write(tmp_path / "t.csv", f"id,{header}\nx,{row}\n"))
    assert (found.ra[0], found.dec[0], found.radius[0]) == pytest.approx(expected)
    ra, dec, _ = (name.strip() for name in header.split(","))
    again = read_positions(tmp_path / "t.csv", Columns(ra=ra, dec=dec))
    assert (again.ra[0], again.dec[0]) == pytest.approx(expected[:2])


@pytest.mark.parametrize(
    ("ra", "unit", "degrees"),
    [
        ([10.5], "h", 157.5),
        ([10.5], "hourangle", 157.5),
        ([0.5], "rad", np.degrees(0.5)),
        (["10:30:00"], "hourangle", 157.5),
        (["10.5"], "hourangle", 157.5),
        (["10:30:00"], "deg", 10.5),
        (["10:30:00"], None, 157.5),
    ],
)
def test_the_unit_of_a_column_counts_for_text_too(ra, unit, degrees, tmp_path):
    table = Table({"id": ["a"], "ra": ra, "dec": [-20.0]})
    table["ra"].unit = unit
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    assert read_positions(tmp_path / "t.ecsv").ra[0] == pytest.approx(degrees)


def test_another_unit_than_an_angle_is_one_line(tmp_path):
    table = Table({"id": ["a"], "ra": [10.5], "dec": [-20.0]})
    table["ra"].unit = "m"
    table.write(tmp_path / "t.fits")
    with pytest.raises(GalaxiesError, match=r"t.fits: column 'ra' has the unit m.*no angle"):
        read_positions(tmp_path / "t.fits")


def test_right_ascensions_that_may_be_hours_are_pointed_out(tmp_path):
    rows = "".join(f"g{n},{n / 10},2\n" for n in range(100, 110))
    found = read_positions(write(tmp_path / "t.csv", f"id,ra,dec\n{rows}"))
    assert found.ra[0] == 10
    assert "read as degrees" in found.remark
    found = read_positions(write(tmp_path / "t.csv", f"id,ra_deg,dec_deg\n{rows}"))
    assert not found.remark
    found = read_positions(write(tmp_path / "t.csv", f"id,ra,dec\n{rows}x,24.1,0\n"))
    assert not found.remark


def test_coordinates_and_times_of_astropy_are_read(tmp_path):
    places = SkyCoord([10.5, 20], [-20, 90], unit="deg")
    table = Table(
        {"id": ["a", "b"], "where": places.galactic, "seen": Time([60000, 60001], format="mjd")}
    )
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    found = read_positions(tmp_path / "t.ecsv")
    np.testing.assert_allclose(found.dec, [-20, 90], atol=1e-9)
    assert found.ra[0] == pytest.approx(10.5)
    assert found.carried.column_names == ["ra", "dec", "seen"]


def test_one_position_twice_is_two_galaxies(tmp_path):
    found = read_positions(write(tmp_path / "t.csv", "ra,dec\n10,20\n10,20\n11,21\n10,20\n"))
    first = "J004000.00+200000.0"
    assert found.ids == [first, f"{first}_2", "J004400.00+210000.0", f"{first}_3"]
    found = read_positions(write(tmp_path / "t.csv", "id,ra,dec\na,10,20\nb,10,20\n"))
    assert found.ra.tolist() == [10, 10]


def test_a_unit_without_a_column_is_refused(tmp_path):
    path = write(tmp_path / "t.csv", "id,ra,dec\na,1,2\n")
    with pytest.raises(GalaxiesError, match="--radius-unit arcmin: there is no column"):
        read_positions(path, Columns(radius_unit="arcmin"))


@given(st.floats(0, 359.9999), st.floats(-90, 90))
def test_a_name_is_within_its_last_digit_of_the_position(ra, dec):
    [name] = iau_names(np.array([ra]), np.array([dec]))
    back = SkyCoord(
        f"{name[1:3]}:{name[3:5]}:{name[5:10]} {name[10:13]}:{name[13:15]}:{name[15:]}",
        unit=("hour", "deg"),
    )
    assert -1e-9 <= ra - back.ra.deg < 15 * 0.0101 / 3600
    assert -1e-9 <= abs(dec) - abs(back.dec.deg) < 0.101 / 3600


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "id,ra\n1,2\n", "no columns for right ascension and declination"),
        ("t.csv", "", "damaged or not a table"),
        ("t.csv", "id,ra,dec\n", "contains no galaxy"),
        ("t.csv", "id,ra,dec\n1,1,1\n1,2,2\n", "row 2: a second galaxy with the ID 1"),
        ("t.csv", "id,ra,dec\n,1,1\n", "row 1 has no ID"),
        ("t.csv", "id,ra,dec\n1.5,1,1\n", "floating-point"),
        ("t.csv", "id,ra,dec\n1,,\n", "no row has a position; the first has no position"),
        ("t.csv", "id,ra,dec,petroR90_r\n1,1,1,large\n", "'petroR90_r' is no radius"),
        ("t.fits", "SIMPLE", "damaged or not a table"),
        ("t.vot", "<VOTABLE>", "damaged or not a table"),
        ("t.parquet", "PAR1", "damaged or not a table"),
        ("t.docx", "", "unknown suffix"),
        ("t.txt", "# nothing\n", "contains no name"),
        ("t.txt", "M 51\nM 51\n", "row 2: a second galaxy"),
    ],
)
def test_what_is_no_list_of_positions_is_one_line(name, text, says, tmp_path):
    path = write(tmp_path / name, text)
    with pytest.raises(GalaxiesError, match=f"{name}: .*{says}"):
        read_positions(path, resolve=lambda names: [])


def test_a_missing_file_and_a_missing_column_are_named(tmp_path):
    with pytest.raises(GalaxiesError, match="no such table"):
        read_positions(tmp_path / "t.csv")
    path = write(tmp_path / "t.csv", "id,ra,dec\n1,1,1\n")
    with pytest.raises(GalaxiesError, match="--ra alpha: no such column; found id, ra, dec"):
        read_positions(path, Columns(ra="alpha"))


def test_long_ids_survive_parquet(tmp_path):
    pq.write_table(pa.table({"id": [2**63 - 1], "ra": [1.0], "dec": [2.0]}), tmp_path / "t.parquet")
    assert read_positions(tmp_path / "t.parquet").ids == [str(2**63 - 1)]


class Sesame(BaseHTTPRequestHandler):
    """Answers as https://vizier.cfa.harvard.edu/doc/sesame.htx shows."""

    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        name = unquote(self.path.partition("?")[2])
        lines = [f"# {name}\t#Q1", "#=S=Simbad:    1     0ms (from cache)"]
        if name == "M 51":
            lines += ["%@ 1", "%J 202.4695750 +47.1951667 = 13:29:52.69 +47:11:42.6"]
        elif name == "broken":
            self.send_error(500)
            return
        else:
            lines += ["#!Simbad: Nothing found"]
        data = "\n".join([*lines, "#====Done====", ""]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def sesame():
    Sesame.asked = []
    with HTTPServer(("127.0.0.1", 0), Sesame) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/cgi-bin/nph-sesame/"
        server.shutdown()
        thread.join()


def test_names_are_looked_up_once(sesame, tmp_path):
    cache = Cache(tmp_path / "sesame.sqlite")
    for _ in range(2):
        found = resolve_names(["M 51", "NGC 99999"], cache, Manners(), [sesame])
        assert found == [(202.469575, 47.1951667), "Sesame knows no NGC 99999"]
    # The documented form: nph-sesame[/-opt][/~SNVA]?object_name
    assert Sesame.asked == [
        "/cgi-bin/nph-sesame/SNV?M%2051",
        "/cgi-bin/nph-sesame/SNV?NGC%2099999",
        # It may be an error page that has no position; so nothing is unknown for ever.
        "/cgi-bin/nph-sesame/SNV?NGC%2099999",
    ]
    cache.close()


def test_a_list_of_names_becomes_positions(sesame, tmp_path):
    path = write(tmp_path / "names.txt", "# Whirlpool\nM 51\n\nNGC 99999\n")
    cache = Cache(tmp_path / "sesame.sqlite")
    found = read_positions(path, resolve=lambda n: resolve_names(n, cache, Manners(), [sesame]))
    cache.close()
    assert found.ids == ["M 51", "NGC 99999"]
    assert found.reasons == [None, "Sesame knows no NGC 99999"]
    assert found.carried.to_pylist()[0] == {"ra": 202.469575, "dec": 47.1951667}
    assert found.carried.to_pylist()[1] == {"ra": None, "dec": None}


@pytest.mark.parametrize("names", [["broken"], ["M 51"]])
def test_a_resolver_that_is_down_is_one_line(names, sesame, tmp_path):
    cache = Cache(tmp_path / "sesame.sqlite")
    address = sesame if names == ["broken"] else "http://127.0.0.1:9/"
    with pytest.raises(GalaxiesError, match=r"All Sesame queries failed.*run the same command"):
        resolve_names(names, cache, Manners(timeout=2), [address])
    cache.close()


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("id,RA,ra,dec", "a,10,20,5", "columns RA and ra may both be the right ascension"),
        (
            "id,RA,RAJ2000,dec",
            "a,10,10.001,5",
            r"differ in row 1 \(10 and 10.001\); choose with --ra",
        ),
        ("id,ra,ra_hours,dec", "a,10,10,5", "ra and ra_hours may both be the right ascension"),
        ("id,ra,dec,DEJ2000", "a,10,5,6", "dec and DEJ2000 .* declination.* --dec, or rename one"),
        ("id,ra,_RAJ2000,dec", "a,10,,5\nb,1,1,1", "differ in row 1"),
        ("id,ra,ra,dec", "a,10,10,5", "two columns 'ra'; rename one"),
        ("id,ra, ra,dec", "a,10,20,5", "two columns 'ra'; rename one"),
        ("id,ID,ra,dec", "a,b,10,5", "id and ID may both be the ID, but differ; choose with --id"),
        ("id,ra,dec,petroR90_r,petroRad90_r", "a,10,5,3,4", "Petrosian radius.*--radius-column"),
        ("id,ra,dec,shape_r,petroR50_r", "a,10,5,3,4", "half-light radius.*; rename one"),
    ],
)
def test_two_columns_for_one_quantity_are_an_error(header, row, said, tmp_path):
    with pytest.raises(GalaxiesError, match=said):
        read_positions(write(tmp_path / "t.csv", f"{header}\n{row}\n"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,RA,ra,dec", "a,150,150.0,5"),
        ("id,RAJ2000,_RAJ2000,dec", "a,10:00:00,150.0001,5"),
        ("id,ra,ra_hours,dec,dec_deg", "a,150,10,5,5.0"),
        ("id,ra,RA_ICRS,dec", "a,150,-210,5"),
        ("id,ra_deg,ra,dec", "a,150,,5"),
        ("id,ID,ra,dec,petroR90_r,petroR90", "a,a,150,5,3,3.01"),
    ],
)
def test_two_columns_with_the_same_values_are_one(header, row, tmp_path):
    found = read_positions(write(tmp_path / "t.csv", f"{header}\n{row}\n"))
    assert found.ids == ["a"]
    assert found.ra[0] == pytest.approx(150, abs=2e-4)
    assert found.dec[0] == 5


def test_a_column_that_is_named_needs_no_choice(tmp_path):
    path = write(tmp_path / "t.csv", "id,RA,ra,dec,Dec\na,10,20,5,6\n")
    found = read_positions(path, Columns(ra="ra", dec="Dec"))
    assert (found.ra[0], found.dec[0]) == (20, 6)


def test_coordinates_beside_other_ones_are_compared(tmp_path):
    where = SkyCoord([10.0, 20.0], [1.0, 2.0], unit="deg")
    table = Table({"id": ["a", "b"], "ra": [10.0, 21.0], "dec": [1.0, 2.0], "where": where})
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    with pytest.raises(GalaxiesError, match=r"ra and ra_icrs may both .* row 2 \(21.0 and 20.0\)"):
        read_positions(tmp_path / "t.ecsv")
