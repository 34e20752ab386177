"""Votes: counting exports, what they mean, and the survey that they make."""

import csv
import json
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from galaxies.cli import app, main
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.questions.gz2 import GZ2
from galaxies.surveys.check import check_survey
from galaxies.surveys.merge import merge_surveys
from galaxies.volunteers.answers import EXAMPLE, plain_words, read_answer_maps
from galaxies.volunteers.export import read_export
from galaxies.volunteers.manifest import MANIFEST_COLUMNS, Subject
from galaxies.volunteers.survey import count_votes, galaxy_number
from tests.conftest import draw_galaxy, encode, write_tiny_survey
from tests.volunteers.zooniverse import (
    ANSWERS,
    HEADER,
    PICTURE,
    T0,
    T1,
    classification,
    simulated_rows,
    write_export,
)

SMOOTH, FEATURES = {"T0": "Smooth", "T1": "In between"}, {"T0": "Features or disk"}
ROWS = [
    classification(1, "anna", "7", SMOOTH),
    classification(2, "bert", "7", FEATURES),
    classification(3, "-0a0b", "7", SMOOTH),
    classification(4, "anna", "8", FEATURES),
]
KNOWN = {
    one: [Subject(one, Path(f"{one}.jpg"), 1, 2, "c2a1", "uncertain", "t1", "0.9")] for one in "789"
}


def write_subjects(folder, ids, table="", seed=3):
    """A folder as `galaxies ask` makes it."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for place, galaxy_id in enumerate(ids):
            name = f"{place}.jpg"
            (folder / name).write_bytes(encode(draw_galaxy(random, place % 2 == 0, side=32)))
            writer.writerow([name, galaxy_id, "0.5", "1", "c2a1", "uncertain", table])
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder with subjects and answers."""
    write_subjects(tmp_path / "subjects", ["7", "8", "9"])
    (tmp_path / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    return tmp_path


def count(place, rows=ROWS, **options):
    if not isinstance(rows, bytes):
        write_export(place / "export.csv", rows)
    else:
        (place / "export.csv").write_bytes(rows)
    export, answers = place / "export.csv", place / "answers.yaml"
    return count_votes(export, answers, [place / "subjects"], place / "mine", **options)


def shares(place):
    return pd.read_csv(place / "mine/training_solutions_rev1.csv").set_index("GalaxyID")


def test_shares_and_counts_stand_in_kaggles_layout(place):
    made = count(place)
    assert (made.galaxies, made.classifications, made.votes.people) == (2, 4, 3)
    assert made.say_left_out() == []
    found = shares(place)
    assert list(found.columns) == [
        "Class1.1", "Class1.2", "Class1.3", "Class7.1", "Class7.2", "Class7.3"
    ]  # fmt: skip
    assert found.loc[7].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0, 2 / 3, 0], abs=1e-8)
    assert found.loc[8].tolist() == [0, 1, 0, 0, 0, 0]
    counts = pd.read_parquet(place / "mine/answers.parquet")
    assert counts.to_numpy().tolist() == [[7, 2, 1, 0, 0, 2, 0], [8, 0, 1, 0, 0, 0, 0]]
    assert set(counts.dtypes[1:]) == {np.dtype(np.int32)}
    assert read_votes(place / "mine/training_solutions_rev1.csv")["galaxy_id"].tolist() == [7, 8]
    with zipfile.ZipFile(place / "mine/images_training_rev1.zip") as archive:
        assert archive.namelist() == [f"images_training_rev1/{n}.jpg" for n in (7, 8)]
        assert archive.read("images_training_rev1/8.jpg") == (place / "subjects/1.jpg").read_bytes()


def test_the_first_answer_of_each_volunteer_counts_whatever_the_order(place):
    again = [
        classification(50, "anna", "7", FEATURES),
        classification(51, "-0a0b", "7", FEATURES),
        classification(52, "-0c0d", "7", FEATURES),
        ROWS[0],  # the same row twice
    ]
    made = count(place, [*again, *ROWS[::-1]])
    assert made.votes.repeated == 3
    assert shares(place)["Class1.1"].tolist() == [0.5, 0]
    assert "3 further answers of one volunteer" in "\n".join(made.say_left_out())


def of_table(row, table):
    """The same row, of a subject set made from a table."""
    [(subject, about)] = json.loads(row["subject_data"]).items()
    return row | {"subject_data": json.dumps({subject: about | {"#table": table}})}


def test_two_subject_sets_with_equal_ids_are_kept_apart(place):
    own = write_subjects(place / "night1", ["7", "8"], "aaaa")
    write_subjects(place / "night2", ["7", "9"], "bbbb", seed=4)
    rows = [of_table(row, "aaaa") for row in ROWS]
    others = [classification(20 + n, f"v{n}", "7", FEATURES) for n in range(30)]
    rows += [of_table(row, "bbbb") for row in others]
    write_export(place / "export.csv", rows)
    export, answers, mine = place / "export.csv", place / "answers.yaml", place / "mine"
    made = count_votes(export, answers, [own], mine)
    assert shares(place)["Class1.1"].tolist() == pytest.approx([2 / 3, 0])
    assert "30 rows of galaxies with the same ID in another subject set" in made.say_left_out()[0]
    with pytest.raises(GalaxiesError, match=r"galaxy '7' is another picture in .*night1 than in "):
        count_votes(export, answers, [own, place / "night2"], mine, overwrite=True)
    # The same folder twice is one folder, and the same picture twice one galaxy.
    write_subjects(place / "again", ["7", "8"], "bbbb")
    made = count_votes(export, answers, [own, own, place / "again"], mine, overwrite=True)
    assert made.classifications == 34


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gold_standard": "true"}, "of the project's team, to test volunteers"),
        ({"gold_standard": "True"}, "of the project's team, to test volunteers"),
        ({"metadata": json.dumps({"live_project": False})}, "from before the project was live"),
        ({"metadata": '{"live_project": "false"}'}, "from before the project was live"),
        ({"metadata": '{"live_project": 0}'}, "from before the project was live"),
    ],
)
def test_rows_that_are_no_votes_of_volunteers_do_not_count(place, changes, said):
    rows = [classification(30 + n, f"v{n}", "7", FEATURES, **changes) for n in range(9)]
    made = count(place, [*rows, *ROWS])
    assert made.classifications == 4
    assert f"9 rows {said}" in made.say_left_out()[0]
    assert shares(place)["Class1.1"].tolist() == pytest.approx([2 / 3, 0])


@pytest.mark.parametrize(
    "changes",
    [
        {"gold_standard": "false"},
        {"gold_standard": ""},
        {"metadata": json.dumps({"live_project": True})},
        {"metadata": "no JSON"},
        {"metadata": "[]"},
    ],
)
def test_rows_that_look_similar_count(place, changes):
    made = count(place, [row | changes for row in ROWS])
    assert (made.classifications, made.say_left_out()) == (4, [])


def test_a_person_in_two_windows_counts_once_also_without_login(place):
    home = "feed5"
    rows = [
        classification(10, "anna", "7", SMOOTH, user_ip=home),
        classification(11, "anna", "7", FEATURES, user_ip="ca11"),
        classification(12, f"-{home}", "7", FEATURES),
        classification(13, f"-{home}", "7", FEATURES, user_ip=""),
        # Another galaxy, and other addresses.
        classification(14, f"-{home}", "8", FEATURES),
        classification(15, "-0a0b", "7", FEATURES),
        # Two accounts at one address are two people.
        classification(16, "bert", "7", SMOOTH, user_ip=home),
    ]
    made = count(place, rows)
    assert made.votes.repeated == 3
    assert shares(place)["Class1.1"].tolist() == pytest.approx([2 / 3, 0])


def test_votes_are_the_same_however_many_are_sorted_at_once(place, monkeypatch):
    random = np.random.default_rng(4)
    rows = [
        classification(number, f"v{random.integers(5)}", str(galaxy), {"T0": random.choice(T0)})
        for number, galaxy in enumerate(random.choice([7, 8, 9], 60))
    ]
    at_once = count(place, rows).votes
    monkeypatch.setattr("galaxies.volunteers.export._SORTED_AT_ONCE", 20)
    one_by_one = count(place, rows, overwrite=True).votes
    assert at_once.counts.tolist() == one_by_one.counts.tolist()
    assert at_once.volunteers.tolist() == one_by_one.volunteers.tolist()
    assert at_once.repeated == one_by_one.repeated > 0


@given(
    st.lists(
        st.tuples(
            st.integers(1, 50),
            st.sampled_from(["anna", "bert", "-0a", "-0b"]),
            st.sampled_from("789x"),
            st.sampled_from(T0),
            st.sampled_from([None, *T1]),
        ),
        min_size=1,
    ),
)
def test_counts_are_those_of_counting_by_hand(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("votes")
    (folder / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    rows = [
        classification(number, person, galaxy, {"T0": first, "T1": second})
        for number, person, galaxy, first, second in drawn
    ]
    path = write_export(folder / "export.csv", rows)
    maps = read_answer_maps(folder / "answers.yaml")
    if all(galaxy == "x" for _, _, galaxy, _, _ in drawn):
        with pytest.raises(GalaxiesError, match="no classification can be counted"):
            read_export(path, maps, KNOWN, "answers.yaml")
        return
    votes = read_export(path, maps, KNOWN, "answers.yaml")
    firsts = {}
    for _, person, galaxy, first, second in sorted(drawn, key=lambda row: row[0]):
        if galaxy != "x":
            firsts.setdefault((galaxy, person), (first, second))
    by_hand = defaultdict(lambda: dict.fromkeys(GZ2.columns, 0))
    for (galaxy, _), (first, second) in firsts.items():
        by_hand[galaxy][f"Class1.{T0.index(first) + 1}"] += 1
        if second:
            by_hand[galaxy][f"Class7.{T1.index(second) + 1}"] += 1
    found = {
        galaxy: dict(zip(GZ2.columns, row.tolist(), strict=True))
        for galaxy, row in zip(votes.galaxies, votes.counts, strict=True)
    }
    assert found == by_hand
    assert votes.repeated == sum(row[2] != "x" for row in drawn) - len(firsts)
    assert votes.volunteers.sum() == len(firsts)


def test_a_round_trip_brings_the_votes_back(tmp_path, tree_bundle, tiny_survey):
    """classify, ask, what made-up volunteers would answer, votes, check, merge."""
    images, classes = tiny_survey / "images_training_rev1.zip", tmp_path / "classes.parquet"
    run = CliRunner().invoke
    done = run(app, ["classify", str(images), "-o", str(classes), "--model", str(tree_bundle)])
    assert done.exit_code == 0, done.output
    for batch in (1, 2):
        command = ["ask", str(classes), str(images), "-o", str(tmp_path / f"batch{batch}")]
        command += ["--number", "20", "--audit-share", "0.5"]
        command += ["--earlier", str(tmp_path / "batch1")] if batch == 2 else []
        done = run(app, command)
        assert done.exit_code == 0, done.output
    random = np.random.default_rng(2)
    ids = [
        row["#galaxy_id"]
        for batch in (1, 2)
        for row in csv.DictReader((tmp_path / f"batch{batch}/manifest.csv").read_text().split())
    ]
    galaxies = len(ids)
    assert len(set(ids)) == galaxies > 25
    counts = {}
    for galaxy_id in ids:
        first = random.multinomial(40, [0.5, 0.45, 0.05]).tolist()
        shapes = random.multinomial(first[0], [0.2, 0.5, 0.3]).tolist()
        columns = [f"Class1.{n}" for n in (1, 2, 3)] + [f"Class7.{n}" for n in (1, 2, 3)]
        counts[galaxy_id] = dict(zip(columns, first + shapes, strict=True))
    export = write_export(tmp_path / "export.csv", simulated_rows(counts, random))
    (tmp_path / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    command = ["votes", str(export), "--answers", str(tmp_path / "answers.yaml")]
    command += ["--subjects", str(tmp_path / "batch1"), "--subjects", str(tmp_path / "batch2")]
    done = run(app, [*command, "-o", str(tmp_path / "mine")])
    assert done.exit_code == 0, done.output
    said = f"mine: {galaxies} galaxies, {40 * galaxies:,} classifications of 200 volunteers"
    assert said in done.output
    table = pd.read_parquet(tmp_path / "mine/answers.parquet").set_index("galaxy_id")
    assert table.to_dict("index") == {int(one): given for one, given in counts.items()}
    report = check_survey(tmp_path / "mine")
    assert (report.images, report.common) == (galaxies, galaxies)
    assert [(asked.question.number, asked.broken) for asked in report.questions] == [(1, 0), (7, 0)]
    with (
        zipfile.ZipFile(images) as before,
        zipfile.ZipFile(tmp_path / "mine/images_training_rev1.zip") as after,
    ):
        for galaxy_id in ids:
            name = f"images_training_rev1/{galaxy_id}.jpg"
            assert after.read(name) == before.read(f"images/{galaxy_id}.jpg")
    other = write_tiny_survey(tmp_path / "other", galaxies=8)
    with pytest.raises(GalaxiesError, match="is in"):
        merge_surveys([tmp_path / "mine", other], tmp_path / "both")


def test_the_same_export_makes_the_same_bytes_and_only_if_asked(place):
    def files():
        return {path.name: path.read_bytes() for path in (place / "mine").iterdir()}

    count(place)
    before = files()
    with pytest.raises(GalaxiesError, match="--overwrite"):
        count(place)
    count(place, ROWS[::-1], overwrite=True)
    assert files() == before


def test_shares_of_all_questions_go_down_the_tree(place):
    labels = {column: f"{column} words" for column in GZ2.columns}
    tasks = defaultdict(dict)
    for column, label in labels.items():
        tasks[f"T{column[5:].partition('.')[0]}"][label] = column
    (place / "answers.yaml").write_text(json.dumps(tasks), encoding="utf-8")
    random = np.random.default_rng(6)
    rows = []
    for number in range(60):
        said = {task: str(random.choice(list(answers))) for task, answers in tasks.items()}
        rows.append(classification(number, f"v{number}", "7", said))
    count(place, rows)
    table = shares(place)
    assert list(table.columns) == list(GZ2.columns)
    assert GZ2.tree_errors(table.to_numpy()).max() < 1e-7


# What the answers mean.


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (PICTURE + "Smooth", "Smooth"),
        ("  Features \n or  disk ", "Features or disk"),
        ("![a](b)", "![a](b)"),  # nothing else tells it from others
        ("Smooth ![a](b)![c](d)", "Smooth"),
    ],
)
def test_answers_are_compared_as_volunteers_see_them(written, seen):
    assert plain_words(written) == seen


def test_the_example_is_a_map(tmp_path):
    done = CliRunner().invoke(app, ["votes", "--example"])
    assert done.exit_code == 0
    assert done.output == EXAMPLE
    (tmp_path / "answers.yaml").write_text(done.output, encoding="utf-8")
    (found,) = read_answer_maps(tmp_path / "answers.yaml")
    assert found.workflow == "6122"
    assert found.versions == ("28", "29.3")
    assert found.tasks["T0"]["Features or Disk"] == "Class1.2"
    assert found.tasks["T1"]["I cannot tell"] is None
    assert [found.takes(version) for version in ("28.1", "29.3", "29.4", "2")] == [
        True, True, False, False
    ]  # fmt: skip


def test_versions_may_mean_other_things(place):
    (place / "answers.yaml").write_text(
        "versions: ['28']\nT0: {Yes: Class1.1, No: Class1.2}\n---\n"
        "versions: [29.10, 30]\nT0: {Yes: Class1.2, No: Class1.1, Bad: Class1.3, Odd: null}\n"
    )
    rows = [
        classification(1, "anna", "7", {"T0": "Yes"}),
        classification(2, "bert", "7", {"T0": "Yes"}, workflow_version="29.10"),
        classification(3, "cleo", "7", {"T0": "Bad"}, workflow_version="30.2"),
        classification(4, "dora", "7", {"T0": "Odd"}, workflow_version="30.2"),
        classification(5, "emma", "7", {"T0": "Yes"}, workflow_version="31.1"),
        classification(6, "fred", "7", {"T0": "Yes"}, workflow_version="29.1"),
    ]
    made = count(place, rows)
    assert shares(place).loc[7].tolist() == pytest.approx([1 / 3] * 3, abs=1e-8)
    assert made.say_left_out() == [
        "  left out          2 rows of another version of the workflow (first in line 6)"
    ]


def test_several_answers_menus_and_combined_tasks_are_read(place):
    (place / "answers.yaml").write_text(
        "T0: {Smooth: Class1.1}\nT6: {Odd: Class6.1, Fine: Class6.2}\n"
        "T8: {Ring: Class8.1, Merger: Class8.6, Other: Class8.1}\n"
    )
    combined = [
        {"task": "T6", "value": {"select_label": "Odd?", "value": "a1", "label": "Odd"}},
        {"task": "T8", "value": ["Ring", "Merger", "Other"]},
    ]
    rows = [
        classification(1, "anna", "7", {"T0": "Smooth", "T9": combined, "T5": "Free text"}),
        classification(2, "bert", "7", {"T0": "Smooth", "T6": "Fine", "T8": []}),
        classification(3, "cleo", "7", {"T0": "Smooth", "T6": None}),
    ]
    made = count(place, rows)
    counts = pd.read_parquet(place / "mine/answers.parquet").loc[0]
    assert counts["Class1.1"] == 3
    assert counts[["Class6.1", "Class6.2", "Class8.1", "Class8.6"]].tolist() == [1, 1, 1, 1]
    assert made.say_left_out() == ["  task 'T5' is not in the map; it was answered 1 time"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no answer is mapped to a column; see galaxies votes --example"),
        ("T0: [", "not YAML"),
        ("- T0", "must contain tasks"),
        ("T0: Smooth", "T0: must contain answers"),
        (
            "T0: {Smooth: Class1.4}",
            r"T0.Smooth: 'Class1.4' is not one of Kaggle's columns, from Class1.1 to Class11.6",
        ),
        ("T0: {Smooth: [Class1.1]}", "T0.Smooth: .* is not one of"),
        ("Smooth: {T0: Class1.1}", "Smooth: unknown key; tasks have names such as T0"),
        ("T0: {Smooth: Class1.1, Smooth: Class1.2}", "Smooth: occurs twice .* line 1"),
        ("T0: {Smooth: Class1.1, ' Smooth': Class1.2}", "the same answer has two columns"),
        ("T0: {Smooth: Class1.1}\nT0: {Smooth: Class1.1}", "T0: occurs twice"),
        ("workflow: mine\nT0: {A: Class1.1}", "workflow: must be a number, got 'mine'"),
        ("versions: all\nT0: {A: Class1.1}", "versions: must be like 28 or 28.30"),
        ("T0: {Round: Class7.1}", r"question 7 is asked after the answer Class1.1, which no task"),
    ],
)
def test_maps_that_cannot_be_used_are_refused(place, text, said):
    (place / "answers.yaml").write_text(text)
    with pytest.raises(GalaxiesError, match=said) as caught:
        count(place)
    assert str(place / "answers.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


# What is broken.


def test_broken_rows_are_counted_and_named(place):
    two = json.loads(ROWS[0]["subject_data"]) | {"9": {"#galaxy_id": "8"}}
    bad = [
        {"annotations": ROWS[0]["annotations"][:40]},
        {"annotations": "{}"},
        {"annotations": "[1]"},
        {"annotations": "[" * 100_000},
        {"annotations": '[{"task": "T0", "value": ' * 200 + "[]" + "}]" * 200},
        {"annotations": '[{"task": "T0", "value": [["Smooth"]]}]'},
        {"annotations": '[{"task": "T0", "value": "unknown answer label"}]'},
        {"annotations": '[{"task": "T0", "value": "Smooth"}, {"task": "T0", "value": "Else"}]'},
        {"subject_data": "", "subject_ids": "77"},
        {"subject_data": json.dumps(two), "subject_ids": "1;9"},
        {"classification_id": ""},
        {"classification_id": "9" * 30},
        {"workflow_id": "Galaxies"},
        {"user_name": "", "user_id": "", "user_ip": ""},
    ]
    other = [
        {"subject_data": '{"5": {"retired": null}}', "subject_ids": "5"},
        {"subject_data": '{"6": {"#galaxy_id": "999"}}', "subject_ids": "6"},
        {"workflow_id": "1"},
    ]
    made = count(place, ROWS + [ROWS[1] | change for change in bad + other])
    assert shares(place)["Class1.1"].tolist() == pytest.approx([2 / 3, 0])
    tallies = made.votes.broken
    assert tallies["whose annotations are not JSON"] == (2, 6)
    assert tallies["whose annotations are not a list of tasks"] == (4, 7)
    assert tallies["without the number of a classification"] == (2, 16)
    assert sum(tally.rows for tally in tallies.values()) == len(bad)
    assert {tally.line for tally in tallies.values()} < set(range(6, 20))
    assert sorted(tally.line for tally in made.votes.left_out.values()) == [20, 21, 22]
    assert "         2 rows whose annotations are not JSON (first in line 6)" in "\n".join(
        made.say_left_out()
    )


def test_a_line_that_is_cut_off_spoils_no_other(place):
    path = write_export(place / "export.csv", ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    cut = lines[2][: len(lines[2]) // 2] + b"\n"
    spoilt = [*lines, cut, b"1,2,3\n", b"\n", b'7,"\xff"\n', lines[1]]
    made = count(place, b"".join(spoilt))
    assert made.classifications == 4
    assert made.votes.repeated == 1
    assert made.votes.broken == {
        "a broken line": (1, 6),
        "with too few or too many fields": (1, 7),
        "not UTF-8": (1, 9),
    }


def test_a_byte_order_mark_and_windows_lines_do_not_matter(place):
    data = write_export(place / "export.csv", ROWS).read_bytes()
    made = count(place, b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert (made.galaxies, made.votes.broken) == (2, {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (
            b"subject_id,annotations\n1,[]\n",
            "no column 'classification_id'; give Zooniverse's class",
        ),
        (",".join([*HEADER, "user_id"]).encode() + b"\n", "column 'user_id' twice"),
        (";".join(HEADER).encode() + b"\n", "no column 'classification_id'"),
        ("\ufeff".encode("utf-16") + ",".join(HEADER).encode("utf-16"), "not a CSV table in UTF-8"),
        (",".join(HEADER).encode() + b"\n", "no classification can be counted; give the export"),
        (b"PK\x03\x04\xff\xfe", "not a CSV table in UTF-8"),
    ],
)
def test_files_that_are_no_export_are_refused(place, content, said):
    with pytest.raises(GalaxiesError, match=said) as caught:
        count(place, content)
    assert "\n" not in str(caught.value)


def test_an_export_of_another_workflow_is_refused(place):
    rows = [row | {"workflow_id": "12"} for row in ROWS]
    with pytest.raises(GalaxiesError, match=r"of workflow 6122; it contains 12 \(4 rows\)"):
        count(place, rows)
    (place / "answers.yaml").write_text(ANSWERS.replace("workflow: 6122\n", ""))
    with pytest.raises(GalaxiesError, match=r"several workflows: 12 \(4 rows\), 6122 \(4 rows\)"):
        count(place, rows + ROWS)
    count(place, rows)
    assert shares(place).index.tolist() == [7, 8]


def test_answers_that_the_map_does_not_know_are_refused(place):
    odd = [
        classification(11, "kurt", "7", {"T0": "Smooth", "T1": "Roundish"}),
        classification(12, "lena", "8", {"T0": "A disk"}),
        classification(13, "lena", "9", {"T0": "A disk"}),
    ]
    with pytest.raises(
        GalaxiesError,
        match=r"line 6: T1: 'Roundish' \(1 rows\) is not in .*answers.yaml, "
        "and 1 more answers; add it with its column, or with null",
    ):
        count(place, ROWS + odd)
    assert not (place / "mine").exists()


def test_subjects_that_are_gone_are_named(place):
    count(place)
    (place / "subjects/1.jpg").unlink()
    with pytest.raises(
        GalaxiesError, match=r"manifest.csv: line 3: 1.jpg is missing; copy it back"
    ):
        count(place, overwrite=True)
    assert shares(place).index.tolist() == [7, 8]  # the survey that was there is kept
    (place / "subjects/1.jpg").write_bytes(b"text")
    with pytest.raises(GalaxiesError, match=r"1.jpg is not a JPEG or PNG; copy it again"):
        count(place, overwrite=True)
    with pytest.raises(GalaxiesError, match=r"gone.csv: no such file; download"):
        count_votes(place / "gone.csv", place / "answers.yaml", [], place / "new")


def test_a_mistake_ends_in_one_line(place, monkeypatch, capsys):
    write_export(place / "export.csv", ROWS)
    (place / "subjects/0.jpg").unlink()
    command = ["galaxies", "votes", "export.csv", "--answers", "answers.yaml"]
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.argv", [*command, "--subjects", "subjects", "-o", "data/mine"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == (
        "error: subjects/manifest.csv: line 2: 0.jpg is missing; copy it back into the folder"
    )
    assert capsys.readouterr().out == ""


def test_galaxies_with_few_votes_may_be_left_out(place):
    made = count(place, least_votes=3)
    assert (made.galaxies, made.few) == (1, 1)
    assert made.say_left_out() == ["  left out          1 galaxy with too few votes"]
    with pytest.raises(GalaxiesError, match=r"no galaxy has an answer .* and 4 votes"):
        count(place, least_votes=4, overwrite=True)


def test_galaxies_that_nobody_answered_about_are_left_out(place):
    made = count(place, [*ROWS, classification(9, "anna", "9", {"T0": None})])
    assert (made.galaxies, made.few) == (2, 1)


def test_names_become_numbers_and_stay_beside_the_counts(tmp_path):
    names = ["J1234+56.7", "9" * 19, "12"]
    write_subjects(tmp_path / "subjects", names)
    (tmp_path / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    count(tmp_path, [classification(n, "anna", name, SMOOTH) for n, name in enumerate(names)])
    counts = pd.read_parquet(tmp_path / "mine/answers.parquet")
    assert counts["galaxy_id"].is_monotonic_increasing
    assert {galaxy_number(name) for name in counts["name"]} == set(counts["galaxy_id"])
    assert dict(zip(counts["name"], counts["galaxy_id"], strict=True))["12"] == 12
    assert check_survey(tmp_path / "mine").common == 3


def test_two_galaxies_of_one_number_are_refused(tmp_path):
    write_subjects(tmp_path / "subjects", ["7", "007"])
    (tmp_path / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    rows = [classification(1, "anna", "7", SMOOTH), classification(2, "anna", "007", SMOOTH)]
    with pytest.raises(GalaxiesError, match="galaxies '7' and '007' get the same number"):
        count(tmp_path, rows)


@given(st.text())
def test_numbers_of_galaxies_fit_a_survey(name):
    assert 0 <= galaxy_number(name) < 2**63
