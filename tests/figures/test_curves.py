import numpy as np
import pandas as pd
import pytest

from galaxies.bundle.registry import MODELS
from galaxies.figures.curves import (
    draw_agreement,
    draw_confusion,
    draw_learning,
    draw_reliability,
    draw_roc,
    draw_triage,
)
from tests.figures.conftest import result, texts


def test_confusion_counts_by_voted_class_and_names_the_model():
    one = result("cnn")._replace(
        confusion=pd.DataFrame(
            {
                "actual": ["elliptical"] * 4 + ["spiral"],
                "predicted": ["elliptical"] * 3 + ["spiral"] * 2,
            }
        )
    )
    figure = draw_confusion(one)
    assert texts(figure) == ["3\n75.0%", "1\n25.0%", "0\n0.0%", "1\n100.0%"]
    assert figure.axes[0].get_title().startswith("the cnn\n")


def test_confusion_is_drawn_for_a_model_that_always_says_the_same():
    one = result("cnn")
    always = one.confusion.assign(predicted="elliptical")
    assert "0\n0.0%" in texts(draw_confusion(one._replace(confusion=always)))


def test_a_model_looks_the_same_in_every_figure():
    results = [result(model) for model in MODELS]

    def looks(figure):
        return {
            line.get_label().split(":")[0].split(",")[0]: (line.get_color(), line.get_linestyle())
            for line in figure.axes[0].lines
            if line.get_label().startswith("the ")
        }

    together = looks(draw_roc(results))
    assert together == looks(draw_reliability(results))
    for one in results:
        assert looks(draw_roc([one])) == {one.title: together[one.title]}
    assert len(set(together.values())) == len(MODELS)


def test_learning_marks_the_epoch_and_the_candidate_with_the_least_validation_loss():
    axes = draw_learning([result(model) for model in MODELS]).axes
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
    axes = draw_triage([result("cnn")]).axes[0]
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert marks == [[[0.6, 0.92]]]
    assert [line.get_ydata()[0] for line in axes.lines[:2]] == [0.9, 0.99]


def test_triage_distinguishes_kept_missed_and_undetermined_promises():
    for verdict, marker, inside in (
        ("kept", "o", "#0072B2"), ("missed", "X", "#0072B2"), ("undetermined", "o", "white")
    ):  # fmt: skip
        one = result("cnn")
        one.scores["triage"]["90%"]["verdict"] = verdict
        figure = draw_triage([one])
        mark = figure.axes[0].lines[-1]
        assert (mark.get_marker(), mark.get_markerfacecolor()) == (marker, inside)
        assert "90%" in texts(figure)
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert words[1:] == [
            "promise, beside its target:",
            "kept",
            "missed",
            "too few galaxies to tell",
        ]


def test_triage_shows_a_curve_that_rises_but_not_the_noise_of_the_first_galaxies():
    rising = pd.DataFrame({"decided": [0.01, 0.4, 1.0], "agreement": [0.2, 0.7, 0.8]})
    axes = draw_triage([result("cnn")._replace(triage=rising)]).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(0.68)


def test_agreement_has_intervals_and_no_bin_of_a_few_galaxies():
    bins = pd.DataFrame(
        {
            "agreement": [0.35, 0.45, 0.55, 0.95],
            "accuracy": [0.0, 0.5, 0.8, 1.0],
            "galaxies": [4, 36, 60, 20],
        }
    )
    axes, strip = draw_agreement([result("cnn")._replace(agreement=bins)]).axes
    [[marks, _, [bars]]] = axes.containers
    assert marks.get_xydata() == pytest.approx(np.array([[0.44, 0.45], [0.65, 0.85]]))
    # The interval of Wilson for 18 of 40, and for 68 of 80.
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [
        pytest.approx([0.3071, 0.6017], abs=2e-4),
        pytest.approx([0.7559, 0.9120], abs=2e-4),
    ]
    assert [text.get_text() for text in strip.texts] == ["40", "80"]


def test_learning_says_how_a_network_starts():
    results = [result(model) for model in MODELS]
    starts = {"cnn": "starts trained (simulated)"}
    assert "starts trained (simulated)" in texts(draw_learning(results, starts))
