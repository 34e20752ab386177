"""How Sphinx builds the site: `sphinx-build -W --keep-going docs site`. It needs no internet."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import numpydoc.docscrape_sphinx
import typer
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from typer.testing import CliRunner

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))
# The notebooks run `galaxies` and `dvc` of this Python, without progress bars.
os.environ["TQDM_DISABLE"] = "1"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

import galaxies  # noqa: E402
from browser.build import build_page, has_runtime  # noqa: E402
from galaxies.bundle.pretrained import PRETRAINED  # noqa: E402
from galaxies.cli import app  # noqa: E402
from galaxies.questions.registry import CAMPAIGNS  # noqa: E402

project = "galaxies"
author = "The galaxies maintainers"
copyright = "the galaxies maintainers, BSD-3-Clause"  # noqa: A001 - Sphinx's own name
version = release = galaxies.__version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_nb"]
exclude_patterns = ["results"]
html_theme = "pydata_sphinx_theme"
html_title = "galaxies"
html_show_sourcelink = False
html_static_path = ["site"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_favicon = "site/galaxy.svg"
html_logo = "site/galaxy.svg"
html_sidebars = {"index": []}

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
# What lies outside the site is read where the code is.
# Cells with shell lines (`!galaxies`) are not plain Python; Pygments colours them all the same.
suppress_warnings = ["misc.highlighting_failure", "myst.xref_missing"]
nb_execution_mode = "cache"
nb_execution_timeout = 240
nb_execution_raise_on_error = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

REFERENCE = HERE / "reference"
WINGS = {
    "galaxies": "Load a bundle; errors and settings",
    "galaxies.classifying": "Classify any number of images",
    "galaxies.recalibrating": "Calibrate a bundle for another survey",
    "galaxies.sky": "From positions to cut-outs",
    "galaxies.volunteers": "Ask volunteers, read their answers, audit the machine",
    "galaxies.surveys": "Download, check and merge surveys",
    "galaxies.figures": "Pictures and tables",
    "galaxies.inside": "What a network sees in a galaxy",
    "galaxies.models": "The four models",
    "galaxies.training": "Fit, calibrate and describe a model",
    "galaxies.bundle": "A model on disk, and its predictions",
    "galaxies.simulated": "The simulated survey",
    "galaxies.dataset": "A survey as the pipeline reads it",
    "galaxies.judgement": "Calibration, promises, familiarity and scores",
    "galaxies.images": "From files to pixels",
    "galaxies.tables": "Tables of any format",
    "galaxies.base": "Arrays and outputs",
    "galaxies.questions": "What volunteers are asked",
}


def write_settings() -> str:
    """List every setting with its comment in `params.yaml`."""
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    page = [
        "# Settings",
        "",
        "All settings of the pipeline, from `params.yaml`. Use the full names, such as "
        "`cnn.residual.epochs`, with `dvc exp run -S`.",
    ]
    table = ["", "| setting | default | meaning |", "|---|---|---|"]
    folder: list[str] = []
    started = False
    for line in lines:
        found = re.match(r"( *)([a-z_]+):(?: +([^#]*?))?(?: +# (.*))?$", line)
        if found is None:
            continue
        indent, name, value, meaning = found.groups()
        depth = len(indent) // 2
        folder = [*folder[:depth], name]
        if value:
            if not started:
                page += table
                started = True
            page.append(f"| `{'.'.join(folder)}` | `{value}` | {meaning or ''} |")
        else:
            heading = "#" * (depth + 2)
            page += ["", f"{heading} `{'.'.join(folder)}`", "", f"{(meaning or '').capitalize()}."]
            started = False
    return "\n".join(page) + "\n"


def write_commands() -> str:
    """Print every command's help."""
    page = ["# Command line", "", "What `galaxies COMMAND --help` says.", ""]
    command = typer.main.get_command(app)
    runner = CliRunner(env={"COLUMNS": "84", "TERM": "dumb", "NO_COLOR": "1"})
    for name in sorted(command.commands):
        said = runner.invoke(app, [name, "--help"], prog_name="galaxies").output
        page += [f"## `galaxies {name}`", "", "```text", said.strip(), "```", ""]
    return "\n".join(page)


def write_questions() -> str:
    """List all questions and answers with the names of their columns."""
    page = [
        "# Questions and answers",
        "",
        "The questions of each campaign. *Votes* is the column in a survey's table; *classified* "
        "the column that `galaxies classify --questions all` adds, a fraction of all volunteers: "
        "the answers to a question sum to the answer that leads to it.",
    ]
    for campaign in CAMPAIGNS.values():
        page += ["", f"## {campaign.title}", ""]
        page += [f"`campaign: {campaign.name}`, votes {campaign.votes}; {campaign.reference}.", ""]
        same = [other for other in CAMPAIGNS.values() if other.has_tree_of(campaign)]
        if same[0] != campaign:
            page += [f"The questions are those of *{same[0].title}*.", ""]
            continue
        for question in campaign.questions:
            asked = "asked of all"
            if question.asked_after:
                after = campaign.answers[campaign.place(question.asked_after)]
                asked = f"asked after *{after.words}*"
            page += ["", f"### {question.number}. {question.words}", ""]
            page += [f"`{question.name}`, {asked}.", ""]
            page += ["| answer | votes | classified |", "|---|---|---|"]
            page += [f"| {a.words} | `{a.column}` | `{a.name}` |" for a in question.answers]
    return "\n".join(page) + "\n"


def modules_of(wing: str) -> list[str]:
    """Name a wing's modules."""
    folder = ROOT / wing.replace(".", "/")
    if wing == "galaxies":
        return ["galaxies", "galaxies.errors", "galaxies.settings"]
    names = [path.relative_to(ROOT).with_suffix("") for path in sorted(folder.rglob("*.py"))]
    return [".".join(name.parts).removesuffix(".__init__") for name in names]


def write_wing(wing: str, title: str) -> str:
    """List a wing's modules with their docstrings."""
    page = [f"# `{wing}`", "", f"{title}.", ""]
    for module in modules_of(wing):
        page += [f"## {module}", "", "```{eval-rst}", f".. automodule:: {module}", "   :members:"]
        # Sphinx 9.0 cannot read the signature of deque on Python 3.13, though it is only imported.
        page += ["   :undoc-members:", "   :exclude-members: deque", "```", ""]
    return "\n".join(page)


def write_pages() -> None:
    """Write the pages that are made from the code; those that are the same stay untouched."""
    pages = {
        "settings.md": write_settings(),
        "command_line.md": write_commands(),
        "questions.md": write_questions(),
    }
    pages |= {f"api/{wing}.md": write_wing(wing, title) for wing, title in WINGS.items()}
    for name, content in pages.items():
        path = REFERENCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")


write_pages()


RUN_NOTEBOOKS = """
import sys
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor

folder, timeout, *notebooks = sys.argv[1:]
cache = get_cache(folder)
for notebook in notebooks:
    cache.add_nb_to_project(notebook)
load_executor("local-parallel", cache).run_and_cache(filter_uris=notebooks, timeout=int(timeout))
"""


def run_notebooks(app: Sphinx) -> None:
    """Run the notebooks, several at a time, while the pages before them are read.

    MyST-NB finds the outputs in its cache. A notebook that fails is not there: MyST-NB runs it
    again, and says why it fails.
    """
    if app.config.nb_execution_mode != "cache":
        return
    notebooks = sorted(map(str, (HERE / "tutorials").glob("*.ipynb")))
    folder = app.env.mystnb_config.execution_cache_path
    timeout = str(app.config.nb_execution_timeout)
    running = subprocess.Popen(
        [sys.executable, "-c", RUN_NOTEBOOKS, folder, timeout, *notebooks],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def await_notebooks(_: Sphinx, page: str, __: list[str]) -> None:
        if page.startswith("tutorials/"):
            running.wait()

    app.connect("source-read", await_notebooks)
    app.connect("build-finished", lambda *_: running.wait())


def compile_template() -> None:
    """Compile numpydoc's template once; it would do so for every docstring, for half a minute."""
    kind = numpydoc.docscrape_sphinx.SphinxDocString
    folder = Path(numpydoc.docscrape_sphinx.__file__).parent / "templates"
    loader = jinja2.FileSystemLoader(folder)
    template = jinja2.Environment(loader=loader).get_template("numpydoc_docstring.rst")
    usual = kind.load_config

    def load_config(self: Any, config: dict[str, Any]) -> None:  # noqa: ANN401
        usual(self, {**config, "template": template})

    kind.load_config = load_config


compile_template()


WITHOUT = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>What a network sees in your galaxy</title>
<p>This copy of the site was built without ONNX Runtime, which runs the network in the browser. With
npm: <code>npm ci --ignore-scripts --prefix browser</code>, then build the site again.</p></html>
"""


def write_browser_page(app: Sphinx, exception: Exception | None) -> None:
    """Make the page that classifies in the browser, or one that says what is missing."""
    if exception is not None or app.builder.name != "html":
        return
    page, npm = Path(app.outdir) / "browser_page.html", shutil.which("npm")
    if npm is not None and not has_runtime():
        command = [npm, "ci", "--ignore-scripts", "--prefix", str(ROOT / "browser")]
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(command, capture_output=True, timeout=300)
    if has_runtime():
        build_page(PRETRAINED / "real", page)
    else:
        page.write_text(WITHOUT, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Run notebooks early; add the page for the browser; types have no signature to look for."""
    app.connect("builder-inited", run_notebooks, priority=900)  # when MyST-NB has its cache
    app.connect("build-finished", write_browser_page)
    app.add_lexer("mermaid", TextLexer)  # GitHub draws it; here it is text
    event = "autodoc-process-signature"
    for number, listener in enumerate(app.events.listeners[event]):

        def handler(app: Sphinx, what: str, *args: Any, old: Any = listener.handler) -> Any:  # noqa: ANN401
            return None if what == "data" else old(app, what, *args)

        app.events.listeners[event][number] = listener._replace(handler=handler)
