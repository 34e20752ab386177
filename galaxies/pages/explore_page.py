"""The page of `galaxies explore`: a galaxy, sliders that change it, and a model's answers."""

import asyncio
import html
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import panel as pn
from bokeh.models import TextInput

from galaxies.base.arrays import Pixels
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options
from galaxies.errors import GalaxiesError
from galaxies.figures.strip import draw_strip, evidence_over
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import AnyImage, read_frame
from galaxies.inside.strip import Inside, look_inside
from galaxies.pages import panels
from galaxies.pages.finished_run import MISTAKES, FinishedRun
from galaxies.pages.looking import Change, changed, curves, evidence, look, png
from galaxies.pages.serving import LARGEST_UPLOAD, refuse_large_files, serve
from galaxies.pages.simulated_examples import EXAMPLES

SIMULATED: Final = "simulated examples"

_PAGE: Final = """
body { max-width: 1240px; margin: 0 auto !important; padding: 1rem; }
@media (prefers-color-scheme: dark) { body { background: #14171c; color: #eee; } }
"""

_WIDGET: Final = """
@media (prefers-color-scheme: dark) {
  :host, label, .bk-slider-title, .bk-input-group { color: #eee; }
  .bk-input, .bk-btn, .bk-btn:hover, a { background-color: #23272e !important;
    color: #eee !important; border-color: #4a5059 !important; }
  .bk-btn.bk-active { background-color: #4a5059 !important; }
  .noUi-target { background: #4a5059; border-color: #4a5059; }
}
"""

_COPY: Final = """
    const address = `${location.origin}${location.pathname}?${state.value}`;
    navigator.clipboard.writeText(address).then(() => { button.label = "link copied"; });
"""


class Explorer:
    """Shared by all windows: the bundles, and the finished run if there is one.

    Parameters
    ----------
    folder : Path
        Folder that may have a finished run.
    model : Path, optional
        Another bundle, which is shown first.

    Raises
    ------
    GalaxiesError
        If the bundle or the run cannot be read.
    """

    def __init__(self, folder: Path, model: Path | None = None) -> None:
        self.run = FinishedRun.found(folder)
        self.trained = self.run.bundles if self.run else {}
        pretrained = {f"pretrained {path.name}": path for path in sorted(PRETRAINED.glob("*/"))}
        best = {"cnn": self.trained["cnn"]} if "cnn" in self.trained else {}
        given = {str(model): model} if model else {}
        real = {name: path for name, path in pretrained.items() if path.name == "real"}
        self.bundles = given | best | self.trained | real | pretrained
        self._classifiers: dict[str, Classifier] = {}
        self.classifier(next(iter(self.bundles)))

    def classifier(self, name: str) -> Classifier:
        """Load a bundle, once."""
        if name not in self._classifiers:
            path = self.bundles[name]
            least = read_description(path).triage[0].agreement
            self._classifiers[name] = Classifier(path, Options(agreement=least))
        return self._classifiers[name]

    def choices(self, bundle: str) -> dict[str, dict[str, int | Path]]:
        """List the galaxies to choose from, by group and name: IDs of the run, or files."""
        simulated: dict[str, int | Path] = {
            path.stem[2:]: path for path in sorted(EXAMPLES.glob("*.jpg"))
        }
        of_run = self.run.choices(bundle) if self.run else {}
        choices: dict[str, dict[str, int | Path]] = {
            name: dict(group) for name, group in of_run.items()
        }
        return choices | {SIMULATED: simulated}


def explore_page(explorer: Explorer) -> Any:  # noqa: ANN401 - Panel has no types
    """Lay out the page for one window."""
    return _Window(explorer).layout


class _Window:
    """The widgets of a window, and its galaxy."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._frame: AnyImage | None = None
        self._name = ""
        self._voted: dict[str, float] = {}
        self._waiting = False
        dark = {"stylesheets": [_WIDGET]}
        wide = {"sizing_mode": "stretch_width"} | dark
        slider = pn.widgets.FloatSlider
        select, toggle = pn.widgets.Select, pn.widgets.Toggle
        self._bundle = select(label="model", options=list(explorer.bundles), **wide)
        self._agreement = select(label="target agreement", **wide)
        self._group = select(label="galaxies", **wide)
        self._galaxy = select(label="galaxy", **wide)
        self._file = pn.widgets.FileInput(label="or drop a JPEG, PNG or FITS file", **wide)
        self._large = refuse_large_files(self._refuse)
        # In the order of `Change`.
        self._sliders = [
            slider(label="rotation [degrees]", start=0, end=360, step=1, **wide),
            toggle(label="mirror", **dark),
            slider(label="size", start=0.5, end=2, step=0.01, value=1, **wide),
            slider(label="blur [% of the side]", start=0, end=5, step=0.25, **wide),
            slider(label="noise [grey levels]", start=0, end=50, step=1, **wide),
        ]
        self._reset = pn.widgets.Button(label="reset", **dark)
        self._layers = toggle(label="layers", **dark)
        self._compare = toggle(label="compare models", **dark)
        self._link = pn.widgets.Button(label="copy link", **dark)
        self._state = TextInput(visible=False)
        self._link.js_on_click(args={"state": self._state, "button": self._link}, code=_COPY)
        self._save = pn.widgets.FileDownload(
            callback=self._picture, filename="galaxy.png", label="save picture", **dark
        )
        pane = [
            pn.pane.HTML(stylesheets=[panels.STYLE], sizing_mode="stretch_width") for _ in range(7)
        ]
        self._title, self._said, self._hero, self._curves, self._tree, self._inside, *_ = pane
        self._others = pane[6]
        self._title.object = panels.title()
        self.layout = self._laid_out()
        self._restore()
        self._watch()

    def _laid_out(self) -> Any:  # noqa: ANN401
        wide = {"sizing_mode": "stretch_width"}
        choose = pn.FlexBox(
            *(pn.Column(each, width=225) for each in (self._group, self._galaxy)),
            *(pn.Column(each, width=225) for each in (self._bundle, self._agreement)),
            pn.Column(self._file, width=225),
            **wide,
        )
        rotation, mirror, size, blur, noise = self._sliders
        change = pn.FlexBox(
            *(pn.Column(each, width=270) for each in (rotation, blur, noise, size)), **wide
        )
        buttons = pn.FlexBox(
            *(mirror, self._reset, self._layers, self._compare, self._link, self._save), **wide
        )
        return pn.Column(
            *(self._title, self._said, self._hero, choose, change, buttons, self._curves),
            *(self._inside, self._others, self._tree, self._large, self._state),
            **wide,
        )

    def _watch(self) -> None:
        self._bundle.param.watch(lambda _: self._new_bundle(), "value")
        self._group.param.watch(lambda _: self._new_group(), "value")
        self._galaxy.param.watch(lambda _: self._new_galaxy(), "value")
        self._file.param.watch(self._new_file, "value")
        self._reset.on_click(lambda _: self._undo_changes())
        for widget in (*self._sliders, self._agreement, self._layers, self._compare):
            widget.param.watch(lambda _: self._show(), "value")

    def _restore(self) -> None:
        """Open the state that the address of the page has; what it has not, or wrongly, stays."""
        asked = dict(pn.state.location.query_params) if pn.state.location else {}

        def wanted(widget: Any, name: str) -> None:  # noqa: ANN401
            value = asked.get(name)
            if isinstance(widget, pn.widgets.Select):
                places = {str(option): option for option in widget.options}
                widget.value = places.get(str(value), widget.value)
            elif isinstance(widget, pn.widgets.Toggle):
                widget.value = value is True
            elif isinstance(value, int | float) and widget.start <= value <= widget.end:
                widget.value = value

        wanted(self._bundle, "model")
        self._new_bundle()
        wanted(self._group, "galaxies")
        self._new_group()
        wanted(self._galaxy, "galaxy")
        for widget, name in (
            *zip(self._sliders, Change._fields, strict=True),
            (self._agreement, "agreement"),
            (self._layers, "layers"),
            (self._compare, "compare"),
        ):
            wanted(widget, name)
        self._new_galaxy()

    def _new_bundle(self) -> None:
        explorer = self._explorer
        try:
            description = explorer.classifier(self._bundle.value).description
        except GalaxiesError as error:
            self._say(error)
            return
        agreements = [promise.agreement for promise in description.triage]
        kept = self._agreement.value if self._agreement.value in agreements else agreements[0]
        self._agreement.param.update(options=agreements, value=kept)
        self._choices = explorer.choices(self._bundle.value)
        groups = list(self._choices)
        group = self._group.value if self._group.value in groups else groups[0]
        self._group.param.update(options=groups, value=group)
        if self._group.value == MISTAKES:  # each model has its own
            self._new_group()
        self._show()

    def _new_group(self) -> None:
        # By name, because one galaxy can stand for several answers.
        options = list(self._choices[self._group.value])
        self._galaxy.param.update(options=options, value=options[0])
        self._new_galaxy()

    def _new_galaxy(self) -> None:
        if self._galaxy.value is None:
            return
        chosen = self._choices[self._group.value][self._galaxy.value]
        run = self._explorer.run
        self._voted = {}
        try:
            if isinstance(chosen, Path):
                self._frame, self._name = chosen.read_bytes(), f"simulated: {self._galaxy.value}"
            elif run is not None:
                self._frame, self._name = run.frame(chosen), f"galaxy {chosen}"
                self._voted = run.voted(chosen)
        except GalaxiesError as error:
            self._frame = None
            self._say(error)
            return
        self._link.disabled = False
        self._show()

    async def _new_file(self, _event: object) -> None:
        """Open a file that was dropped; it stays in memory."""
        name, data = self._file.filename, self._file.value
        if not data:
            return
        self._frame, self._voted = None, {}
        self._link.disabled = True  # a link cannot hold the file
        if len(data) > LARGEST_UPLOAD:  # sent by something other than the page
            self._refuse(name)
            return
        try:
            # In a thread, because a large file takes seconds, and other windows must not wait.
            frame = await asyncio.to_thread(self._opened, self._bundle.value, data)
        except (GalaxiesError, UnreadableImageError) as error:
            if data is self._file.value:
                self._say(f"{name} {error}")
            return
        if data is self._file.value:  # and not a later one
            self._frame, self._name = frame, name
            self._show()

    def _opened(self, bundle: str, data: bytes) -> AnyImage:
        """Check that a file can be shown, and make it quick to show again."""
        self._explorer.classifier(bundle).prepare(data)
        # A JPEG is decoded at a smaller scale each time; others have the same pixels as a frame.
        return data if data.startswith(b"\xff\xd8") else read_frame(data)

    def _refuse(self, name: str) -> None:
        self._frame, self._voted = None, {}
        self._say(f"{name} is larger than {LARGEST_UPLOAD // 1_000_000} MB")

    def _undo_changes(self) -> None:
        for widget, value in zip(self._sliders, Change(), strict=True):
            widget.value = value

    def _say(self, what: object) -> None:
        self._said.object = f'<p id="said" role="alert">{html.escape(str(what))}</p>'
        for pane in (self._hero, self._curves, self._tree, self._inside, self._others):
            pane.object = ""

    @property
    def _change(self) -> Change:
        return Change(*(widget.value for widget in self._sliders))

    def _show(self) -> None:
        """Show picture, evidence and answer at once, and the rest when the browser has these."""
        if self._frame is None:
            return
        try:
            classifier = self._explorer.classifier(self._bundle.value)
            image = changed(classifier.prepare(self._frame), self._change)
            seen = look(classifier, image, self._agreement.value)
            values = evidence(classifier, image)
        except (GalaxiesError, UnreadableImageError) as error:
            self._say(error)
            return
        self._said.object = ""
        self._hero.object = panels.hero(self._name, image, seen, values)
        self._tree.object = panels.tree(seen.answers, self._voted)
        self._link.label = "copy link"
        self._state.value = urlencode(
            {
                "model": self._bundle.value,
                "galaxies": self._group.value,
                "galaxy": self._galaxy.value,
                "agreement": self._agreement.value,
                **{name: json.dumps(value) for name, value in self._change._asdict().items()},
                "layers": json.dumps(self._layers.value),
                "compare": json.dumps(self._compare.value),
            }
        )
        if not self._waiting:
            self._waiting = True
            # Through Panel: outside its own document it would take style sheets from the internet.
            pn.state.execute(self._show_more, schedule=True)

    def _show_more(self) -> None:
        self._waiting = False
        if self._frame is None:
            return
        try:
            classifier = self._explorer.classifier(self._bundle.value)
            image = classifier.prepare(self._frame)
            seen = look(classifier, changed(image, self._change), self._agreement.value)
            answer_curves = curves(classifier, image, self._change)
            self._curves.object = panels.curves_of(answer_curves, self._change, seen.threshold)
        except (GalaxiesError, UnreadableImageError) as error:
            self._say(error)
            return
        self._inside.object = self._all_layers() if self._layers.value else ""
        compared = self._all_models(self._frame)
        self._others.object = panels.models(compared) if self._compare.value else ""

    def _all_models(self, frame: AnyImage) -> Iterator[panels.Compared]:
        for name in self._explorer.bundles:
            try:
                classifier = self._explorer.classifier(name)
                image = changed(classifier.prepare(frame), self._change)
                seen = look(classifier, image, self._agreement.value)
                values = evidence(classifier, image)
            except (GalaxiesError, UnreadableImageError) as error:
                yield panels.Compared(name, None, "", str(error))
                continue
            yield panels.Compared(name, seen, "" if values is None else _drawn(image, values), "")

    def _look_inside(self) -> Inside:
        if self._frame is None:
            raise GalaxiesError("no galaxy is chosen")
        classifier = self._explorer.classifier(self._bundle.value)
        if classifier.description.model != "cnn":
            raise GalaxiesError("only a CNN has layers")
        image = changed(classifier.prepare(self._frame), self._change)
        return look_inside(self._explorer.bundles[self._bundle.value], classifier.predictor, image)

    def _all_layers(self) -> str:
        try:
            return panels.layers(self._look_inside())
        except (GalaxiesError, UnreadableImageError) as error:
            return f'<p id="layers">{html.escape(str(error))}</p>'

    def _picture(self) -> io.BytesIO:
        """Draw the strip of the galaxy as it is shown, or its image for another model."""
        file = io.BytesIO()
        try:
            inside = self._look_inside()
        except (GalaxiesError, UnreadableImageError) as error:
            self._say(f"no picture: {error}")
            return file
        title = self._explorer.classifier(self._bundle.value).description.title
        draw_strip(inside, title, self._name).savefig(file, format="png", dpi=140)
        file.seek(0)
        return file


def _drawn(image: Pixels, values: panels.Floats) -> str:
    return png((255 * evidence_over(image, values)).round().astype(np.uint8))


def serve_explorer(
    explorer: Explorer, *, port: int = 0, browser: bool = True, host_names: Iterable[str] = ()
) -> None:
    """Show the page until Ctrl-C.

    Parameters
    ----------
    explorer : Explorer
        The bundles.
    port : int
        Port; 0 is any free port.
    browser : bool
        Whether to open the page in a browser.
    host_names : iterable of str
        Further host names by which a browser may open the page.
    """
    pn.extension(raw_css=[_PAGE])
    serve(
        lambda: explore_page(explorer),
        "galaxies explore",
        port=port,
        browser=browser,
        host_names=host_names,
    )
