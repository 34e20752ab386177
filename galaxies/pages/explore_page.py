"""The page of `galaxies explore`: a galaxy, sliders that change it, and a model's answers."""

import asyncio
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import panel as pn

from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import AnyImage, read_frame
from galaxies.pages.finished_run import MISTAKES, FinishedRun
from galaxies.pages.looking import (
    Change,
    changed,
    evidence,
    evidence_layer,
    layer_activations,
    layers_picture,
    look,
    png,
    questions_table,
)
from galaxies.pages.serving import LARGEST_UPLOAD, refuse_large_files, serve

_LAID: Final = "position: absolute; inset: 0; width: 100%; image-rendering: pixelated"


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
        known = {name: path for name, path in pretrained.items() if path.name == "real"}
        self.bundles = given | best | self.trained | known | pretrained
        self._classifiers: dict[str, Classifier] = {}
        self.classifier(next(iter(self.bundles)))

    def classifier(self, name: str) -> Classifier:
        """Load a bundle, once."""
        if name not in self._classifiers:
            path = self.bundles[name]
            least = read_description(path).triage[0].agreement
            self._classifiers[name] = Classifier(path, Options(agreement=least))
        return self._classifiers[name]


def explore_page(explorer: Explorer) -> Any:  # noqa: ANN401 - Panel has no types
    """Lay out the page for one window."""
    return _Window(explorer).layout


class _Window:
    """The widgets of a window, and its galaxy."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._frame: AnyImage | None = None
        self._voted: dict[str, float] = {}
        wide = {"sizing_mode": "stretch_width"}
        slider = pn.widgets.FloatSlider
        self._bundle = pn.widgets.Select(label="model", options=list(explorer.bundles), **wide)
        self._agreement = pn.widgets.Select(label="target agreement", **wide)
        self._group = pn.widgets.Select(label="galaxies", **wide)
        self._galaxy = pn.widgets.Select(label="galaxy", **wide)
        self._file = pn.widgets.FileInput(label="or drop a JPEG, PNG or FITS file", **wide)
        self._large = refuse_large_files(self._refuse)
        # In the order of `Change`.
        self._sliders = [
            slider(label="rotation [degrees]", start=0, end=360, step=1, **wide),
            pn.widgets.Toggle(label="mirror"),
            slider(label="size", start=0.5, end=2, step=0.01, value=1, **wide),
            slider(label="blur [% of the side]", start=0, end=5, step=0.25, **wide),
            slider(label="noise [grey levels]", start=0, end=50, step=1, **wide),
        ]
        self._reset = pn.widgets.Button(label="reset")
        self._evidence = pn.widgets.Toggle(label="evidence")
        self._layers = pn.widgets.Toggle(label="layers")
        self._compare = pn.widgets.Toggle(label="compare all models")
        panes = [pn.pane.HTML(**wide) for _ in range(6)]
        self._said, self._picture, self._verdict, self._tree, self._inside, self._others = panes
        self._watch()
        self.layout = self._laid_out()
        self._new_bundle()
        self._new_group()

    def _laid_out(self) -> Any:  # noqa: ANN401
        choose = [self._group, self._galaxy] if self._explorer.run else []
        shown = pn.Column(
            *(self._said, self._picture, self._verdict, self._others, self._inside), width=320
        )
        controls = pn.Column(
            *(*choose, *self._sliders, self._reset),
            pn.FlexBox(self._evidence, self._layers, self._compare),
            *(self._bundle, self._agreement, self._file),
            width=320,
        )
        tree = pn.Column(self._tree, width=320)
        return pn.FlexBox(shown, controls, tree, self._large)  # stacked on a narrow screen

    def _watch(self) -> None:
        self._bundle.param.watch(lambda _: self._new_bundle(), "value")
        self._group.param.watch(lambda _: self._new_group(), "value")
        self._galaxy.param.watch(lambda _: self._new_galaxy(), "value")
        self._file.param.watch(self._new_file, "value")
        self._reset.on_click(lambda _: self._undo_changes())
        shown = (self._agreement, self._evidence, self._layers, self._compare)
        for widget in (*self._sliders, *shown):
            widget.param.watch(lambda _: self._show(), "value")

    def _new_bundle(self) -> None:
        explorer = self._explorer
        try:
            description = explorer.classifier(self._bundle.value).description
        except GalaxiesError as error:
            self._say(error)
            return
        self._evidence.visible = description.model == "cnn"
        agreements = [promise.agreement for promise in description.triage]
        kept = self._agreement.value if self._agreement.value in agreements else agreements[0]
        self._agreement.param.update(options=agreements, value=kept)
        if explorer.run:
            self._choices = explorer.run.choices(self._bundle.value)
            groups = list(self._choices)
            group = self._group.value if self._group.value in groups else groups[0]
            self._group.param.update(options=groups, value=group)
            if self._group.value == MISTAKES:  # each model has its own
                self._new_group()
        self._show()

    def _new_group(self) -> None:
        if self._explorer.run:
            # By name, because one galaxy can stand for several answers.
            options = list(self._choices[self._group.value])
            self._galaxy.param.update(options=options, value=options[0])
            self._new_galaxy()

    def _new_galaxy(self) -> None:
        run = self._explorer.run
        if run is None or self._galaxy.value is None:
            return
        galaxy_id = self._choices[self._group.value][self._galaxy.value]
        try:
            self._frame = run.frame(galaxy_id)
        except GalaxiesError as error:
            self._frame = None
            self._say(error)
            return
        self._voted = run.voted(galaxy_id)
        self._show()

    async def _new_file(self, _event: object) -> None:
        """Open a file that was dropped; it stays in memory."""
        name, data = self._file.filename, self._file.value
        if not data:
            return
        self._frame, self._voted = None, {}
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
            self._frame = frame
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
        for pane in (self._picture, self._verdict, self._tree, self._inside, self._others):
            pane.object = ""

    def _show(self) -> None:
        if self._frame is None:
            self._say("Drop a JPEG, PNG or FITS file with a galaxy at the centre.")
            return
        try:
            self._show_galaxy(self._frame)
        except (GalaxiesError, UnreadableImageError) as error:
            self._say(error)

    def _show_galaxy(self, frame: AnyImage) -> None:
        classifier = self._explorer.classifier(self._bundle.value)
        change = Change(*(widget.value for widget in self._sliders))
        image = changed(classifier.prepare(frame), change)
        seen = look(classifier, image, self._agreement.value)
        laid = grey = told = ""
        if self._evidence.value and (values := evidence(classifier, image)) is not None:
            source = png(evidence_layer(values))
            laid = f'<img id="evidence" alt="evidence" style="{_LAID}" src="{source}">'
            grey = "; filter: grayscale(1)"  # so that only the evidence has colours
            told = "<p>Red: evidence for the predicted class. Blue: against it.</p>"
        self._said.object = ""
        self._picture.object = (
            '<div style="position: relative; aspect-ratio: 1; max-width: 320px">'
            f'<img id="galaxy" alt="the galaxy" style="{_LAID}{grey}" src="{png(image)}">{laid}'
            f"</div>{told}"
        )
        self._verdict.object = (
            f'<p>p_spiral <b id="p_spiral">{seen.p_spiral:.3f}</b><br>'
            f'decision <b id="decision">{seen.decision}</b><br>'
            f"predicted vote fraction {seen.vote_fraction:.3f}<br>spread {seen.spread:.3f}</p>"
        )
        self._tree.object = questions_table(seen.answers, self._voted)
        self._others.object = self._all_models(frame, change) if self._compare.value else ""
        self._inside.object = self._all_layers(image) if self._layers.value else ""

    def _all_models(self, frame: AnyImage, change: Change) -> str:
        rows = []
        for name in self._explorer.bundles:
            try:
                classifier = self._explorer.classifier(name)
                seen = look(
                    classifier, changed(classifier.prepare(frame), change), self._agreement.value
                )
                said = f"<td>{seen.p_spiral:.3f}</td><td>{seen.decision}</td>"
            except (GalaxiesError, UnreadableImageError) as error:
                said = f'<td colspan="2">{html.escape(str(error))}</td>'
            rows.append(f"<tr><td>{html.escape(name)}</td>{said}</tr>")
        head = "<tr><td>model</td><td>p_spiral</td><td>decision</td></tr>"
        return f'<table id="models">{head}{"".join(rows)}</table>'

    def _all_layers(self, image: Any) -> str:  # noqa: ANN401
        try:
            layers = layer_activations(self._explorer.bundles[self._bundle.value], image)
        except GalaxiesError as error:
            return f'<p id="layers">{html.escape(str(error))}</p>'
        names = ", ".join(layer.name for layer in layers)
        source = png(layers_picture([layer.values for layer in layers]))
        return f'<p>{names}</p><img id="layers" alt="layers" style="width: 100%" src="{source}">'


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
    pn.extension()
    serve(
        lambda: explore_page(explorer),
        "galaxies explore",
        port=port,
        browser=browser,
        host_names=host_names,
    )
