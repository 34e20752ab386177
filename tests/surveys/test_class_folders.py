"""A survey as folders of images by part and class."""

import os
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.layout import IMAGES
from galaxies.dataset.splitting import PARTS
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import CLASSES
from galaxies.settings import load_settings
from galaxies.surveys.class_folders import export_folders
from tests.conftest import ROOT, write_tiny_survey

pytestmark = pytest.mark.slow


def exported(folder):
    """Part and class of every galaxy, by the files."""
    rows = [
        (int(path.stem), path.parts[-3], path.parts[-2], path.read_bytes())
        for path in folder.rglob("*.*")
    ]
    columns = ["galaxy_id", "split", "label", "data"]
    return pd.DataFrame(rows, columns=columns).sort_values("galaxy_id", ignore_index=True)


def test_the_folders_are_the_pipelines_split(tmp_path):
    survey = write_tiny_survey(tmp_path / "data/tiny")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("survey: simulated", "survey: tiny"))
    for stage in ("pack", "split"):
        subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=tmp_path,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    pipelines = pd.read_parquet(tmp_path / "data/split.parquet")

    settings = load_settings(tmp_path / "params.yaml")
    counts = export_folders(survey, tmp_path / "out", settings, workers=2)
    files = exported(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(PARTS)
    pd.testing.assert_frame_equal(
        files[["galaxy_id", "split", "label"]],
        pipelines[["galaxy_id", "split", "label"]].astype(
            {"split": files["split"].dtype, "label": files["label"].dtype}
        ),
    )
    assert len(files) == sum(counts[f"{part}_{name}"] for part in PARTS for name in CLASSES) == 59
    with zipfile.ZipFile(survey / IMAGES) as archive:
        for row in files.itertuples():
            assert archive.read(f"images/{row.galaxy_id}.jpg") == row.data


def test_keras_reads_the_folders_with_the_classes_in_order(tiny_survey, tmp_path):
    done = CliRunner().invoke(
        app,
        f"export-folders {tiny_survey} -o {tmp_path}/out --params {ROOT}/params.yaml",
    )
    assert done.exit_code == 0, done.output
    assert f"{tmp_path}/out/validation: 3 elliptical, 3 spiral" in done.output
    import keras

    for part, images in (("train", 23), ("validation", 6), ("test", 30)):
        dataset = keras.utils.image_dataset_from_directory(
            tmp_path / "out" / part, image_size=(32, 32), shuffle=False, verbose=False
        )
        assert tuple(dataset.class_names) == CLASSES
        labels = [int(label) for _, batch in dataset for label in batch]
        assert len(labels) == images
        expected = exported(tmp_path / "out").query(f"split == '{part}'")["label"]
        assert sorted(labels) == sorted(expected.map(CLASSES.index))


def test_what_is_there_is_replaced_only_on_demand(tiny_survey, tmp_path):
    settings = load_settings(ROOT / "params.yaml")
    export_folders(tiny_survey, tmp_path / "out", settings, workers=2)
    before = exported(tmp_path / "out")
    with pytest.raises(GalaxiesError, match="out: exists; --overwrite replaces it"):
        export_folders(tiny_survey, tmp_path / "out", settings, workers=2)
    export_folders(tiny_survey, tmp_path / "out", settings, workers=2, overwrite=True)
    pd.testing.assert_frame_equal(exported(tmp_path / "out"), before)
    with pytest.raises(
        GalaxiesError, match=r"contains 'images_training_rev1\.zip', which would be"
    ):
        export_folders(tiny_survey, tiny_survey, settings, workers=2, overwrite=True)


def test_a_failure_leaves_nothing_behind(tmp_path):
    survey = write_tiny_survey(tmp_path / "tiny", galaxies=4)
    with pytest.raises(GalaxiesError, match="at least 3 are needed"):
        export_folders(survey, tmp_path / "out", load_settings(ROOT / "params.yaml"), workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
