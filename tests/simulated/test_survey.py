"""The simulated survey: its layout, its repeatability and its physics."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from galaxies.dataset.votes import read_answers, read_votes
from galaxies.errors import GalaxiesError
from galaxies.images.colour import colour_image, grey_level
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.settings import SimulateSettings
from galaxies.simulated.camera import FRAME, cut_out, draw_bands, nanomaggies
from galaxies.simulated.components import COMPONENTS, component_light, read_components
from galaxies.simulated.population import draw_galaxy, draw_target, petrosian_r90
from galaxies.simulated.survey import draw_cutout, draw_scene, galaxy_ids, simulate_survey
from galaxies.surveys.check import check_survey

pytestmark = pytest.mark.slow

SETTINGS = SimulateSettings(
    galaxies=30, seed=3, faintest=17.0, artifacts=0.006, votes_least=40, votes_most=50
)
FILES = (
    "images_training_rev1.zip",
    "training_solutions_rev1.csv",
    "answers.parquet",
    "components.npz",
    "truth.parquet",
)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "simulated"
    simulate_survey(folder, SETTINGS, workers=1)
    return folder


def test_the_number_of_workers_changes_no_byte(survey: Path, tmp_path: Path) -> None:
    simulate_survey(tmp_path / "again", SETTINGS, workers=2)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (survey / name).read_bytes(), name


def test_another_seed_gives_another_survey() -> None:
    one, other = (draw_cutout(0, SETTINGS.model_copy(update={"seed": seed})) for seed in (3, 4))
    assert one.jpeg != other.jpeg


def test_a_larger_survey_begins_with_the_same_galaxies() -> None:
    small, large = (draw_cutout(2, SETTINGS.model_copy(update={"galaxies": n})) for n in (30, 300))
    assert small.jpeg == large.jpeg


def test_only_these_files_are_left(survey: Path) -> None:
    assert sorted(path.name for path in survey.iterdir()) == sorted([*FILES, "survey.yaml"])


def test_the_images_are_in_the_layout_of_the_challenge(survey: Path) -> None:
    ids = pd.read_csv(survey / FILES[1])["GalaxyID"]
    with zipfile.ZipFile(survey / FILES[0]) as archive:
        members = archive.infolist()
        assert [m.filename for m in members] == [f"images_training_rev1/{i}.jpg" for i in ids]
        for member in members:
            assert member.compress_type == zipfile.ZIP_STORED
            image = Image.open(io.BytesIO(archive.read(member)))
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (FRAME, FRAME))
            # Real ones have 9 to 20 kB.
            assert 5_000 < member.file_size < 40_000


def by_column(answers: pd.DataFrame) -> pd.DataFrame:
    return answers.rename(columns=dict(zip(Layout((GZ2,)).columns, GZ2.columns, strict=True)))


def test_the_votes_are_fractions_of_those_who_were_asked(survey: Path) -> None:
    assert (survey / "survey.yaml").read_text() == "campaign: gz2\n"
    shares = by_column(read_answers(survey / FILES[1]))
    assert list(pd.read_csv(survey / FILES[1], nrows=1).columns) == ["GalaxyID", *GZ2.columns]
    counts = pd.read_parquet(survey / "answers.parquet")
    assert list(counts.columns) == ["galaxy_id", *GZ2.columns]
    assert (counts["galaxy_id"] == shares["galaxy_id"]).all()
    people = pd.read_parquet(survey / "truth.parquet")["votes"]
    assert people.between(40, 50).all()
    assert (counts[list(GZ2.first.columns)].sum(axis=1) == people).all()
    # Nobody drops out before the end, and those who took it for an artifact are not asked more.
    asked = people - counts["Class1.3"]
    assert (counts[list(GZ2.question("odd").columns)].sum(axis=1) == asked).all()
    for column in ("Class1.2", "Class3.1", "Class11.2", "Class9.3"):
        np.testing.assert_allclose(shares[column] * people, counts[column], atol=1e-4)
    np.testing.assert_allclose(shares["Class8.6"] * asked, counts["Class8.6"], atol=1e-4)


def test_answers_add_up_to_their_parents_share_to_a_millionth(survey: Path) -> None:
    table = pd.read_csv(survey / FILES[1])[list(GZ2.columns)].to_numpy()
    assert np.nanmax(GZ2.tree_errors(table)) < 1e-7
    assert not any(asked.broken for asked in check_survey(survey).questions)
    assert len(check_survey(survey).questions) == 11


def test_a_frame_that_all_took_for_an_artifact_leaves_what_follows_blank(tmp_path: Path) -> None:
    few = SETTINGS.model_copy(update={"artifacts": 1.0, "votes_least": 1, "votes_most": 1})
    simulate_survey(tmp_path / "few", few, workers=1)
    shares = by_column(read_answers(tmp_path / "few" / FILES[1]))
    spoilt = shares["Class1.3"] == 1
    assert spoilt.any()
    assert not spoilt.all()
    for column in ("Class6.1", "Class6.2", "Class8.6"):
        assert (shares[column].isna() == spoilt).all()
    assert (shares.loc[spoilt, ["Class2.1", "Class9.1", "Class11.1"]] == 0).all(axis=None)
    assert len(read_votes(tmp_path / "few" / FILES[1])) == 30


def test_the_light_of_the_components_is_that_of_the_image(survey: Path) -> None:
    ids = pd.read_csv(survey / FILES[1])["GalaxyID"]
    with zipfile.ZipFile(survey / FILES[0]) as archive:
        for galaxy_id in ids[:6]:
            layers = read_components(survey / "components.npz", galaxy_id)
            assert tuple(layers) == COMPONENTS
            assert all(layer.shape == (64, 64) for layer in layers.values())
            light = component_light(np.stack(list(layers.values()))).sum(axis=0)
            image = Image.open(io.BytesIO(archive.read(f"images_training_rev1/{galaxy_id}.jpg")))
            middle = image.crop((106, 106, 318, 318)).resize((64, 64), Image.Resampling.BOX)
            seen = np.asarray(middle, dtype=np.float64)[..., 1]
            assert np.corrcoef(grey_level(light).ravel(), seen.ravel())[0, 1] > 0.9


def test_the_components_are_small_and_refused_where_they_are_missing(survey: Path) -> None:
    path = survey / "components.npz"
    assert path.stat().st_size < 0.5 * (survey / FILES[0]).stat().st_size
    with pytest.raises(GalaxiesError, match="no components of GalaxyID 7"):
        read_components(path, 7)
    with pytest.raises(GalaxiesError, match="cannot be read"):
        read_components(survey / "none.npz", 7)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK"])
def test_damaged_components_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "components.npz"
    path.write_bytes(content)
    with pytest.raises(GalaxiesError, match=r"components\.npz: damaged; simulate the survey again"):
        read_components(path, 7)


def test_the_truth_has_a_row_per_image(survey: Path) -> None:
    truth = pd.read_parquet(survey / "truth.parquet")
    assert list(truth["galaxy_id"]) == list(pd.read_csv(survey / FILES[1])["GalaxyID"])
    assert (truth["petrosian_r90"] > 3.0).all()
    assert (truth["r_magnitude"] <= 17.0).all()
    assert set(truth["kind"]) <= {"elliptical", "lenticular", "spiral", "irregular"}


@pytest.mark.parametrize("galaxies", [30, 61_578])
def test_identifiers_are_unique_and_have_six_digits(galaxies: int) -> None:
    ids = galaxy_ids(SETTINGS.model_copy(update={"galaxies": galaxies}))
    assert len(np.unique(ids)) == galaxies
    assert ids.min() >= 100_000
    assert ids.max() <= 999_999


def test_artifacts_get_most_artifact_votes_and_are_as_frequent_as_asked() -> None:
    settings = SETTINGS.model_copy(update={"artifacts": 1.0})
    for place in range(6):
        cutout = draw_cutout(place, settings)
        assert cutout.truth["artifact"] != "none"
        assert cutout.votes[GZ2.first.places].argmax() == 2
    clean = SETTINGS.model_copy(update={"artifacts": 0.0})
    assert draw_cutout(0, clean).truth["artifact"] == "none"


@pytest.mark.parametrize(
    "wrong",
    [
        {"galaxies": 0},
        {"galaxies": 900_001},
        {"galaxies": 1.5},
        {"seed": -1},
        {"artifacts": 1.1},
        {"faintest": 20.0},
        {"votes_least": 51},
        {"colour": "red"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SimulateSettings.model_validate(SETTINGS.model_dump() | wrong)


def test_the_population_overlaps_in_colour_but_not_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    galaxies = [draw_galaxy(rng, 17.0) for _ in range(600)]
    colour = {
        kind: np.array(
            [
                g.bulge_fraction * g.bulge_g_r + g.disk_fraction * g.disk_g_r
                for g in galaxies
                if g.kind == kind
            ]
        )
        for kind in ("elliptical", "spiral")
    }
    assert colour["elliptical"].mean() > colour["spiral"].mean() + 0.1
    assert np.quantile(colour["spiral"], 0.9) > np.quantile(colour["elliptical"], 0.2)


def test_the_petrosian_radius_of_an_elliptical_grows_with_its_size_and_the_seeing() -> None:
    rng = np.random.default_rng(1)
    galaxy = next(g for g in iter(lambda: draw_galaxy(rng, 17.0), None) if g.kind == "elliptical")
    sharp, blurred = petrosian_r90(galaxy, 0.5), petrosian_r90(galaxy, 2.5)
    assert galaxy.half_light_radius * 1.5 < sharp < blurred < galaxy.half_light_radius * 5


def test_the_frame_follows_the_petrosian_radius_and_holds_the_galaxy() -> None:
    rng = np.random.default_rng(5)
    bands = draw_bands(rng)
    galaxy = draw_target(rng, 16.0, bands[1].fwhm)
    scene, _ = draw_scene(galaxy, bands, 1.0, rng)
    light = scene.bands
    size = light.shape[-1]
    assert light.shape == (3, size, size)
    assert set(COMPONENTS) == set(scene.layers)
    assert size * 0.396 == pytest.approx(FRAME * 0.02 * galaxy.petrosian_r90, abs=0.5)
    x = np.arange(size) - (size - 1) / 2
    inside = np.hypot(*np.meshgrid(x, x)) * 0.396 < 2 * galaxy.petrosian_r90
    assert light[1][inside].sum() > 0.7 * nanomaggies(galaxy.r_magnitude)


def test_the_colour_image_is_black_for_dark_sky_and_white_for_a_bright_star() -> None:
    light = np.zeros((3, 4, 4))
    light[:, 1, 2] = 1e5
    light[:, 3, 3] = [0.1, 0.3, 0.6]
    image = colour_image(light)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [0, 0, 0]
    assert image[1, 2].tolist() == [255, 255, 255]
    red, green, blue = image[3, 3].astype(int)
    assert red > green > blue
    assert (np.diff(grey_level(np.geomspace(1e-3, 1e3, 50))) > 0).all()


def test_a_cut_out_is_a_jpeg_of_the_frame_s_size() -> None:
    image = Image.open(io.BytesIO(cut_out(np.zeros((90, 90, 3), dtype=np.uint8))))
    assert image.size == (FRAME, FRAME)
