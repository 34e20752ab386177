"""The command `galaxies`, and what it finds in a survey."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import onnxruntime
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from galaxies import __version__
from galaxies.cli import app
from galaxies.cli.classify import UNREADABLE
from galaxies.cli.help import ADAPT, CLASSIFY, LOOK, TRAIN, VOLUNTEERS
from galaxies.errors import GalaxiesError
from galaxies.surveys.check import KAGGLE, Report, check_survey
from tests.conftest import ROOT, encode, real_data, write_survey, write_tiny_survey


def test_check_says_what_is_in_a_survey(tiny_survey):
    done = CliRunner().invoke(app, ["check", str(tiny_survey)])
    assert done.exit_code == 0
    words = done.output.split()
    assert words[words.index("elliptical") + 1] == "29"
    assert words[words.index("spiral") + 1] == "30"
    assert words[words.index("artifact") + 1] == "1"
    assert "96x96 (60)" in done.output
    assert "It is not the training set of Kaggle's challenge" in done.output
    assert "dvc exp run" not in done.output


def test_check_says_how_to_run_on_a_survey_that_lies_where_the_pipeline_looks(
    tmp_path, monkeypatch
):
    write_tiny_survey(tmp_path / "data/mine", galaxies=6)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["check", "data/mine"])
    assert done.output.splitlines()[-1] == ("Run the pipeline on it: dvc exp run -S survey=mine")


def test_check_agrees_with_a_real_survey():
    report = check_survey(real_data() / "gz2")
    assert report.classes == {"elliptical": 365, "spiral": 120, "artifact": 1}
    assert report.frames == {"424x424": 100}
    assert not report.is_kaggle


def test_the_challenges_own_set_is_known_by_its_counts():
    total = sum(KAGGLE.values())
    assert total == 61_578
    assert Report(total, total, total, dict(KAGGLE), {}).is_kaggle
    assert not Report(total, total + 1, total, dict(KAGGLE), {}).is_kaggle


def test_check_refuses_what_the_pipeline_could_not_use(tmp_path):
    pixels = pd.Series(range(12), dtype="uint8").to_numpy().reshape(2, 2, 3)
    survey = write_survey(tmp_path / "apart", {"1.jpg": encode(pixels)}, ["2,1,0,0"])
    with pytest.raises(GalaxiesError, match="no GalaxyID in common"):
        check_survey(survey)
    survey = write_survey(tmp_path / "bad", {"1.jpg": b"text"}, ["1,1,0,0"])
    with pytest.raises(GalaxiesError, match=r"member .1\.jpg. is not a JPEG or PNG"):
        check_survey(survey)


def test_version():
    assert CliRunner().invoke(app, ["--version"]).output == f"galaxies {__version__}\n"


COMMANDS = [
    "classify",
    "info",
    "submission",
    "export",
    "cutouts",
    "inside",
    "label",
    "explore",
    "survey",
    "check",
    "merge",
    "export-folders",
    "download kaggle",
    "download gz2",
    "calibrate",
    "audit",
    "ask",
    "votes",
]


def commands(group=None, before=""):
    """Yield the name and the parameters of each command, as its help shows them."""
    group = typer.main.get_command(app) if group is None else group
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command.get_params(context)


def test_every_command_is_listed_here():
    assert [name for name, _ in commands()] == COMMANDS


ARGUMENTS = {
    "classify": ["INPUT"],
    "info": ["TABLE|BUNDLE"],
    "submission": ["INPUT"],
    "export": [],
    "cutouts": ["POSITIONS"],
    "inside": ["INPUT"],
    "label": ["INPUT"],
    "explore": [],
    "survey": ["TABLE"],
    "check": ["SURVEY"],
    "merge": ["SURVEY"],
    "export-folders": ["SURVEY"],
    "download kaggle": [],
    "download gz2": [],
    "calibrate": ["SURVEY|INPUT"],
    "audit": ["TABLE"],
    "ask": ["TABLE", "INPUT"],
    "votes": ["EXPORT"],
}


@pytest.mark.parametrize(("name", "parameters"), list(commands()))
def test_the_same_thing_has_the_same_name_everywhere(name, parameters):
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    assert [one.metavar for one in arguments] == ARGUMENTS[name]
    # A bundle that is read is --model; one that is made is --output.
    bundles = [one.opts[-1] for one in options if one.metavar == "BUNDLE"]
    assert set(bundles) <= {"--model", "--output"}
    assert [one.metavar for one in options if "--model" in one.opts] in ([], ["BUNDLE"])
    assert "--bundle" not in [spelling for one in options for spelling in one.opts]
    for one in options:
        if one.is_flag:
            assert one.metavar == "", one.opts  # no value can be given
        elif one.metavar is None:  # numbers and choices say what they take
            shown = one.display_type(typer.Context(typer.main.get_command(app)))
            assert not re.search("path|str|list", shown), f"{one.opts}: {shown}"
        if "--output" in one.opts:
            assert one.opts == ["-o", "--output"]


def test_the_commands_are_grouped_by_what_one_wants():
    said = CliRunner().invoke(app, [], env={"COLUMNS": "100"}).output
    headings = re.findall(r"^╭─ (.+?) ─+╮$", said, re.M)
    assert headings == ["Options", CLASSIFY, LOOK, ADAPT, TRAIN, VOLUNTEERS]
    assert "<bool>" not in said


def on_a_terminal(*command):
    """What a command prints on a terminal, which has colours."""
    reader, writer = os.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "galaxies.cli", *command],
        cwd=ROOT, stdout=writer, stderr=writer, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(writer)
    said = b""
    with contextlib.suppress(OSError):  # the other end has closed
        while part := os.read(reader, 4096):
            said += part
    os.close(reader)
    done.wait()
    return said.decode()


def test_a_terminal_gets_a_drawn_table_and_a_pipe_plain_lines():
    command = [sys.executable, "-m", "galaxies.cli", "info", "simulated"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "simulated:"
    assert re.fullmatch(r"  model           CNN", lines[2])
    assert done.stdout.isascii()
    drawn = on_a_terminal("info", "simulated")
    assert "│" in drawn
    assert "calibrated for" in drawn


def test_the_word_error_is_red_on_a_terminal_alone():
    assert "\x1b[31merror:\x1b[0m missing: " in on_a_terminal("info", "missing")
    command = [sys.executable, "-m", "galaxies.cli", "info", "missing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: missing: ")


@pytest.mark.parametrize("command", ["", "download", *COMMANDS])
def test_every_help_has_an_example_that_can_be_run(command):
    done = CliRunner().invoke(app, f"{command} --help", env={"COLUMNS": "200"})
    assert done.exit_code == 0
    example = done.output[done.output.index("Example: ") :]
    assert f"galaxies {command}".strip() in example


def test_the_shell_completes_commands():
    script = "import sys; sys.argv[0] = 'galaxies'; from galaxies.cli import main; main()"
    asked = {"_GALAXIES_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | asked | {"COMP_WORDS": "galaxies download "},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["kaggle", "gz2"]


def imported(code, *arguments):
    """Packages that a new process has imported when it ends."""
    script = f"import sys\ntry:\n    {code}\nfinally:\n    print('\\n', *sys.modules)"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


LIGHT = {"PIL", "fsspec", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic", "tqdm", "yaml"}
HEAVY = {
    "astropy", "galsim", "kagglehub", "keras", "matplotlib", "onnx", "pooch", "ray", "requests",
    "scipy", "sklearn", "tensorflow",
}  # fmt: skip


def test_the_package_and_the_help_import_nothing_that_takes_time():
    assert not imported("import galaxies") & (LIGHT | HEAVY | {"typer", "rich"})
    assert not imported("from galaxies.cli import main; main()", "--help") & (LIGHT | HEAVY)


def test_classify_imports_nothing_that_takes_seconds(tiny_survey, tmp_path):
    archive, output = tiny_survey / "images_training_rev1.zip", tmp_path / "out.parquet"
    found = imported(
        "from galaxies.cli import main; main()", "classify", str(archive), "-o", str(output)
    )
    assert len(pd.read_parquet(output)) == 60
    assert "onnxruntime" in found
    assert not found & HEAVY


def test_a_gpu_that_is_not_there_stops_classify_at_once(tiny_survey, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    archive = tiny_survey / "images_training_rev1.zip"
    command = ["classify", str(archive), "-o", str(tmp_path / "out.csv"), "--device", "gpu"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, GalaxiesError)
    assert str(done.exception).startswith("no GPU: ")
    assert not list(tmp_path.glob("*.csv"))


def test_a_mistyped_command_gets_a_suggestion():
    assert "Did you mean 'merge'?" in CliRunner().invoke(app, ["merg"]).output


def test_classify_writes_a_table_and_says_what_is_in_it(tiny_survey, tree_bundle, tmp_path):
    archive, output = tiny_survey / "images_training_rev1.zip", tmp_path / "out.csv"
    command = ["classify", str(archive), "-o", str(output), "--model", str(tree_bundle)]
    done = CliRunner().invoke(app, [*command, "--views", "8", "--agreement", "0.9"])
    assert done.exit_code == 0, done.output
    assert f"{output}: 60 images: " in done.output
    table = pd.read_csv(output, dtype={"galaxy_id": str})
    counts = table["decision"].value_counts()
    assert counts.sum() == 60
    assert all(f"{count} {decision}" in done.output for decision, count in counts.items())
    assert (table["spread"] > 0).any()
    assert CliRunner().invoke(app, command).exit_code == 1


def test_unreadable_images_have_an_exit_status_of_their_own(tree_bundle, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"text")
    output = tmp_path / "out.parquet"
    command = ["classify", str(tmp_path / "bad.jpg"), "-o", str(output)]
    done = CliRunner().invoke(app, [*command, "--model", str(tree_bundle)])
    assert done.exit_code == UNREADABLE == 3
    assert "1 image: none readable" in done.output
    assert "1 could not be read; the column error says why" in done.output
    assert len(pd.read_parquet(output)) == 1


def test_a_bundle_that_cannot_be_used_stops_classify_at_once(tiny_survey, tmp_path):
    archive = tiny_survey / "images_training_rev1.zip"
    command = ["classify", str(archive), "-o", str(tmp_path / "out.csv"), "--model", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, GalaxiesError)
    assert str(done.exception) == f"{tmp_path}: not a bundle: bundle.json cannot be read"
    assert not list(tmp_path.iterdir())


def test_export_writes_a_file_once(tmp_path):
    output = tmp_path / "real.onnx"
    command = ["export", "-o", str(output)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"{output}: {output.stat().st_size:,} bytes" in done.output
    again = CliRunner().invoke(app, command)
    assert str(again.exception) == f"{output}: exists; --overwrite replaces it"


def in_another_process(code, *words, cwd, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


WRITES = """
import signal, sys, time
from pathlib import Path
from galaxies.base.outputs import written_beside
from galaxies.errors import run_stage

# A test that runs under nohup inherits that the signal is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

def main():
    with written_beside(Path("out")) as beside:
        beside.mkdir()
        print("begun", flush=True)
        time.sleep(60)

run_stage(main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_job_that_is_ended_cleans_up(number, tmp_path):
    with in_another_process(WRITES, cwd=tmp_path) as process:
        assert process.stdout.readline() == "begun\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said == ""
    assert not list(tmp_path.iterdir())


def test_a_reader_who_stops_early_is_no_error(tiny_survey):
    command = f"{sys.executable} -m galaxies.cli check {tiny_survey} 2>said.txt | true"
    shell = f"set -o pipefail; sleep 0.1; {command}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tiny_survey, text=True, capture_output=True, timeout=120
    )
    assert done.stdout == "0\n"
    assert (tiny_survey / "said.txt").read_text().count("Traceback") == 0
    (tiny_survey / "said.txt").unlink()


def test_onnx_runtime_sends_and_keeps_nothing(tmp_path):
    """It writes a device ID below the home folder as soon as it is imported."""
    code = (
        "import galaxies, numpy as np, os\n"
        "galaxies.load().predictor.predict(np.zeros((1, 64, 64, 3), np.uint8))\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    done = in_another_process(code, cwd=tmp_path, env=environment)
    assert done.communicate(timeout=120) == ("", "")
    assert not [path for path in tmp_path.rglob("*") if "onnx" in path.name.lower()]
