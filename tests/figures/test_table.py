from galaxies.bundle.registry import MODELS
from galaxies.figures.table import score_table, with_interval
from tests.figures.conftest import result


def test_the_table_has_a_line_for_every_model_in_the_order_given():
    results = [result(model).scores for model in MODELS]
    heading, *lines = score_table(results).splitlines()
    assert heading.split() == ["accuracy", "(95%", "interval)", "ROC", "AUC", "ECE", "Brier"]
    for one, line in zip(results, lines, strict=True):
        assert line.startswith(one["model"])
        scores = [f"{one[name]:.3f}" for name in ("roc_auc", "ece", "brier")]
        assert line.split()[-3:] == scores
        assert with_interval(one, "accuracy") in line
