from galaxies.figures import LINES
from galaxies.summary import score_table
from tests.unit.test_dependencies import STAGES
from tests.unit.test_figures import result


def test_the_table_has_a_line_for_every_model_in_the_order_given():
    results = [result(model) for model in LINES]
    heading, *lines = score_table(results).splitlines()
    assert heading.split() == ["accuracy", "(95%", "interval)", "ROC", "AUC", "ECE", "Brier"]
    for one, line in zip(results, lines, strict=True):
        assert line.startswith(one.title)
        scores = [f"{one.scores[name]:.3f}" for name in ("roc_auc", "ece", "brier")]
        assert line.split()[-3:] == scores
        assert one.with_interval("accuracy") in line


def test_the_stage_that_prints_it_comes_last():
    # DVC runs stages that do not need each other in the order of dvc.yaml.
    assert list(STAGES)[-1] == "plot"
