from galaxies.bundle.registry import MODELS
from galaxies.figures.table import promise_table, score_table, with_interval
from tests.figures.conftest import result


def test_the_table_has_a_line_for_every_model_in_the_order_given():
    results = [result(model).scores for model in MODELS]
    heading, *lines = score_table(results).splitlines()
    assert heading.split() == [
        "accuracy",
        "(95%",
        "interval)",
        "ROC",
        "AUC",
        "ECE",
        "by",
        "chance",
        "Brier",
    ]
    for one, line in zip(results, lines, strict=True):
        assert line.startswith(one["model"])
        scores = [f"{one[name]:.3f}" for name in ("roc_auc", "ece", "ece_by_chance", "brier")]
        assert line.split()[-4:] == scores
        assert with_interval(one, "accuracy") in line


def test_all_promises_are_shown_also_those_that_were_not_made():
    results = [result(model).scores for model in MODELS]
    heading, *lines = promise_table(results).splitlines()
    assert heading.split()[:2] == ["target", "decided"]
    assert len(lines) == 2 * len(results)
    assert lines[0].split()[-1] == "kept"
    assert "0.920 (0.910–0.930)" in lines[0]  # noqa: RUF001
    assert lines[1].endswith("not made")
