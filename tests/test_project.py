"""Rules about the project's files: imports, packages, pages, words and versions."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from galaxies import __version__
from tests.conftest import ROOT

LISTED = subprocess.check_output(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
)
FILES = sorted(name for name in LISTED.decode().split("\0")[:-1] if (ROOT / name).is_file())
PAGES = [name for name in FILES if name.endswith(".md")]
CODE = [name for name in FILES if re.match(r"(galaxies|stages)/.*\.py$", name)]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# Imports.


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts in a folder, whatever the environment has on its path."""
    code = "import sys; from importlinter.cli import lint_imports_command as go; sys.exit(go())"
    command = [sys.executable, "-I", "-c", code, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path) -> Path:
    """The code and its contracts, to be broken."""
    for name in [*CODE, "pyproject.toml"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_import_contracts_hold(copy):
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("galaxies/base/arrays.py", "import galaxies.images.decode", "downwards only"),
        ("galaxies/surveys/check.py", "import galaxies.classifying.job", "downwards only"),
        ("galaxies/figures/style.py", "import galaxies.judgement.scores", "Figures draw"),
        ("galaxies/dataset/votes.py", "import stages.pack", "neither the stages nor DVC"),
        ("galaxies/dataset/votes.py", "def f():\n    import dvc.api", "neither the stages nor DVC"),
        ("stages/pack.py", "import stages.split", "No stage imports another"),
        ("galaxies/judgement/scores.py", "def f():\n    import keras", "Keras and TensorFlow stay"),
        ("stages/plot.py", "import tensorflow", "Keras and TensorFlow stay"),
        ("galaxies/images/fits.py", "import galsim", "only an extra installs"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(copy, file, line, broken):
    with (copy / file).open("a", encoding="utf-8") as code:
        code.write(f"\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert [said for said in done.stdout.splitlines() if broken in said and "BROKEN" in said]


def test_a_wing_without_a_place_breaks_the_contract(copy):
    (copy / "galaxies/attic").mkdir()
    (copy / "galaxies/attic/__init__.py").touch()
    done = lint_imports(copy)
    assert done.returncode == 1
    assert "galaxies.attic" in done.stdout


STARTS_KERAS = (
    "galaxies.models.cnn",
    "galaxies.models.graph",
    "galaxies.models.inception.backbone",
    "galaxies.models.likelihood",
    "galaxies.models.mlp",
    "galaxies.models.networks",
    "stages.backbone",
    "stages.features",
    "stages.train_cnn",
    "stages.train_mlp",
)
"""Modules that may take seconds to import."""


def test_no_other_module_starts_keras():
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in CODE
    ]
    light = [name for name in modules if not f"{name}.".startswith(STARTS_KERAS)]
    assert {"galaxies", "galaxies.cli", "galaxies.classifying.job"} <= set(light)
    code = f"""
import sys
from importlib import import_module
for name in {light!r}:
    import_module(name)
    if {{"keras", "tensorflow"}} & set(sys.modules):
        sys.exit(name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_tensorflow_starts_without_a_word():
    code = "import galaxies.models.cnn, keras; keras.layers.Dense(1)(keras.ops.ones((1, 1)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_itself_imports_almost_nothing():
    code = (
        "import sys; before = set(sys.modules); import galaxies; print(*set(sys.modules) - before)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert not {"numpy", "pandas", "importlib.metadata", "tensorflow"} & set(said.split())
    assert [name for name in said.split() if name.startswith("galaxies.")] == []


# Packages.

PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def packages(requirements: Iterable[str]) -> set[str]:
    return {Requirement(item).name.lower() for item in requirements} - {PROJECT["name"]}


def imported() -> set[str]:
    """Packages that the project's own code imports, lazily or not."""
    modules = set()
    for name in CODE:
        for node in ast.walk(ast.parse(text(name))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    found = packages_distributions()
    homes = {home for module in modules - {"galaxies"} for home in found.get(module, [])}
    return {home.lower().replace("_", "-") for home in homes}


def test_every_package_asked_for_is_used_and_every_one_used_is_asked_for():
    asked = packages(PROJECT["dependencies"])
    tools = {"dev", "docs"}  # which no code of ours imports
    optional = packages(item for name in set(EXTRAS) - tools for item in EXTRAS[name])
    used = imported()
    assert used <= asked | optional
    assert (asked | optional) - used <= {"dvc"}  # the command that runs the pipeline


def test_the_extra_of_developers_holds_all_others():
    others = ",".join(sorted(set(EXTRAS) - {"dev"}))
    assert f"galaxy-morphology[{others}]" in EXTRAS["dev"]


def test_every_extra_that_an_error_names_is_there():
    named = {
        node.args[0].value
        for name in CODE
        for node in ast.walk(ast.parse(text(name)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "needs"
    }
    assert {"download", "pipeline", "ray"} <= named <= set(EXTRAS)


PINS = {
    "requirements.txt": [*PROJECT["dependencies"], *EXTRAS["pipeline"]],
    "requirements-dev.txt": [
        *PROJECT["dependencies"],
        *(one for x in EXTRAS.values() for one in x),
    ],
}
"""For each file with pins, what is asked for."""


def pinned_in(name: str) -> dict[str, Requirement]:
    pins = map(Requirement, re.findall(r"^\S+==.*$", text(name), re.M))
    return {canonicalize_name(one.name): one for one in pins}


def test_the_pipelines_pins_are_those_of_developers():
    pipeline, everything = pinned_in("requirements.txt"), pinned_in("requirements-dev.txt")
    assert pipeline.items() <= everything.items()
    assert {"dvc", "tensorflow"} <= pipeline.keys()
    assert not {"bokeh", "playwright", "pytest", "ray", "sphinx"} & pipeline.keys()


@pytest.mark.parametrize("name", PINS)
def test_the_pins_with_hashes_are_the_same(name):
    pins = re.findall(r"^(\S+==\S+)", text(name), re.M)
    hashed = text(name.replace(".txt", "-hashed.txt"))
    assert re.findall(r"^(\S+==\S+) \\$\n    --hash=sha256:[0-9a-f]{64}", hashed, re.M) == pins


@pytest.mark.parametrize("name", PINS)
def test_every_package_needed_on_this_python_is_pinned(name):
    pinned = pinned_in(name)
    needed = set()
    asked = [Requirement(one) for one in PINS[name]]
    while asked:
        new = {(canonicalize_name(one.name), extra) for one in asked for extra in ("", *one.extras)}
        new = {(name, extra) for name, extra in new - needed if name != PROJECT["name"]}
        needed |= new
        asked = [
            one
            for name, extra in new
            for one in map(Requirement, distribution(name).requires or ())
            if one.marker is None or one.marker.evaluate({"extra": extra})
        ]
    installed = {package: distribution(package).version for package, _ in needed}
    assert {
        package: version
        for package, version in installed.items()
        if package not in pinned or version not in pinned[package].specifier
    } == {}


def test_the_list_of_licences_names_every_package_where_it_is_asked_for():
    sections = dict(re.findall(r"^## (.+)\n([^#]*)", text("docs/dependencies.md"), re.M))
    groups = {"The plain installation": PROJECT["dependencies"]}
    groups |= {f"Extra `{name}`": EXTRAS[name] for name in EXTRAS}
    listed = {
        name: set(re.findall(r"^\| ([a-z][a-z0-9-]*) \| .+ \| .+ \|$", section, re.M)) - {"package"}
        for name, section in sections.items()
    }
    assert {name: listed.get(name) for name in groups} == {
        name: packages(group) for name, group in groups.items()
    }


def test_the_speller_reads_nothing_that_commands_make():
    """`dvc plots show`, then the tests: both commands of the README work in any order."""
    skipped = tomllib.loads(text("pyproject.toml"))["tool"]["codespell"]["skip"].split(",")
    lines = text(".gitignore").splitlines()
    ignored = [line.strip("/") for line in lines if not line.startswith("!")]
    folders = [name for name in ignored if not re.search(r"[*.]", name.lstrip("."))]
    assert {"dvc_plots", "site", "build", "dist"} <= set(folders)
    kept = {"__pycache__"}  # files of bytes, which the speller leaves
    assert [
        name
        for name in folders
        if name not in kept and not any(fnmatch(f"./{name}", one) for one in skipped)
    ] == []


# Pages.


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.M | re.S)


def anchors(page: str) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = [re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(<?([^)>\s]+)>?\)|(?:src|href)=\"([^\"]+)\"", prose(page))
    dead = []
    for link in (one or other for one, other in links):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        name = target.resolve().relative_to(ROOT).as_posix()
        there = name in FILES or any(file.startswith(f"{name}/") for file in FILES)
        made = ("command_line", "questions", "settings")
        there |= name in {f"docs/reference/{page}.md" for page in made}
        there |= name == "docs/browser_page.html"  # made with the site
        if not there or (anchor and anchor not in anchors(name)):
            dead.append(link)
    assert dead == []


def test_every_page_is_linked_from_another():
    linked = {
        ((ROOT / page).parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)", prose(page))
    }
    docs = [page for page in PAGES if page.startswith("docs/")]
    assert [page for page in docs if (ROOT / page) not in linked] == []


# Words.


def glossary() -> list[tuple[str, str, str]]:
    """Rows of the glossary's tables: term, meaning, where."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", text("docs/glossary.md"), re.M)
    return [row for row in rows if row[0] != "term"]


def test_the_glossary_explains_each_word_once():
    terms = [term for row in glossary() for term in row[0].split(", ")]
    assert len(terms) > 40
    assert sorted(terms) == sorted(set(terms))
    assert all(meaning.endswith((".", "?")) for _, meaning, _ in glossary())


def test_all_that_the_glossary_points_at_is_there():
    said = "\n".join(text(name) for name in [*CODE, "params.yaml", "dvc.yaml"])
    sections = yaml.safe_load(text("params.yaml")).items()
    settings = {
        f"{name}.{key}" for name, keys in sections if isinstance(keys, dict) for key in keys
    }
    named = {name for _, _, where in glossary() for name in re.findall(r"`([^`]+)`", where)}
    missing = [
        name
        for name in named - settings
        if not any(f"{file}/".startswith(f"{name.rstrip('/')}/") for file in FILES)
        and not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", said)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"(?<!vega)embed(?!ded)", "features"),
        (r"(?<!EXIF )(?<!exif_)(?<!tiff:)orientation(?!=)", "view"),
        (r"trunk(?!ate)", "backbone"),
        (r"wished", "target agreement"),
    ],
)
def test_words_that_the_glossary_replaced_are_gone(old, new):
    assert new in {term for row in glossary() for term in row[0].split(", ")}
    names = set(FILES) - {"CHANGELOG.md", "tests/test_project.py"}
    names = {name for name in names if name.endswith((".md", ".py", ".yaml", ".toml"))}
    said = {
        name: [line for line in text(name).splitlines() if re.search(old, line, re.I)]
        for name in names
    }
    assert {name: lines for name, lines in said.items() if lines} == {}


# Versions and templates.


def test_the_version_is_the_same_everywhere():
    assert PROJECT["dynamic"] == ["version"]
    assert yaml.safe_load(text("CITATION.cff"))["version"] == __version__
    released = re.findall(r"^## \[(\d.+)\] - \d{4}-\d\d-\d\d$", text("CHANGELOG.md"), re.M)
    assert released[0] == __version__


def test_the_templates_of_issues_are_whole():
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form), path
        ids = [part["id"] for part in form["body"]]
        assert len(ids) == len(set(ids)), path


def test_the_hooks_run_what_the_readme_runs():
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", ROOT / ".pre-commit-config.yaml"],
        check=True,
    )
    (repo,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    hooks = {hook["id"] for hook in repo["hooks"]}
    readme = {"ruff-format", "ruff-check", "mypy", "lint-imports", "codespell"}
    assert hooks == readme | {"nbstripout"}


def test_notebooks_are_saved_as_the_hook_saves_them():
    notebooks = [ROOT / name for name in FILES if name.endswith(".ipynb")]
    assert len(notebooks) > 5
    program = Path(sys.executable).with_name("nbstripout")
    subprocess.run([program, "--verify", *notebooks], check=True)


BENCHMARKS = [
    Path(name).stem for name in FILES if re.fullmatch(r"benchmarks/(?!clones)[a-z]\w*\.py", name)
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_starts_and_says_what_it_measures(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / f"benchmarks/{name}.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
