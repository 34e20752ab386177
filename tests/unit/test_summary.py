from galaxies.figures.table import score_table, with_interval
from galaxies.models.registry import MODELS
from tests.unit.test_dependencies import STAGES
from tests.unit.test_figures import result


def test_the_table_has_a_line_for_every_model_in_the_order_given():
    results = [result(model).scores for model in MODELS]
    heading, *lines = score_table(results).splitlines()
    assert heading.split() == ["accuracy", "(95%", "interval)", "ROC", "AUC", "ECE", "Brier"]
    for one, line in zip(results, lines, strict=True):
        assert line.startswith(one["model"])
        scores = [f"{one[name]:.3f}" for name in ("roc_auc", "ece", "brier")]
        assert line.split()[-3:] == scores
        assert with_interval(one, "accuracy") in line


def test_the_stage_that_prints_it_runs_in_a_fresh_clone_and_after_all_others():
    page = STAGES["page"]
    assert page["outs"] == ["figures/page.html"]  # not in Git, unlike all other pictures
    for stage in ("evaluate", "explain", "plot"):
        made = STAGES[stage].get("metrics", []) + STAGES[stage].get("plots", [])
        assert {path for one in made for path in one} & set(page["deps"])
