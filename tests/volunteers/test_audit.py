import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from typer.testing import CliRunner

from galaxies.classifying.classifier import COLUMNS
from galaxies.classifying.provenance import AGREEMENT, BUNDLE, CAMPAIGN, THRESHOLD
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import VOTED
from galaxies.tables.writing import write_table
from galaxies.volunteers.audit import CHOOSING, judge_answers
from galaxies.volunteers.classes import fingerprint, read_columns
from galaxies.volunteers.manifest import MANIFEST_COLUMNS, read_manifest
from galaxies.volunteers.samples import Audited, read_audit, read_survey_audit, write_sample
from galaxies.volunteers.subjects import ask
from galaxies.volunteers.survey import count_votes, galaxy_number
from tests.conftest import draw_galaxy, encode
from tests.volunteers.zooniverse import ANSWERS as ANSWER_MAP
from tests.volunteers.zooniverse import T0, classification, write_export

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
    schema = COLUMNS.with_metadata({AGREEMENT: "0.9", CAMPAIGN: "gz1"})
    table = pa.table(columns, schema=schema)
    write_table(path, schema, lambda: iter([table.slice(0, 100), table.slice(100)]))
    decided = table.to_pandas()
    return decided[read & sure].set_index("galaxy_id")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits"])
def test_a_sample_holds_what_was_decided_in_random_order(tmp_path, suffix):
    path = tmp_path / f"classes{suffix}"
    decided = classes_table(path)
    target = 0.95 if suffix == ".csv" else None  # CSV tables cannot record theirs
    drawn, count = write_sample(
        path, tmp_path / "audit.csv", number=50, seed=1, agreement=target, confidence=0.8
    )
    assert (drawn, count) == (50, len(decided))
    sample = pd.read_csv(tmp_path / "audit.csv", dtype=str)
    assert list(sample.columns) == [
        "galaxy_id", "answer", "place", "drawn", "decided", "agreement", "confidence", "judged",
        "campaign", "table", "sample",
    ]  # fmt: skip
    assert sample["place"].tolist() == [str(place) for place in range(1, 51)]
    told = sample.loc[0, "decided":"table"].tolist()
    campaign = "unknown" if target else "gz1"
    assert told == [
        str(len(decided)), f"{target or 0.9}", "0.8", "any time", campaign, fingerprint(path)
    ]  # fmt: skip
    assert (sample.loc[:, "decided":"table"] == told).all(axis=None)
    assert (sample["drawn"] == "50").all()
    assert (sample["sample"] == sample.loc[0, "sample"]).all()
    assert sample["galaxy_id"].is_unique
    assert set(sample["galaxy_id"]) <= set(decided.index)
    assert not sample["galaxy_id"].is_monotonic_increasing
    assert sample["answer"].isna().all()


def test_a_sample_depends_on_its_seed_alone(tmp_path):
    for suffix in (".parquet", ".csv"):
        classes_table(tmp_path / f"classes{suffix}")
    for seed, suffix in ((1, ".parquet"), (1, ".csv"), (2, ".csv")):
        output = tmp_path / f"audit{seed}{suffix}.csv"
        write_sample(tmp_path / f"classes{suffix}", output, number=50, seed=seed, agreement=0.9)
    first, same, other = (
        pd.read_csv(tmp_path / f"audit{name}.csv")["galaxy_id"].tolist()
        for name in ("1.parquet", "1.csv", "2.csv")
    )
    assert first == same != other


def test_all_are_drawn_where_few_are_decided_and_decisions_shown_on_demand(tmp_path):
    decided = classes_table(tmp_path / "classes.csv")
    drawn, _ = write_sample(
        tmp_path / "classes.csv",
        tmp_path / "a.csv",
        number=999,
        seed=1,
        agreement=0.9,
        show_decisions=True,
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
def test_a_sample_that_is_judged_once_has_the_bounds_of_the_binomial(
    answered, share, agreement, confidence
):
    agreed = round(share * answered)
    p = np.full(answered, 0.99, np.float32)
    answers = (np.arange(answered) < agreed).astype(np.int64)
    found = judge_answers(Audited(p, answers, p, once=True), agreement, confidence)
    chance = binom.sf(agreed - 1, answered, agreement)
    # Two thirds of the error are for the statement about all.
    assert found.confidence == pytest.approx(max(0, 1 - 1.5 * chance), abs=1e-9)
    assert found.holds == (found.lower >= agreement)
    if abs(found.confidence - confidence) > 1e-9:
        assert found.holds == (found.confidence > confidence)
    assert 0 <= found.lower <= agreed / answered


@settings(max_examples=60)
@given(
    answered=st.integers(1, 300),
    share=st.floats(0.5, 1),
    agreement=st.sampled_from([0.9, 0.95, 0.99]),
    seed=st.integers(0, 99),
)
def test_what_is_proven_once_stays_proven(answered, share, agreement, seed):
    answers = (np.random.default_rng(seed).random(300) < share).astype(np.int64)
    p = np.full(300, 0.99, np.float32)
    decided = np.full(5000, 0.99, np.float32)
    early = judge_answers(Audited(p[:answered], answers[:answered], decided), agreement, 0.9)
    late = judge_answers(Audited(p, answers, decided), agreement, 0.9)
    assert late.lower >= early.lower
    assert late.confidence >= early.confidence
    assert early.holds == (early.lower >= agreement)


def biased(count=20_000, seed=6):
    """Galaxies that look too much like spirals, and their answers."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 3, count)
    answers = (random.uniform(size=count) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return (1 / (1 + np.exp(-logit - 2))).astype(np.float32), answers


def test_an_audit_finds_the_probabilities_that_keep_a_promise():
    p, answers = biased()
    missed = restored = 0
    for seed in range(60):
        some = np.random.default_rng(seed).choice(len(p), 500, replace=False)
        found = judge_answers(Audited(p[some], answers[some], p), 0.9, 0.9)
        assert found.lower < 0.85
        if found.bounds is None:
            continue
        restored += 1
        elliptical, spiral = found.bounds
        assert elliptical < spiral
        here = (p <= elliptical) | (p >= spiral)
        assert found.kept == here.mean() > 0.1
        missed += ((p >= spiral) == (answers == 1))[here].mean() < 0.9
    assert restored > 45
    assert missed <= 3


def test_the_first_answers_choose_bounds_and_never_prove_them():
    p, answers = biased(2000)
    first = judge_answers(Audited(p[:CHOOSING], answers[:CHOOSING], p), 0.8, 0.5)
    assert first.bounds is None
    # Later answers that contradict them leave nothing.
    wrong = answers.copy()
    wrong[CHOOSING:] = (p[CHOOSING:] <= 0.5).astype(np.int64)
    assert judge_answers(Audited(p[:600], wrong[:600], p), 0.8, 0.5).bounds is None
    assert judge_answers(Audited(p[:600], answers[:600], p), 0.8, 0.5).bounds is not None


@pytest.mark.parametrize("once", [False, True])
def test_what_is_kept_has_the_class_that_the_bounds_give(once):
    """A machine that calls all spirals is right about half; with other bounds, about all."""
    random = np.random.default_rng(5)
    p = random.permutation(np.repeat(np.array([0.6, 0.95], np.float32), 1000))
    answers = (p > 0.9).astype(np.int64)
    found = judge_answers(Audited(p[:400], answers[:400], p, once=once), 0.95, 0.9)
    assert found.agreed == answers[:400].sum()
    assert not found.holds
    elliptical, spiral = found.bounds
    assert 0.6 <= elliptical < spiral <= 0.95  # equally certain galaxies are kept together
    assert found.kept == 1
    # Where people call those of 0.6 spirals, the class of the bounds is what is judged.
    split = np.where(p > 0.9, 1, random.random(2000) < 0.5).astype(np.int64)
    found = judge_answers(Audited(p[:400], split[:400], p, once=once), 0.95, 0.9)
    assert found.bounds is None or not (p <= found.bounds[0]).any()


def test_a_target_of_all_is_proven_where_hardly_any_is_left():
    p = np.full(120, 0.9, np.float32)
    for answered, holds in ((120, True), (119, True), (60, False)):
        # One that differs would be among 60 of 120 with a probability of a half only.
        audited = Audited(p[:answered], np.ones(answered, np.int64), p)
        assert judge_answers(audited, 1.0, 0.9).holds == holds


def test_answers_of_one_class_prove_no_bounds():
    p = np.full(300, 0.99, np.float32)
    assert judge_answers(Audited(p, np.ones(300, np.int64), p), 0.9, 0.9).bounds is None


def test_what_cannot_be_read_is_said_in_one_line(tmp_path):
    path, answers = tmp_path / "classes.csv", tmp_path / "audit.csv"
    decided = classes_table(path)
    with pytest.raises(GalaxiesError, match="does not record its target agreement"):
        write_sample(path, answers, number=20, seed=1)
    write_sample(path, answers, number=1, seed=1, agreement=0.9)
    head, first = answers.read_text().splitlines()
    known, _, _, told = first.split(",", 3)
    assert known in decided.index
    write_sample(path, answers, number=20, seed=1, agreement=0.9)
    whole = answers.read_text()
    second = whole.splitlines()[2]

    def refused(text, said):
        answers.write_text(text, encoding="utf-8")
        with pytest.raises(GalaxiesError, match=said) as caught:
            read_audit(path, answers)
        assert "\n" not in str(caught.value)

    refused(f"{head}\n", "empty")
    refused(f"{head}\n{first}\n", "no answers yet")
    refused(f"{head}\n{known},spiralish,1,{told}\n", "line 2: answer 'spiralish' of galaxy")
    refused(f"{head}\n\n{known},spiralish,1,{told}\n", "line 3: answer 'spiralish' of galaxy")
    refused(
        f"{head}\n{known},spiral,1,{told}\n{known},spiral,2,{told}\n", "line 3: .* occurs twice"
    )
    refused(
        f"{head}\n17,spiral,1,{told}\n", "a galaxy_id, place, .* is not as galaxies audit wrote"
    )
    refused(f"galaxy_id,answer\n{known},spiral\n", "no column 'place'; keep all columns")
    refused(f"{head}\n{known},spiral,first,{told}\n", "line 2: place, agreement and confidence")
    other = second.replace(",0.9,0.9,", ",0.8,0.9,")
    refused(f"{head}\n{first}\n{other}\n", "line 3: from another sample than line 2")
    refused(whole.replace(",2,20,", ",1,20,"), "lines 2 and 3: both have the place 1; keep")
    for change in ((",0.9,0.9,", ",0.6,0.9,"), (",0.9,0.9,", ",0.9,0.1,"), ("58772", " 58772")):
        refused(whole.replace(*change), "is not as galaxies audit wrote it; draw the sample again")
    refused(whole.replace("any time", "once"), "is not as galaxies audit wrote it")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"text")
    for name in ("other.csv", "bad.parquet"):
        with pytest.raises(GalaxiesError, match=f"{name}: .*not a (table from|Parquet)"):
            list(read_columns(tmp_path / name, ["galaxy_id"]))
    with pytest.raises(GalaxiesError, match="no such table"):
        list(read_columns(tmp_path / "absent.csv", ["galaxy_id"]))
    (tmp_path / "classes.txt").write_bytes(b"")
    with pytest.raises(GalaxiesError, match="unknown suffix"):
        list(read_columns(tmp_path / "classes.txt", ["galaxy_id"]))


def test_nothing_decided_is_nothing_to_audit(tmp_path):
    table = pd.DataFrame({"galaxy_id": ["1"], "p_spiral": [0.6], "decision": ["ask volunteers"]})
    table.to_csv(tmp_path / "classes.csv", index=False)
    with pytest.raises(GalaxiesError, match="decided none"):
        write_sample(tmp_path / "classes.csv", tmp_path / "a.csv", number=5, seed=1)


def test_a_sample_certifies_no_other_table(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=20, seed=1)
    fill_in(answers, decided)
    assert len(read_audit(path, answers).answers) == 20
    other = tmp_path / "other.parquet"
    classes_table(other, seed=1)
    with pytest.raises(GalaxiesError, match=r"was drawn from another table than .*other\.parquet"):
        read_audit(other, answers)


def test_answers_may_come_back_in_another_order(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=40, seed=1)
    fill_in(answers, decided, wrong=5)
    drawn = read_audit(path, answers)
    pd.read_csv(answers, dtype=str).sort_values("galaxy_id").to_csv(answers, index=False)
    again = read_audit(path, answers)
    assert all(np.array_equal(one, two) for one, two in zip(drawn, again, strict=True))


def test_a_sample_that_is_judged_once_waits_for_all_answers(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=40, seed=1, once=True)
    fill_in(answers, decided, answered=39)
    with pytest.raises(GalaxiesError, match="39 of 40 galaxies have an answer"):
        read_audit(path, answers)
    fill_in(answers, decided)
    assert read_audit(path, answers).once
    assert "--once belongs to -o" in run(path, "--answers", answers, "--once")


@pytest.mark.parametrize("once", [False, True])
def test_rows_cannot_be_removed_from_a_sample(tmp_path, once):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=20, seed=1, once=once)
    fill_in(answers, decided, wrong=3)
    head, *lines = answers.read_text().splitlines()
    for kept, lacking in ((lines[3:], 1), (lines[:4] + lines[5:], 5), (lines[:-1], 20)):
        answers.write_text("\n".join([head, *kept]))
        with pytest.raises(
            GalaxiesError, match=f"the galaxy with place {lacking} of 20 is missing"
        ):
            read_audit(path, answers)


def test_ids_that_differ_by_a_space_are_two_galaxies(tmp_path):
    path, answers = tmp_path / "classes.parquet", tmp_path / "audit.csv"
    columns = {
        "galaxy_id": [" 5", "5"],
        "p_spiral": [0.99, 0.01],
        "decision": ["spiral", "elliptical"],
    }
    table = pa.table(columns).replace_schema_metadata({AGREEMENT: "0.9"})
    write_table(path, table.schema, lambda: iter([table]))
    write_sample(path, answers, number=2, seed=0)
    sample = pd.read_csv(answers, dtype=str)
    sample["answer"] = np.where(sample["galaxy_id"] == " 5", "spiral", "elliptical")
    sample.to_csv(answers, index=False)
    audited = read_audit(path, answers)
    assert ((audited.p_spiral > 0.5) == audited.answers).all()
    folder = write_manifest(tmp_path / "subjects", [(" 5", "audit")], path)
    assert [subject.galaxy_id for subject in read_manifest(folder)] == [" 5"]


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
    assert "no answers yet" in run(path, "--answers", answers)
    fill_in(answers, decided)
    assert "The promise holds." in run(path, "--answers", answers)
    fill_in(answers, decided, wrong=100)
    said = run(path, "--answers", answers, "--agreement", 0.9, "--confidence", 0.9)
    assert "400 answers; 300 agree with the machine: 0.750" in said
    assert "proven with a confidence of 0.000" in said
    assert "The promise holds." not in said
    assert "--agreement 0.95: the sample was drawn for 0.9" in run(
        path, "--answers", answers, "--agreement", 0.95
    )
    assert "--confidence 0.8: the sample was drawn for 0.9" in run(
        path, "--answers", answers, "--confidence", 0.8
    )
    either = "give -o to draw a sample, or --answers"
    assert either in run(path)
    assert either in run(path, "--answers", answers, "--survey", tmp_path)
    for agreement in (0.5, 1, 95):
        assert "must be between 0.5 and 1" in run(
            path, "--answers", answers, "--agreement", agreement
        )


def test_answers_left_out_on_the_way_are_warned_of(tmp_path):
    path, answers = tmp_path / "classes.csv", tmp_path / "audit.csv"
    decided = classes_table(path)
    write_sample(path, answers, number=60, seed=1, agreement=0.9)
    fill_in(answers, decided)
    sample = pd.read_csv(answers, dtype=str)
    sample.loc[[4, 9], "answer"] = None
    sample.to_csv(answers, index=False)
    assert "warning: 2 galaxies before the last answer have no answer" in run(
        path, "--answers", answers
    )


def write_manifest(folder, rows, classes):
    """A folder as `galaxies ask` makes it: rows of a galaxy's ID and how it was chosen."""
    folder.mkdir()
    told = (fingerprint(classes), 3, "unknown", "unknown")
    table = pd.DataFrame([("1.jpg", one, 0.9, 1, "c2a1", how, *told) for one, how in rows])
    table.to_csv(folder / "manifest.csv", index=False, header=list(MANIFEST_COLUMNS))
    return folder


def write_votes(folder, answers):
    """A survey in which everybody gives a galaxy the same answer."""
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame([[galaxy_number(name), *(np.arange(3) == VOTED.index(answer)).astype(int)]
                          for name, answer in answers.items()])  # fmt: skip
    table.columns = ["GalaxyID", "Class1.1", "Class1.2", "Class1.3"]
    table.to_csv(folder / "training_solutions_rev1.csv", index=False)
    counts = table.rename(columns={"GalaxyID": "galaxy_id"}).assign(name=list(answers))
    counts.to_parquet(folder / "answers.parquet")
    return folder


def test_from_subjects_through_votes_to_a_judgement(tmp_path):
    path, images = tmp_path / "classes.parquet", tmp_path / "images"
    decided = classes_table(path)
    images.mkdir()
    picture = encode(draw_galaxy(np.random.default_rng(3), True, side=32))
    for galaxy_id in pd.concat(read_columns(path, ["galaxy_id"]))["galaxy_id"]:
        (images / f"{galaxy_id}.jpg").write_bytes(picture)
    options = {"number": 50, "choose": "uncertain", "audit_share": 0.8, "seed": 1}
    ask(path, [str(images)], tmp_path / "subjects", **options)
    manifest = pd.read_csv(tmp_path / "subjects/manifest.csv", dtype=str)
    drawn = manifest.loc[manifest["#chosen"] == "audit", "#galaxy_id"].tolist()
    assert len(drawn) == 40
    said = {**decided["decision"]} | dict.fromkeys(drawn[:3], "artifact")
    # Those left to people have votes, too, which count for nothing here; one drawn has none.
    rows = [
        classification(number, "anna", name, {"T0": T0[VOTED.index(said.get(name, "spiral"))]})
        for number, name in enumerate(manifest["#galaxy_id"])
        if name != drawn[-1]
    ]
    (tmp_path / "answers.yaml").write_text(ANSWER_MAP, encoding="utf-8")
    count_votes(
        write_export(tmp_path / "export.csv", rows),
        tmp_path / "answers.yaml",
        [tmp_path / "subjects"],
        tmp_path / "mine",
    )
    audited = read_survey_audit(path, tmp_path / "mine", [tmp_path / "subjects"])
    assert sorted(audited.p_spiral) == sorted(decided.loc[drawn[:-1], "p_spiral"])
    assert (audited.answers == VOTED.index("artifact")).sum() == 3
    assert audited.left_out == 1
    said = run(path, "--survey", tmp_path / "mine", "--subjects", tmp_path / "subjects")
    assert "warning: 1 galaxies of the audit have no votes" in said
    assert "39 answers; 36 agree with the machine" in said


def test_votes_on_several_batches_and_on_galaxies_with_names_count_together(tmp_path):
    path = tmp_path / "classes.csv"
    pd.DataFrame(
        {"galaxy_id": ["J1+2", "8", "9"], "p_spiral": [0.9, 0.9, 0.1],
         "decision": ["spiral", "spiral", "elliptical"]}
    ).to_csv(path, index=False)  # fmt: skip
    first = write_manifest(tmp_path / "one", [("J1+2", "audit")], path)
    second = write_manifest(tmp_path / "two", [("J1+2", "audit"), ("9", "audit")], path)
    survey = write_votes(tmp_path / "mine", {"J1+2": "spiral", "9": "spiral", "8": "spiral"})
    audited = read_survey_audit(path, survey, [first, second])
    assert audited.p_spiral.tolist() == pytest.approx([0.1, 0.9])  # in an order by their names
    assert audited.answers.tolist() == [1, 1]
    assert len(audited.decided) == 3
    assert audited.left_out == 0


def test_votes_that_cannot_judge_are_refused_in_one_line(tmp_path):
    path = tmp_path / "classes.parquet"
    decided = classes_table(path)
    known = decided.index[0]
    survey = write_votes(tmp_path / "mine", {known: "spiral", "17": "spiral"})

    def refused(said, *rows, votes=survey):
        folder = tmp_path / f"subjects{len(list(tmp_path.iterdir()))}"
        with pytest.raises(GalaxiesError, match=said) as caught:
            read_survey_audit(path, votes, [write_manifest(folder, rows, path)])
        assert "\n" not in str(caught.value)

    refused("no galaxy was drawn for an audit", (known, "uncertain"), ("17", "random"))
    refused("has no votes on the 1 galaxies", ("19", "audit"))
    refused("galaxy 17 is not one that the machine decided", ("17", "audit"))
    refused("line 2: cut off or damaged", (known, ""))
    refused("gone: no such folder", (known, "audit"), votes=tmp_path / "gone")
    hard = tmp_path / "mine/training_solutions_rev1.csv"
    hard.write_text(f"GalaxyID,Class6.1,Class6.2\n{known},0,1\n", encoding="utf-8")
    refused("no column 'Class1.1'", (known, "audit"))
    with pytest.raises(GalaxiesError, match=r"manifest.csv: no such file"):
        read_survey_audit(path, survey, [survey])
    for options in (["--survey", survey], ["--answers", "a.csv", "--subjects", survey]):
        assert "--survey and --subjects must be given together" in run(path, *options)


def test_votes_on_a_galaxy_whose_name_is_the_same_number_are_not_its_votes(tmp_path):
    path = tmp_path / "classes.csv"
    pd.DataFrame(
        {"galaxy_id": ["007", "7"], "p_spiral": [0.9, 0.1], "decision": ["spiral", "elliptical"]}
    ).to_csv(path, index=False)
    subjects = [write_manifest(tmp_path / "subjects", [("007", "audit")], path)]
    survey = write_votes(tmp_path / "mine", {"7": "elliptical"})
    with pytest.raises(GalaxiesError, match="has no votes on the 1 galaxies"):
        read_survey_audit(path, survey, subjects)
    survey = write_votes(tmp_path / "mine", {"007": "spiral"})
    assert read_survey_audit(path, survey, subjects).answers.tolist() == [1]
    (survey / "answers.parquet").unlink()
    with pytest.raises(GalaxiesError, match=r"answers.parquet: .* did not make this survey"):
        read_survey_audit(path, survey, subjects)


def test_subjects_of_another_bundle_are_refused(tmp_path):
    path = tmp_path / "classes.parquet"
    table = pa.table(
        {"galaxy_id": ["7"], "p_spiral": [0.9], "spread": [0.0], "decision": ["spiral"]}
    ).replace_schema_metadata({BUNDLE: "ab" * 32})
    write_table(path, table.schema, lambda: iter([table]))
    survey = write_votes(tmp_path / "mine", {"7": "spiral"})
    subjects = write_manifest(tmp_path / "subjects", [("7", "audit")], path)
    with pytest.raises(GalaxiesError, match=r"line 2: another bundle than .* \(c2a1… and "):
        read_survey_audit(path, survey, [subjects])


def test_a_galaxy_that_occurs_twice_is_refused_before_people_answer(tmp_path):
    rows = [("7", "spiral"), ("8", "spiral"), ("7", "ask volunteers")]
    table = pd.DataFrame(rows, columns=["galaxy_id", "decision"]).assign(p_spiral=0.99)
    table.to_csv(tmp_path / "classes.csv", index=False)
    expected = "galaxy_id '7' occurs twice, in rows 1 and 3; give each galaxy its own"
    with pytest.raises(GalaxiesError, match=expected):
        write_sample(tmp_path / "classes.csv", tmp_path / "a.csv", number=5, seed=1, agreement=0.9)
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("decision", "p", "said"),
    [
        ("elliptical", 0.99, "row 2: decision is 'elliptical', but p_spiral is 0.99"),
        ("spiral", 0.3, "row 2: decision is 'spiral', but p_spiral is 0.3"),
        ("spiral", None, "row 2: decision is 'spiral', but p_spiral is nan"),
        ("spiral", 1.5, "row 2: .*p_spiral is 1.5"),
        ("artifact", 0.99, "row 2: decision is 'artifact'"),
        ("spiral", 0.85, r"row 2: .*p_spiral is 0.8\d*, less certain than its threshold of 0.9"),
    ],
)
def test_tables_with_edited_rows_are_neither_audited_nor_asked_about(tmp_path, decision, p, said):
    path = tmp_path / "classes.parquet"
    columns = {
        "galaxy_id": ["7", "8", "9", "10"],
        "p_spiral": pa.array([0.95, p, None, 0.5], pa.float32()),
        "spread": pa.array([0.1] * 4, pa.float32()),
        "decision": ["spiral", decision, None, "ask volunteers"],
    }
    table = pa.table(columns).replace_schema_metadata({AGREEMENT: "0.9", THRESHOLD: "0.9"})
    write_table(path, table.schema, lambda: iter([table]))
    with pytest.raises(GalaxiesError, match=said):
        write_sample(path, tmp_path / "a.csv", number=5, seed=1)
    options = {"number": 50, "choose": "uncertain", "audit_share": 0.8, "seed": 1}
    with pytest.raises(GalaxiesError, match="row 2: "):
        ask(path, [str(write_picture(tmp_path / "images"))], tmp_path / "subjects", **options)


def write_picture(folder):
    folder.mkdir()
    picture = encode(draw_galaxy(np.random.default_rng(3), True, side=32))
    (folder / "7.jpg").write_bytes(picture)
    return folder


def test_a_table_that_decides_nothing_has_no_decisions(tmp_path):
    path = tmp_path / "classes.parquet"
    columns = {"galaxy_id": ["7"], "p_spiral": [0.9], "decision": ["spiral"]}
    table = pa.table(columns).replace_schema_metadata({AGREEMENT: "0.9", THRESHOLD: "none"})
    write_table(path, table.schema, lambda: iter([table]))
    with pytest.raises(GalaxiesError, match=r"row 1: .* though the table decides nothing"):
        write_sample(path, tmp_path / "a.csv", number=5, seed=1)
