import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from typer.testing import CliRunner

from galaxies.classifying.classifier import COLUMNS
from galaxies.classifying.table_files import read_stream, write_stream
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.volunteers.audit import Audited, judge_answers, read_audit, write_sample

CLASSES = np.array(["elliptical", "spiral"])


def classes_table(path, count=300, seed=0):
    """A table as `classify` makes it: two in three decided, some images unreadable."""
    random = np.random.default_rng(seed)
    p = random.uniform(0, 1, count).astype(np.float32)
    labels = CLASSES[(p > 0.5).astype(int)]
    sure = np.maximum(p, 1 - p) > 0.667
    read = np.arange(count) % 50 != 7
    decisions = np.where(sure, labels, "ask volunteers")
    columns = {
        "galaxy_id": pa.array([str(587722952767439450 + number) for number in range(count)]),
        "p_spiral": pa.array(p, mask=~read),
        "spread": pa.array(np.zeros(count, np.float32), mask=~read),
        "label": pa.array(labels.astype(object), mask=~read),
        "decision": pa.array(decisions.astype(object), mask=~read),
        "familiar": pa.nulls(count, pa.bool_()),
        "error": pa.array(np.where(read, None, "is damaged"), pa.string()),
    }
    table = pa.table(columns, schema=COLUMNS)
    write_stream(path, COLUMNS, lambda: iter([table.slice(0, 100), table.slice(100)]))
    decided = table.to_pandas()
    return decided[read & sure].set_index("galaxy_id")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits"])
def test_a_sample_holds_what_was_decided_in_random_order(tmp_path, suffix):
    path = tmp_path / f"classes{suffix}"
    decided = classes_table(path)
    drawn, count = write_sample(path, tmp_path / "audit.csv", number=50, seed=1)
    assert (drawn, count) == (50, len(decided))
    sample = pd.read_csv(tmp_path / "audit.csv", dtype=str)
    assert list(sample.columns) == ["galaxy_id", "answer"]
    assert sample["galaxy_id"].is_unique
    assert set(sample["galaxy_id"]) <= set(decided.index)
    assert not sample["galaxy_id"].is_monotonic_increasing
    assert sample["answer"].isna().all()


def test_a_sample_depends_on_its_seed_alone(tmp_path):
    for suffix in (".parquet", ".csv"):
        classes_table(tmp_path / f"classes{suffix}")
    for seed, suffix in ((1, ".parquet"), (1, ".csv"), (2, ".csv")):
        output = tmp_path / f"audit{seed}{suffix}.csv"
        write_sample(tmp_path / f"classes{suffix}", output, number=50, seed=seed)
    first, same, other = (
        (tmp_path / f"audit{name}.csv").read_bytes() for name in ("1.parquet", "1.csv", "2.csv")
    )
    assert first == same != other


def test_all_are_drawn_where_few_are_decided_and_decisions_shown_on_demand(tmp_path):
    decided = classes_table(tmp_path / "classes.csv")
    drawn, _ = write_sample(
        tmp_path / "classes.csv", tmp_path / "a.csv", number=999, seed=1, show_decisions=True
    )
    assert drawn == len(decided)
    sample = pd.read_csv(tmp_path / "a.csv", dtype=str).set_index("galaxy_id")
    assert sample["decision"].to_dict() == decided["decision"].to_dict()


def fill_in(path, decided, wrong=0, answered=None):
    """Answer as the machine decided, but for some."""
    sample = pd.read_csv(path, dtype=str)
    answers = decided.loc[sample["galaxy_id"], "decision"].to_numpy().copy()
    answers[:wrong] = "artifact"
    sample["answer"] = answers
    if answered is not None:
        sample.loc[sample.index >= answered, "answer"] = None
    sample.to_csv(path, index=False)


def test_answers_come_back_to_their_galaxies(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=80, seed=1)
    fill_in(answers, decided, wrong=3, answered=60)
    audited = read_audit(path, answers)
    ids = pd.read_csv(answers, dtype=str)["galaxy_id"][:60]
    assert audited.p_spiral.tolist() == decided.loc[ids, "p_spiral"].tolist()
    assert audited.left_out == 0
    found = judge_answers(audited, 0.9, 0.9)
    assert (found.answered, found.agreed) == (60, 57)


@settings(max_examples=60)
@given(
    answered=st.integers(1, 400),
    share=st.floats(0, 1),
    agreement=st.sampled_from([0.9, 0.95, 0.99]),
    confidence=st.sampled_from([0.8, 0.9, 0.95]),
)
def test_bounds_are_those_of_the_binomial(answered, share, agreement, confidence):
    agreed = round(share * answered)
    p = np.full(answered, 0.99, np.float32)
    answers = (np.arange(answered) < agreed).astype(np.int64)
    found = judge_answers(Audited(p, answers, 0), agreement, confidence)
    assert found.confidence == pytest.approx(binom.cdf(agreed - 1, answered, agreement), abs=1e-9)
    # The promise holds with the confidence asked for where the bound says so, and nowhere else.
    assert (found.lower >= agreement) == (found.confidence >= confidence - 1e-12)
    assert 0 <= found.lower <= agreed / answered


def test_an_audit_finds_the_probabilities_that_keep_a_promise():
    random = np.random.default_rng(6)
    logit = random.normal(0, 3, 20_000)
    answers = (random.uniform(size=len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    # All of them look too much like spirals.
    p = (1 / (1 + np.exp(-logit - 2))).astype(np.float32)
    missed = 0
    for seed in range(60):
        some = np.random.default_rng(seed).choice(len(p), 500, replace=False)
        found = judge_answers(Audited(p[some], answers[some], 0), 0.9, 0.9)
        assert found.lower < 0.85
        assert found.bounds is not None
        elliptical, spiral = found.bounds
        assert elliptical < spiral
        assert found.kept > 0.4
        here = (p <= elliptical) | (p >= spiral)
        missed += ((p >= spiral) == (answers == 1))[here].mean() < 0.9
    assert missed <= 9


def test_answers_of_one_class_prove_no_bounds():
    p = np.full(300, 0.99, np.float32)
    assert judge_answers(Audited(p, np.ones(300, np.int64), 0), 0.9, 0.9).bounds is None


def test_what_cannot_be_read_is_said_in_one_line(tmp_path):
    path, answers = tmp_path / "classes.csv", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=20, seed=1)
    known = decided.index[0]

    def refused(text, said):
        answers.write_text(text, encoding="utf-8")
        with pytest.raises(GalaxiesError, match=said):
            read_audit(path, answers)

    refused("galaxy_id,answer\n", "no answer yet")
    refused(f"galaxy_id,answer\n{known},\n", "no answer yet")
    refused(f"galaxy_id,answer\n{known},spiralish\n", "line 2: answer 'spiralish' of galaxy")
    refused(f"galaxy_id,answer\n{known},spiral\n{known},spiral\n", "line 3: .* stands twice")
    refused("galaxy_id,answer\n17,spiral\n", "galaxy 17 is none that the machine decided")
    refused(f"galaxy_id\n{known}\n", "needs the columns galaxy_id and answer")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"text")
    for name in ("other.csv", "bad.parquet"):
        with pytest.raises(GalaxiesError, match=f"{name}: not a table with the columns galaxy_id"):
            list(read_stream(tmp_path / name, ["galaxy_id"]))
    with pytest.raises(GalaxiesError, match="no such table"):
        list(read_stream(tmp_path / "absent.csv", ["galaxy_id"]))
    with pytest.raises(GalaxiesError, match="unknown suffix"):
        list(read_stream(tmp_path / "classes.txt", ["galaxy_id"]))


def test_nothing_decided_is_nothing_to_audit(tmp_path):
    table = pd.DataFrame({"galaxy_id": ["1"], "p_spiral": [0.6], "decision": ["ask volunteers"]})
    table.to_csv(tmp_path / "classes.csv", index=False)
    with pytest.raises(GalaxiesError, match="decided none"):
        write_sample(tmp_path / "classes.csv", tmp_path / "a.csv", number=5, seed=1)


def run(*command):
    done = CliRunner().invoke(app, ["audit", *map(str, command)])
    if isinstance(done.exception, GalaxiesError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_draws_and_judges(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path, count=900)
    said = run(path, "-o", answers, "--number", 400)
    assert said.startswith(f"{answers}: 400 of {len(decided)} galaxies that the machine decided")
    assert "exists; --overwrite replaces it" in run(path, "-o", answers)
    assert "no answer yet" in run(path, "--answers", answers)
    fill_in(answers, decided)
    assert "The promise holds." in run(path, "--answers", answers)
    fill_in(answers, decided, wrong=100)
    said = run(path, "--answers", answers, "--agreement", 0.9)
    assert "400 answers, 300 agree with the machine: 0.750" in said
    assert "proven with a confidence of 0.000" in said
    assert "The promise holds." not in said
    assert "say either -o" in run(path)
    for agreement in (0.5, 1, 95):
        assert "must be between 0.5 and 1" in run(
            path, "--answers", answers, "--agreement", agreement
        )


def test_answers_left_out_on_the_way_are_warned_of(tmp_path):
    path, answers = tmp_path / "classes.csv", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=60, seed=1)
    fill_in(answers, decided)
    sample = pd.read_csv(answers, dtype=str)
    sample.loc[[4, 9], "answer"] = None
    sample.to_csv(answers, index=False)
    assert "warning: 2 galaxies before the last answer have none" in run(path, "--answers", answers)
