"""Votes of people who label: what is asked, what is kept, and the survey of it."""

import contextlib
import resource

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.archive import open_archive
from galaxies.errors import GalaxiesError
from galaxies.pages.labelling import Labelling, finish, vote_file
from galaxies.pages.vote_file import HEADER, VoteFile
from galaxies.questions.gz2 import GZ2
from galaxies.surveys.check import check_survey
from tests.conftest import draw_galaxy, encode


@pytest.fixture
def cutouts(tmp_path):
    random = np.random.default_rng(3)
    folder = tmp_path / "cutouts"
    folder.mkdir()
    for number in range(1, 5):
        (folder / f"{number}.jpg").write_bytes(encode(draw_galaxy(random, number % 2 == 0)))
    return folder


def labelling(cutouts, person="anna", questions="first"):
    return Labelling([str(cutouts)], cutouts.parent / "mine", person, questions)


def survey(cutouts):
    finish([str(cutouts)], cutouts.parent / "mine")
    return pd.read_csv(cutouts.parent / "mine/training_solutions_rev1.csv").set_index("GalaxyID")


def test_galaxies_come_one_after_the_other_and_go_on_after_a_stop(cutouts):
    work = labelling(cutouts)
    assert (work.galaxy_id, work.question.name, work.total) == ("1", "smooth", 4)
    assert work.jpeg == (cutouts / "1.jpg").read_bytes()
    work.answer(0)
    work.answer(7)
    assert work.galaxy_id == "2"
    again = labelling(cutouts)
    assert again.galaxy_id == "2"
    for _ in range(3):
        again.answer(1)
    assert again.galaxy_id is None
    again.answer(0)
    assert again.votes.answered("anna") == 4


def test_an_answer_is_in_the_file_at_once(cutouts):
    work = labelling(cutouts)
    work.answer(1)
    work.undo()
    lines = vote_file(cutouts.parent / "mine").read_text().splitlines()
    assert lines[0] == "person,galaxy_id,answer,time"
    assert lines[1].startswith("anna,1,Class1.2,20")
    assert lines[2].startswith("anna,1,undo,20")


@contextlib.contextmanager
def full_disk(room: int):
    """No file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fit", [0, 2, 20])
def test_a_vote_that_a_full_disk_tore_is_not_joined_to_the_next(cutouts, fit):
    work = labelling(cutouts)
    work.answer(1)
    path = vote_file(cutouts.parent / "mine")
    whole = path.read_bytes()
    with full_disk(len(whole) + fit), pytest.raises(GalaxiesError, match="this vote is not counte"):
        work.answer(1)
    assert path.read_bytes() == whole
    assert work.galaxy_id == "2"
    work.answer(0)
    assert VoteFile(path).given["anna"] == {"1": ["Class1.2"], "2": ["Class1.1"]}


def test_no_vote_is_joined_to_a_line_that_was_cut_off_meanwhile(cutouts):
    work = labelling(cutouts)
    work.answer(1)
    path = vote_file(cutouts.parent / "mine")
    path.write_bytes(path.read_bytes() + b"be")
    with pytest.raises(GalaxiesError, match="line 3: cut off or damaged; delete it"):
        work.answer(1)
    assert path.read_bytes().endswith(b"\nbe")


def test_one_person_in_two_windows_has_one_vote_a_galaxy(cutouts):
    first, second = labelling(cutouts), labelling(cutouts)
    first.answer(0)  # galaxy 1
    second.answer(1)  # the same galaxy, not counted
    assert second.galaxy_id == "2"
    second.answer(1)
    first.answer(0)
    assert first.galaxy_id == "3"
    first.undo()  # the last vote of this person, in whichever window
    assert first.galaxy_id == "2"
    first.answer(2)
    assert survey(cutouts)["Class1.1"].tolist() == [1, 0]
    assert survey(cutouts)["Class1.3"].tolist() == [0, 1]
    assert first.votes.given == VoteFile(vote_file(cutouts.parent / "mine")).given


def test_undo_goes_back_over_galaxies_and_days(cutouts):
    labelling(cutouts).answer(0)
    work = labelling(cutouts)
    work.answer(0)
    assert work.galaxy_id == "3"
    work.undo()
    work.undo()
    work.undo()
    assert work.galaxy_id == "1"
    shown = []
    while work.galaxy_id:
        shown.append(work.galaxy_id)
        work.answer(2)
    assert shown == ["1", "2", "3", "4"]


def test_undo_of_a_galaxy_that_is_gone_changes_nothing(cutouts):
    labelling(cutouts).answer(0)
    (cutouts / "1.jpg").unlink()
    work = labelling(cutouts)
    with pytest.raises(GalaxiesError, match=r"the last galaxy, '1', is not among the images"):
        work.undo()
    assert work.votes.answered("anna") == 1


def test_the_tree_is_asked_down_to_its_leaves(cutouts):
    work = labelling(cutouts, questions="all")
    asked = []
    while work.galaxy_id == "1":
        asked.append(work.question.name)
        work.answer(1)
    assert asked == ["smooth", "edge_on", "bar", "arms", "bulge", "odd"]
    work.answer(0)
    work.undo()
    assert work.galaxy_id == "2"
    assert work.question.name == "smooth"


def test_two_peoples_votes_are_kept_apart_and_counted_together(cutouts):
    anna, bert = labelling(cutouts), labelling(cutouts, "bert")
    assert bert.galaxy_id == "1"
    anna.answer(0)
    bert.answer(1)
    bert.answer(1)
    anna.undo()
    anna.answer(0)
    shares = survey(cutouts)
    assert shares.loc[1].tolist() == [0.5, 0.5, 0]
    assert shares.loc[2].tolist() == [0, 1, 0]
    counts = pd.read_parquet(cutouts.parent / "mine/answers.parquet").set_index("galaxy_id")
    assert counts.loc[1].tolist() == [1, 1, 0]


def test_the_survey_can_be_used_and_made_again(cutouts):
    work = labelling(cutouts, questions="all")
    while work.galaxy_id:
        work.answer(0)
    survey(cutouts)
    mine = cutouts.parent / "mine"
    report = check_survey(mine)
    assert (report.common, report.campaigns) == (4, (GZ2,))
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    shares = survey(cutouts)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == before
    values = shares.reindex(columns=list(GZ2.columns)).to_numpy()
    assert np.nanmax(GZ2.tree_errors(values)) < 1e-8
    with open_archive(mine / "images_training_rev1.zip") as archive:
        kept = archive.read("images_training_rev1/1.jpg")
    assert kept == (cutouts / "1.jpg").read_bytes()


def test_what_cannot_be_shown_is_passed_over_and_named(cutouts):
    (cutouts / "0.png").write_bytes(b"text")
    (cutouts / "a").mkdir()
    (cutouts / "a/1.jpg").write_bytes((cutouts / "2.jpg").read_bytes())
    work = labelling(cutouts)
    assert work.galaxy_id == "1"
    while work.galaxy_id:
        work.answer(0)
    assert work.left_out == {
        "0": "is not a JPEG or PNG",
        "1": "names two images; only the first was shown",
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GalaxyID\n1\n", "not a file of votes, which begins with person,galaxy_id,answer,time"),
        (b"{}anna,1,Class1.1,now", "line 2: cut off or damaged; delete it"),
        (b"{}anna,1,Class1.4,now\n", "line 2: cut off or damaged; delete it"),
        (b"{}anna,1,Class1.1,now\nanna,2\n", "line 3: cut off or damaged; delete it"),
        (b"\xff\n", "not UTF-8 text at byte 0"),
    ],
)
def test_a_damaged_file_of_votes_is_refused(cutouts, data, said):
    path = vote_file(cutouts.parent / "mine")
    path.write_bytes(data.replace(b"{}", ",".join(HEADER).encode() + b"\n"))
    with pytest.raises(GalaxiesError, match=said):
        labelling(cutouts)


def test_a_survey_that_is_not_of_these_votes_is_left_alone(cutouts):
    mine = cutouts.parent / "mine"
    mine.mkdir()
    (mine / "answers.parquet").write_bytes(b"precious")
    with pytest.raises(GalaxiesError, match="exists, but not the file of votes"):
        labelling(cutouts)
    with pytest.raises(GalaxiesError, match=r"mine\.votes\.csv: no such file; label some galaxies"):
        finish([str(cutouts)], mine)
    assert (mine / "answers.parquet").read_bytes() == b"precious"


def test_a_survey_needs_votes_and_their_images(cutouts):
    work = labelling(cutouts)
    work.answer(0)
    work.undo()
    with pytest.raises(GalaxiesError, match="all votes were undone"):
        survey(cutouts)
    work.answer(0)
    (cutouts / "1.jpg").unlink()
    with pytest.raises(GalaxiesError, match="no image of 1 of the 1 galaxies, such as '1'"):
        survey(cutouts)
    assert not (cutouts.parent / "mine").exists()


@pytest.mark.parametrize("person", ["", "  ", "a\nb"])
def test_a_person_needs_a_name(cutouts, person):
    with pytest.raises(GalaxiesError, match="--person"):
        labelling(cutouts, person)


def test_the_command_makes_the_survey_without_a_page(cutouts):
    labelling(cutouts).answer(0)
    output = str(cutouts.parent / "mine")
    done = CliRunner().invoke(app, ["label", str(cutouts), "-o", output, "--finish"])
    assert done.exit_code == 0, done.output
    assert f"{output}: 1 galaxy, 1 classification of 1 person" in done.output


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from([*GZ2.columns, "undo"])
    ),
    max_size=30,
)


@given(ACTIONS)
def test_a_file_read_again_says_the_same(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("votes") / "votes.csv"
    votes = VoteFile(path)
    for action in actions:
        votes.add(*action)
    again = VoteFile(path)
    assert [again.answered(person) for person in "ab"] == [votes.answered(one) for one in "ab"]
    assert [again.last(person) for person in "ab"] == [votes.last(one) for one in "ab"]
    first, second = votes.count(), again.count()
    assert first.galaxies == second.galaxies
    assert np.array_equal(first.counts, second.counts)
    assert (first.counts.max(axis=1, initial=0) <= first.volunteers).all()
