"""The parts of the page of `galaxies explore`, as HTML: what is seen, and what is answered."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.figures.strip import activation_over, evidence_over, signed
from galaxies.inside.strip import Inside
from galaxies.pages.looking import Change, Curve, Seen, png
from galaxies.questions.campaign import CLASSES, Campaign, Question
from galaxies.questions.registry import CAMPAIGNS

_CHANNELS: Final = 3
_MANY: Final = 0.5
"""Fraction of the volunteers from which a question counts as asked, and is unfolded."""

_UNITS: Final = {"rotation": "°", "blur": "% of the side", "noise": " grey levels"}

Floats = npt.NDArray[np.float32]

STYLE: Final = """
:host { --for: #b2182b; --against: #2166ac; --told: #f4a582; --bar: #c9c9c9; --soft: #666;
  --line: #ddd; font-size: 15px; line-height: 1.4; }
@media (prefers-color-scheme: dark) { :host { color: #eee; --for: #f08a80; --against: #7fb2e5;
  --told: #a3432f;  --bar: #565d66; --soft: #aaa; --line: #3a3f47; } }
* { box-sizing: border-box; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .4rem; }
h3 { font-size: .95rem; margin: 0; } p { margin: .3rem 0; }
.soft { color: var(--soft); font-size: .88em; }
.for { color: var(--for); } .against { color: var(--against); }
img { width: 100%; display: block; border-radius: 4px; }
#galaxy { image-rendering: pixelated; } #evidence { border: 1px solid var(--line); }
.hero { display: grid; gap: 1rem 1.6rem; grid-template-columns: repeat(3, minmax(0, 1fr)); }
.ends { display: flex; justify-content: space-between; }
#p_spiral { font-size: 2.4rem; line-height: 1.1; } #decision { font-size: 1.1rem; }
.scale { position: relative; height: 1.1rem; border-radius: 3px; margin: .4rem 0 0;
  background: color-mix(in srgb, var(--bar) 35%, transparent); }
.scale i { position: absolute; top: -3px; bottom: -3px; width: 4px; margin-left: -2px;
  background: currentColor; border-radius: 2px; }
.scale b { position: absolute; top: 0; bottom: 0; background: var(--told); opacity: .55; }
.grid { display: grid; gap: 1rem 1.4rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.tiles { display: grid; gap: .5rem; grid-template-columns: repeat(3, minmax(0, 1fr)); }
.models { display: grid; gap: 1rem; grid-template-columns:
  repeat(auto-fill, minmax(170px, 1fr)); }
.curves { display: grid; gap: .6rem 1.4rem; grid-template-columns: repeat(3, minmax(0, 1fr)); }
svg { width: 100%; height: auto; overflow: visible; }
svg text { font-size: 11px; fill: var(--soft); }
details { border-top: 1px solid var(--line); padding: .35rem 0; break-inside: avoid; }
summary { cursor: pointer; } summary:focus-visible { outline: 3px solid var(--told); }
.tree { columns: 2; column-gap: 1.6rem; }
.row { position: relative; display: flex; justify-content: space-between; padding: .1rem .5rem;
  margin: .2rem 0; font-size: .9rem; border-radius: 3px; }
.row i { position: absolute; top: -1px; bottom: -1px; width: 3px; background: currentColor; }
@media (max-width: 760px) { .hero { grid-template-columns: 1fr 1fr; }
  .hero > :last-child { grid-column: 1 / -1; } .tree { columns: 1; }
  .grid, .curves { grid-template-columns: 1fr; } }
@media (max-width: 440px) { h1 { font-size: 1.35rem; } .hero { grid-template-columns: 1fr; } }
"""


def title() -> str:
    """Say what the page is."""
    return (
        "<h1>Where does the answer turn?</h1>"
        '<p class="soft">Turn, blur or disturb a galaxy, and see what a network sees in it, and '
        "what it answers.</p>"
    )


def hero(name: str, image: Pixels, seen: Seen, evidence: Floats | None) -> str:
    """Show the picture, the evidence and the answer.

    Parameters
    ----------
    name : str
        Name of the galaxy.
    image : ndarray of shape (size, size, 3), uint8
        What the network is given.
    seen : Seen
        Its answers.
    evidence : ndarray of shape (size, size), float32, optional
        For the predicted class; `None` for a model that cannot be explained.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.pages.looking import Seen
    >>> seen = Seen(0.8, "ask volunteers", 0.7, 0.1, {})
    >>> shown = hero("galaxy 7", np.zeros((8, 8, 3), np.uint8), seen, None)
    >>> 'id="p_spiral">0.800<' in shown, "only a CNN can be explained" in shown
    (True, True)
    """
    predicted = CLASSES[int(seen.p_spiral > 0.5)]
    bright = (255 * np.sqrt(image / 255)).round().astype(np.uint8)
    told = f"{html.escape(name)}, as the network is given it"
    given = f'<img id="galaxy" alt="{told}" src="{png(bright)}">'
    if evidence is None:
        where = '<p id="unexplained" class="soft">only a CNN can be explained</p>'
    else:
        drawn = png((255 * evidence_over(image, evidence)).round().astype(np.uint8))
        where = (
            f'<img id="evidence" alt="evidence for {predicted}" src="{drawn}">'
            '<p class="ends"><span class="against">against it</span>'
            f'<span class="for">for {predicted}</span></p>'
        )
    unfamiliar = ": it looks unlike the galaxies that the model knows" if seen.unfamiliar else ""
    return (
        f'<section class="hero"><div><h2>{html.escape(name)}</h2>{given}</div>'
        f"<div><h2>Where it sees evidence</h2>{where}</div>"
        f'<div><h2>What it answers</h2><p class="soft">p(spiral)</p>'
        f'<b id="p_spiral">{seen.p_spiral:.3f}</b>{_scale(seen.p_spiral, seen.threshold)}'
        f'<p><b id="decision">{seen.decision}</b>{unfamiliar}</p>'
        f'<p class="soft">Of the volunteers, {seen.vote_fraction:.0%} ± {seen.spread:.0%} would '
        "see features or a disk.</p></div></section>"
    )


def _scale(p: float, threshold: float | None) -> str:
    """Draw p between the classes, and from where the machine decides."""
    decided = ""
    if threshold is not None:
        decided = f'<b style="left: 0; width: {1 - threshold:.1%}"></b>'
        decided += f'<b style="right: 0; width: {1 - threshold:.1%}"></b>'
    told = "coloured: the machine decides" if decided else "the machine decides nothing"
    return (
        f'<div class="scale">{decided}<i style="left: {p:.1%}"></i></div>'
        f'<p class="ends soft"><span>{CLASSES[0]}</span><span>{told}</span><span>{CLASSES[1]}'
        "</span></p>"
    )


def tree(predicted: Mapping[str, float], voted: Mapping[str, float]) -> str:
    """Show all questions; those that few volunteers are asked are folded.

    Parameters
    ----------
    predicted, voted : mapping of str to float
        Vote fractions by column, such as `gz2.bar_yes`; unknown ones are missing.

    Returns
    -------
    str
        Empty if there are no vote fractions.

    Examples
    --------
    >>> shown = tree({"gz2.odd_yes": 0.25, "gz2.odd_no": 0.75}, {})
    >>> "Is there anything odd?" in shown, shown.count('class="row"')
    (True, 2)
    """
    blocks: list[str] = []
    for campaign in CAMPAIGNS.values():
        columns = [f"{campaign.name}.{name}" for name in campaign.names]
        if not set(columns) & (predicted.keys() | voted.keys()):
            continue
        both = [
            _Fractions.of(np.array([shares.get(column, np.nan) for column in columns]), campaign)
            for shares in (predicted, voted)
        ]
        asked = [
            _question(question, *both)
            for question in campaign.in_order_of_asking
            if any(not np.isnan(each.within[question.places]).all() for each in both)
        ]
        unfolded = " open" if not blocks or set(columns) & voted.keys() else ""
        blocks.append(
            f"<details{unfolded}><summary><b>{html.escape(campaign.title)}</b></summary>"
            f'<div class="tree">{"".join(asked)}</div></details>'
        )
    told = "Bars: predicted fractions of those who are asked"
    told += "; lines: the volunteers' votes." if voted else "."
    head = f'<h2>All its answers</h2><p class="soft">{told}</p>'
    return f'<section id="questions">{head}{"".join(blocks)}</section>' if blocks else ""


class _Fractions(NamedTuple):
    """Vote fractions of one galaxy: among those asked, and how many are asked."""

    within: npt.NDArray[np.float64]
    asked: npt.NDArray[np.float64]

    @classmethod
    def of(cls, shares: npt.NDArray[np.float64], campaign: Campaign) -> "_Fractions":
        return cls(campaign.within_questions(shares), campaign.shares_asked(shares))


def _question(question: Question, predicted: _Fractions, voted: _Fractions) -> str:
    place = question.number - 1
    shares = [each.asked[place] for each in (predicted, voted)]
    words = [
        f"{word} {share:.0%}"
        for word, share, each in zip(("asked of", "voted"), shares, (predicted, voted), strict=True)
        if not (np.isnan(share) or np.isnan(each.within[question.places]).all())
    ]
    rows = []
    for number, answer in enumerate(question.answers, question.places.start):
        share, observed = predicted.within[number], voted.within[number]
        bar = mark = ""
        numbers = []
        if not np.isnan(share):
            pale = "color-mix(in srgb, var(--bar) 25%, transparent)"
            bar = f"linear-gradient(to right, var(--bar) {share:.1%}, {pale} {share:.1%})"
            numbers.append(f"{share:.2f}")
        if not np.isnan(observed):
            mark = f'<i style="left: {observed:.1%}"></i>'
            numbers.append(f"voted {observed:.2f}")
        rows.append(
            f'<div class="row" style="background: {bar or "none"}"><span>'
            f"{html.escape(answer.words)}</span>{mark}<span>{', '.join(numbers)}</span></div>"
        )
    unfolded = " open" if np.nanmax([*shares, 0]) >= _MANY else ""
    return (
        f"<details{unfolded}><summary>{html.escape(question.words)} "
        f'<span class="soft">{", ".join(words)}</span></summary>{"".join(rows)}</details>'
    )


def layers(inside: Inside) -> str:
    """Show the channels of a few layers that carry the decision.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.predictor import Predictor
    >>> from galaxies.inside.strip import look_inside
    >>> folder = Path("models/cnn")
    >>> shown = layers(look_inside(folder, Predictor(folder), np.load("data/images.npy")[0]))
    >>> shown.count("<img")
    12
    """
    numbers = {name: number for number, name in enumerate(inside.layers, 1)}
    blocks = []
    for each in inside.story():
        rows, columns, channels = each.activations.shape
        tiles = []
        for channel in each.important(_CHANNELS):
            share = float(each.shares[channel])
            over = activation_over(inside.image, each.activations[..., channel])
            source = png((255 * over.clip(0, 1)).round().astype(np.uint8))
            told = f"layer {numbers[each.layer.name]}, channel {channel}"
            side = "for" if share > 0 else "against"
            tiles.append(
                f'<div><img alt="{told}" src="{source}"><b class="{side}">{signed(share)}</b></div>'
            )
        field = min(each.layer.field, len(inside.image))
        blocks.append(
            f"<div><h3>Layer {numbers[each.layer.name]}</h3>"
            f'<p class="soft">{channels} channels of {rows} × {columns}, '  # noqa: RUF001
            f'each sees {field} pixels</p><div class="tiles">{"".join(tiles)}</div></div>'
        )
    question = inside.campaign.question(inside.question)
    answer = next(each for each in question.answers if each.name == inside.answer)
    told = (
        "Yellow: where a channel responds. Below it its share of the layer's effect on "
        f'“{html.escape(answer.words)}”, <span class="for">for it (+)</span> or '
        '<span class="against">against it (−)</span>.'  # noqa: RUF001
    )
    return (
        f'<section id="layers"><h2>Its layers</h2><p class="soft">{told}</p>'
        f'<div class="grid">{"".join(blocks)}</div></section>'
    )


def curves_of(curves: Sequence[Curve], change: Change, threshold: float | None) -> str:
    """Draw p against rotation, blur and noise, with a mark where the sliders are.

    Examples
    --------
    >>> from galaxies.pages.looking import Change, Curve
    >>> drawn = curves_of([Curve("blur", (0.0, 5.0), (0.9, 0.3))], Change(blur=2.5), 0.8)
    >>> "p(spiral) from 0.30 to 0.90" in drawn
    True
    """
    drawn = [_curve(each, float(getattr(change, each.name)), threshold) for each in curves]
    return f'<section id="curves" class="curves">{"".join(drawn)}</section>'


def _curve(curve: Curve, now: float, threshold: float | None) -> str:
    wide, tall, left, top = 250.0, 90.0, 26.0, 8.0
    largest = curve.values[-1]

    def x(value: float) -> float:
        return left + wide * value / largest

    def y(p: float) -> float:
        return top + tall * (1 - p)

    points = " ".join(
        f"{x(value):.1f},{y(p):.1f}" for value, p in zip(curve.values, curve.p_spiral, strict=True)
    )
    told = f"p(spiral) from {min(curve.p_spiral):.2f} to {max(curve.p_spiral):.2f} by {curve.name}"
    decided = ""
    for p in () if threshold is None else (1 - threshold, threshold):
        edge, height = (y(1), y(p) - y(1)) if p == threshold else (y(p), y(0) - y(p))
        decided += (
            f'<rect x="{left}" y="{edge:.1f}" width="{wide}" height="{height:.1f}" '
            'fill="var(--told)" opacity=".35"/>'
        )
    axes = "".join(
        f'<text x="{left - 4}" y="{y(p) + 4:.1f}" text-anchor="end">{p:g}</text>' for p in (0, 1)
    )
    unit = _UNITS[curve.name]
    axes += (
        f'<text x="{left}" y="{tall + 22}">0</text><text x="{left + wide}" y="{tall + 22}" '
        f'text-anchor="end">{largest:g}{unit}</text><text x="{left + wide / 2}" y="{tall + 22}" '
        f'text-anchor="middle">{curve.name}</text>'
    )
    return (
        f'<svg role="img" aria-label="{told}" viewBox="0 0 {left + wide + 4} {tall + 26}">'
        f'{decided}<line x1="{left}" x2="{left + wide}" y1="{y(0.5)}" y2="{y(0.5)}" '
        'stroke="var(--soft)" stroke-dasharray="3 3"/>'
        f'<line x1="{x(now):.1f}" x2="{x(now):.1f}" y1="{top}" y2="{top + tall}" '
        'stroke="currentColor" stroke-width="1.5"/>'
        f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2.5"/>{axes}</svg>'
    )


class Compared(NamedTuple):
    """The answer of one of several models."""

    name: str
    seen: Seen | None
    evidence: str
    """Data URL of the picture; empty if the model cannot be explained."""
    error: str


def models(compared: Iterator[Compared]) -> str:
    """Show the answers of models side by side.

    Examples
    --------
    >>> bad = Compared("mine", None, "", "mine: damaged")
    >>> "mine: damaged" in models(iter([bad]))
    True
    """
    cards = []
    for each in compared:
        if each.seen is None:
            shown = f'<p class="soft">{html.escape(each.error)}</p>'
        else:
            picture = f'<img alt="its evidence" src="{each.evidence}">' if each.evidence else ""
            shown = (
                f"<p><b>{each.seen.p_spiral:.3f}</b> {html.escape(each.seen.decision)}</p>"
                f"{_scale(each.seen.p_spiral, None).split('<p')[0]}<p></p>{picture}"
            )
        cards.append(f'<div class="model"><h3>{html.escape(each.name)}</h3>{shown}</div>')
    return (
        '<section id="models"><h2>The models side by side</h2><p class="soft">p(spiral), the '
        f'decision, and the evidence where there is any.</p><div class="models">{"".join(cards)}'
        "</div></section>"
    )
