import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from galaxies.base.questions import CLASSES
from galaxies.errors import GalaxiesError
from galaxies.figures.curves import Result
from galaxies.figures.curves import curves as figures
from galaxies.figures.galleries import (
    Portrait,
    choose_galaxy,
    choose_mistakes,
    choose_samples,
    portraits,
)
from galaxies.figures.style import save_figure
from galaxies.models.registry import LINES

LARGE_ID = 587722952767439450  # beyond what a float64 can hold


@pytest.fixture
def split():
    """Ten galaxies of each class, IDs from `LARGE_ID`, the even ones in the test part."""
    count = 20
    p_features = np.linspace(0.01, 0.99, count).astype(np.float32)
    return pd.DataFrame(
        {
            "galaxy_id": LARGE_ID + np.arange(count),
            "split": ["test", "train"] * (count // 2),
            "label": [CLASSES[int(p > 0.5)] for p in p_features],
            "p_smooth": 1 - p_features,
            "p_features": p_features,
            "p_artifact": np.zeros(count, np.float32),
        }
    )


@pytest.fixture
def packed(split):
    # Stored the other way round, so that a row is not taken for a place in the split.
    ids = split["galaxy_id"].to_numpy()[::-1]
    return pd.DataFrame({"galaxy_id": ids, "row": np.arange(len(ids), dtype=np.int32)})


def predicted(split, p_spiral):
    test = split[split["split"] == "test"]
    return pd.DataFrame(
        {"galaxy_id": test["galaxy_id"], "p_spiral": np.array(p_spiral, np.float32)}
    )


def portrait(**changes):
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Portrait(image, LARGE_ID, (0.7, 0.2, 0.1), 0.25)._replace(**changes)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def result(model):
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, 60)
    names = np.array(CLASSES)
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.7, 0.5, 0.3],
            "validation_loss": [0.6, 0.4, 0.45],
            "train_accuracy": [0.5, 0.7, 0.9],
            "validation_accuracy": [0.6, 0.8, 0.75],
        }
    )
    candidates = {
        "tree": pd.DataFrame({"leaves": [9, 3, 3], "loss": [0.6, 0.5, 0.7], "accuracy": 0.8}),
        "inception": pd.DataFrame({"regularisation": [1.0, 0.1], "loss": [0.4, 0.5]}),
    }
    return Result(
        model=model,
        scores={
            "model": f"the {model}",
            "accuracy": 0.8,
            "accuracy_low": 0.7,
            "accuracy_high": 0.9,
            "roc_auc": 0.85,
            "roc_auc_low": 0.81,
            "roc_auc_high": 0.89,
            "ece": 0.02,
            "brier": 0.13,
            "triage": {
                "90%": {"decided": 0.6, "agreement": 0.92, "kept": True, "threshold": 0.8},
                "99%": {"decided": 0.0, "galaxies_left": 60},
            },
        },
        p_spiral=random.random(60, dtype=np.float32),
        confusion=pd.DataFrame({"actual": names[labels], "predicted": names[labels]}),
        roc=pd.DataFrame(
            {"false_positive_rate": [0.0, 0.2, 1.0], "true_positive_rate": [0.0, 0.8, 1.0]}
        ),
        reliability=pd.DataFrame(
            {"predicted": [0.2, 0.8], "observed": [0.25, 0.7], "galaxies": [30, 30]}
        ),
        triage=pd.DataFrame({"decided": [0.5, 1.0], "agreement": [0.95, 0.8]}),
        agreement=pd.DataFrame(
            {"agreement": [0.55, 0.95], "accuracy": [0.6, 0.9], "galaxies": [20, 40]}
        ),
        learning=candidates.get(model, epochs),
    )


def test_samples_are_spread_over_agreement_and_leave_out_the_extremes(split):
    chosen = choose_samples(split, 3)
    assert list(chosen) == list(CLASSES)
    for label, votes in (("elliptical", "p_smooth"), ("spiral", "p_features")):
        ranks = split.loc[split["label"] == label, votes].rank()
        assert ranks[chosen[label].index].tolist() == [2, 6, 9]


def test_samples_with_equal_votes_go_by_id_whatever_the_order_of_rows(split):
    hard = split.assign(p_smooth=(split["label"] == "elliptical").astype(np.float32))
    hard["p_features"] = 1 - hard["p_smooth"]
    one, other = choose_samples(hard, 4), choose_samples(hard[::-1], 4)
    for label in CLASSES:
        assert one[label]["galaxy_id"].is_monotonic_increasing
        assert one[label]["galaxy_id"].tolist() == other[label]["galaxy_id"].tolist()


def test_samples_of_a_small_class_are_all_of_it_once(split):
    chosen = choose_samples(split, 12)
    assert sorted(chosen["spiral"]["galaxy_id"]) == sorted(
        split.loc[split["label"] == "spiral", "galaxy_id"]
    )


def test_mistakes_are_the_surest_wrong_test_galaxies_of_each_class(split):
    # Test galaxies have places 0, 2, .. 18; the first five are elliptical.
    predictions = predicted(split, [0.6, 0.9, 0.1, 0.9, 0.5, 0.5, 0.8, 0.01, 0.7, 0.4])
    chosen = choose_mistakes(split, predictions, 2)
    assert (chosen["elliptical"]["galaxy_id"] - LARGE_ID).tolist() == [2, 6]
    assert (chosen["spiral"]["galaxy_id"] - LARGE_ID).tolist() == [14, 18]
    # Exactly a half counts as elliptical: a mistake for a spiral, none for an elliptical.
    chosen = choose_mistakes(split, predictions, 9)
    assert (chosen["elliptical"]["galaxy_id"] - LARGE_ID).tolist() == [2, 6, 0]
    assert (chosen["spiral"]["galaxy_id"] - LARGE_ID).tolist() == [14, 18, 10]


def test_default_galaxy_is_the_surest_right_one_and_of_equals_the_first(split, packed):
    predictions = predicted(split, [0.3, 0.2, 0.2, 0.9, 0.6, 0.1, 0.8, 0.95, 0.95, 0.4])
    chosen = [choose_galaxy(None, label, split, predictions, packed) for label in CLASSES]
    assert [galaxy_id - LARGE_ID for galaxy_id in chosen] == [2, 14]
    shuffled = predictions.sample(frac=1, random_state=3)
    assert choose_galaxy(None, "spiral", split[::-1], shuffled, packed) == LARGE_ID + 14


def test_any_galaxy_with_an_image_may_be_named(split, packed):
    predictions = predicted(split, np.full(10, 0.5))
    in_train = LARGE_ID + 1
    assert choose_galaxy(in_train, "spiral", split, predictions, packed) == in_train


def test_unknown_galaxy_is_refused_by_key_and_id(split, packed):
    predictions = predicted(split, np.full(10, 0.5))
    with pytest.raises(GalaxiesError, match=r"^explain\.spiral: .* GalaxyID 42"):
        choose_galaxy(42, "spiral", split, predictions, packed)


def test_portraits_find_the_image_votes_and_id_of_each_galaxy(split, packed):
    images = np.arange(20, dtype=np.uint8).repeat(2 * 2 * 3).reshape(20, 2, 2, 3)
    galaxies = split.iloc[[3, 0]].assign(p_spiral=[0.1, 0.2])
    third, first = portraits(galaxies, packed, images)
    assert (third.image == 16).all()
    assert (first.image == 19).all()
    assert (third.galaxy_id, first.galaxy_id) == (LARGE_ID + 3, LARGE_ID)
    assert third.votes == pytest.approx(split.loc[3, ["p_smooth", "p_features", "p_artifact"]])
    assert (third.p_spiral, first.p_spiral) == (0.1, 0.2)


def test_portrait_of_a_galaxy_outside_the_split_has_no_votes(split, packed):
    galaxies = packed[["galaxy_id"]].head(1).merge(split.iloc[:1], how="left", on="galaxy_id")
    (one,) = portraits(galaxies, packed, np.zeros((20, 2, 2, 3), np.uint8))
    assert one.votes is None
    assert one.p_spiral is None
    assert "left out of the split" in texts(figures.draw_input(one, "CNN"))


def test_galaxies_are_shown_with_exact_id_votes_and_probability():
    figure = figures.draw_mistakes({"elliptical": [portrait()], "spiral": []}, "CNN")
    shown = texts(figure)
    assert str(LARGE_ID) in shown
    assert "0.70 / 0.20 / 0.10" in shown
    assert "$p$(spiral) = 0.250" in shown
    assert "none" in shown
    assert "voted spiral, CNN says elliptical" in shown


@pytest.mark.parametrize(
    ("p", "said"), [(0.0, "< 0.001"), (0.0006, "= 0.001"), (0.9994, "= 0.999"), (1.0, "> 0.999")]
)
def test_no_probability_looks_certain(p, said):
    assert f"$p$(spiral) {said}" in texts(figures.draw_input(portrait(p_spiral=p), "CNN"))


@pytest.mark.parametrize("channels", [1, 9, 100])
def test_mosaic_has_one_panel_for_every_channel_and_hatches_silent_ones(channels):
    values = np.random.default_rng(4).random((4, 4, channels), dtype=np.float32)
    values[:, :, -1] = 0
    figure = figures.draw_layer("conv_0", "Conv2D", values, "CNN")
    panels = figure.axes[0]
    hatched = [patch for patch in panels.patches if isinstance(patch, Rectangle)]
    assert len(panels.images) == channels - 1
    assert len(hatched) == 1
    assert hatched[0].get_hatch()
    assert {str(channel) for channel in range(channels)} <= set(texts(figure))
    assert f"CNN, conv_0 (Conv2D): 4 × 4 × {channels}, 1 silent" in texts(figure)  # noqa: RUF001
    assert len({image.norm for image in panels.images}) == min(1, channels - 1)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_mosaic_of_a_layer_that_says_one_thing_everywhere_is_drawn(low, tmp_path):
    values = np.full((4, 4, 3), low, np.float32)
    save_figure(tmp_path / "a.png", figures.draw_layer("add", "Add", values, "CNN"))


def test_mosaic_of_signed_values_shows_both_signs():
    values = np.linspace(-3, 2, 4 * 4 * 2, dtype=np.float32).reshape(4, 4, 2)
    norm = figures.draw_layer("norm", "BatchNormalization", values, "CNN").axes[0].images[0].norm
    assert norm.vmin == pytest.approx(-3, abs=0.1)
    assert norm.vmax == pytest.approx(2, abs=0.1)


def test_filters_are_grey_at_zero_and_share_one_scale():
    weights = np.zeros((3, 3, 3, 2), np.float32)
    weights[0, 0, 0, 1], weights[0, 0, 2, 1] = -2, 1
    blank, bright = figures.draw_filters("conv_0", weights, "CNN").axes[0].images
    assert (blank.get_array() == 0.5).all()
    assert bright.get_array()[0, 0].tolist() == [0, 0.5, 0.75]


def test_confusion_counts_by_voted_class_and_names_the_model():
    one = result("cnn")._replace(
        confusion=pd.DataFrame(
            {
                "actual": ["elliptical"] * 4 + ["spiral"],
                "predicted": ["elliptical"] * 3 + ["spiral"] * 2,
            }
        )
    )
    figure = figures.draw_confusion(one)
    assert texts(figure) == ["3\n75.0%", "1\n25.0%", "0\n0.0%", "1\n100.0%"]
    assert figure.axes[0].get_title().startswith("the cnn\n")


def test_confusion_is_drawn_for_a_model_that_always_says_the_same():
    one = result("cnn")
    always = one.confusion.assign(predicted="elliptical")
    assert "0\n0.0%" in texts(figures.draw_confusion(one._replace(confusion=always)))


def test_a_model_looks_the_same_in_every_figure():
    results = [result(model) for model in LINES]

    def looks(figure):
        return {
            line.get_label().split(":")[0].split(",")[0]: (line.get_color(), line.get_linestyle())
            for line in figure.axes[0].lines
            if line.get_label().startswith("the ")
        }

    together = looks(figures.draw_roc(results))
    assert together == looks(figures.draw_reliability(results))
    for one in results:
        assert looks(figures.draw_roc([one])) == {one.title: together[one.title]}
    assert len(set(together.values())) == len(LINES)


def test_learning_marks_the_epoch_and_the_candidate_with_the_least_validation_loss():
    axes = figures.draw_learning([result(model) for model in LINES]).axes
    rings = [
        [line.get_xydata().tolist() for line in ax.lines if line.get_mec() == "black"]
        for ax in axes
    ]
    assert rings[:4] == [[[[2, 0.4]]], [[[2, 0.4]]], [[[2, 0.8]]], [[[2, 0.8]]]]
    assert rings[4:] == [[[[3, 0.5]]], [[[1, 0.4]]]]
    assert [ax.get_title() for ax in axes] == [
        "the mlp",
        "the cnn",
        "",
        "",
        "the tree",
        "the inception",
    ]


def test_triage_marks_the_thresholds_that_decide_something():
    axes = figures.draw_triage([result("cnn")]).axes[0]
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert marks == [[[0.6, 0.92]]]
    assert [line.get_ydata()[0] for line in axes.lines[:2]] == [0.9, 0.99]


def every_figure():
    results = [result(model) for model in LINES]
    shown = {label: [portrait(), portrait(votes=None)] for label in CLASSES}
    values = np.random.default_rng(5).random((4, 4, 5), dtype=np.float32)
    weights = np.random.default_rng(6).normal(size=(3, 3, 3, 5)).astype(np.float32)
    return {
        "samples": figures.draw_samples(shown),
        "mistakes": figures.draw_mistakes(shown, "CNN"),
        "input": figures.draw_input(portrait(), "CNN"),
        "layer": figures.draw_layer("conv_0", "Conv2D", values, "CNN"),
        "filters": figures.draw_filters("conv_0", weights, "CNN"),
        "attention": figures.draw_attention(
            {label: (portrait(), values[:, :, 0]) for label in CLASSES}, "conv_0", "CNN"
        ),
        "confusion": figures.draw_confusion(results[0]),
        "roc": figures.draw_roc(results),
        "reliability": figures.draw_reliability(results),
        "triage": figures.draw_triage(results),
        "agreement": figures.draw_agreement(results),
        "learning": figures.draw_learning(results),
    }


def test_every_figure_is_one_column_wide_readable_and_the_same_bytes_again(tmp_path):
    for name, figure in every_figure().items():
        save_figure(tmp_path / "one" / f"{name}.png", figure)
    for name, figure in every_figure().items():
        save_figure(tmp_path / "two" / f"{name}.png", figure)
        first = (tmp_path / "one" / f"{name}.png").read_bytes()
        assert first == (tmp_path / "two" / f"{name}.png").read_bytes(), name
        assert b"matplotlib" not in first, name
        with Image.open(tmp_path / "one" / f"{name}.png") as image:
            assert image.width == 680, name
        sizes = [text.get_fontsize() for text in figure.findobj(match=is_text)]
        assert min(sizes) >= 7, name


def is_text(artist):
    return hasattr(artist, "get_fontsize") and bool(artist.get_text())


def test_figures_need_neither_keras_nor_global_state():
    code = (
        "import sys, galaxies.figures\n"
        "print([m for m in ('keras', 'tensorflow', 'matplotlib.pyplot') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_failed_save_leaves_the_earlier_figure(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"earlier")

    class Broken(Figure):
        def savefig(self, *_args, **_options):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_figure(path, Broken())
    assert path.read_bytes() == b"earlier"
    assert [found.name for found in tmp_path.iterdir()] == ["a.png"]
