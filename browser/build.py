"""Make one HTML file that runs the network of a bundle in the visitor's browser.

    npm ci --ignore-scripts --prefix browser
    python -m browser.build -o page.html --model models/cnn

The file contains everything: the network, ONNX Runtime, and simulated examples. Its
Content-Security-Policy forbids any connection, so that no image leaves the machine.
"""

import argparse
import base64
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from galaxies.base.outputs import written_beside
from galaxies.bundle.description import Description, read_description
from galaxies.bundle.known_galaxies import read_known
from galaxies.bundle.pretrained import PRETRAINED, bundle_folder
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Gradient
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.judgement.promises import Promise
from galaxies.models.saved_network import GRADIENT, NETWORK
from galaxies.pages.simulated_examples import EXAMPLES
from galaxies.questions.campaign import Campaign, Question

HERE = Path(__file__).parent
_DIST = HERE / "node_modules/onnxruntime-web/dist"
_RUNTIME, _WASM = _DIST / "ort.wasm.bundle.min.mjs", _DIST / "ort-wasm-simd-threaded.wasm"

_NOWHERE = '"https://nowhere.invalid/"'

POLICY = (
    "default-src 'none'; script-src '{page}' blob: 'wasm-unsafe-eval'; worker-src blob:; "
    "style-src '{style}'; img-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'"
)


def has_runtime() -> bool:
    """Tell whether npm has installed ONNX Runtime."""
    return _RUNTIME.is_file() and _WASM.is_file()


def build_page(folder: Path, output: Path) -> None:
    """Make the page.

    Parameters
    ----------
    folder : Path
        A bundle of a CNN.
    output : Path
        The HTML file to make.

    Raises
    ------
    GalaxiesError
        If ONNX Runtime is not installed, or the bundle is not a CNN.
    """
    if not has_runtime():
        raise GalaxiesError(f"{_DIST}: is missing; npm ci --ignore-scripts --prefix browser")
    description = read_description(folder)
    if description.model != "cnn":
        raise GalaxiesError(
            f"{folder}: a {description.title} cannot be explained; use a CNN bundle"
        )
    page, style = _read("familiarity.js", "page.js"), _read("page.css")
    runtime = _classic(_RUNTIME.read_text("utf-8"))
    worker = f"{runtime}\n{_read('appearance.js', 'network.js')}"
    parts = {
        "POLICY": POLICY.format(page=_digest(page), style=_digest(style)),
        "STYLE": style,
        "MODEL": json.dumps(model_of(folder, description)).replace("<", "\\u003c"),
        "NETWORK": _base64((folder / NETWORK).read_bytes()),
        "GRADIENT": _base64((folder / GRADIENT).read_bytes()),
        "WASM": _base64(_WASM.read_bytes()),
        "WORKER": _base64(worker.encode()),
        "PAGE": page,
    }
    html = _read("page.html")
    pieces = []
    for name, content in parts.items():  # in the order of the file
        before, html = html.split(name, 1)
        pieces += [before, content]
    with written_beside(output) as beside:
        beside.write_text("".join([*pieces, html]), encoding="utf-8")


def model_of(folder: Path, description: Description) -> dict[str, Any]:
    """Describe a bundle for the page: what it is asked, and what its answers are worth."""
    layout, campaign = description.layout, description.answers_of
    classes, judgement = description.class_places, description.judgement
    answered = [each for each in campaign.questions if each.name in description.answered]
    alone = not answered
    start = 0 if alone else layout.places(campaign).start
    asked = [
        {"start": start, "stop": start + 2, "answer": place, "words": answer.words, "first": True}
        | ({"alone": True} if alone else {})
        for place, answer in enumerate(campaign.first.answers[:2])
    ]
    asked += [
        {
            "start": start + each.places.start,
            "stop": start + each.places.stop,
            "answer": place,
            "words": answer.words,
        }
        for each in answered
        if each is not campaign.first
        for place, answer in enumerate(each.answers)
    ]
    return {
        "size": description.size,
        "crop": description.crop,
        "decoding": description.decoding,
        "views": description.views,
        "layers": [layer._asdict() for layer in Gradient(folder).layers.values()],
        "answers": layout.answers,
        "classes": [classes.elliptical, classes.spiral],
        "questions": [
            {
                "words": each.words,
                "start": layout.places(owner).start + each.places.start,
                "answers": [answer.words for answer in each.answers],
                "after": _place_after(description, owner, each),
                "shown": owner == campaign and each in answered,
            }
            for owner in layout.campaigns
            for each in owner.in_order_of_asking
        ],
        "asked": asked,
        "calibration": judgement.calibration.model_dump(),
        "promises": _promises(judgement.triage),
        "known": _known(folder),
        "examples": [
            {"name": path.stem[2:], "data": _base64(path.read_bytes())}
            for path in sorted(EXAMPLES.glob("*.jpg"))
        ],
        "about": (
            f"{description.title}, trained on {description.galaxies:,} galaxies of "
            f"{description.survey}. It predicts the votes of {campaign.title}; decisions at an "
            f"agreement of {judgement.triage[0].agreement:.0%} with its volunteers."
        ),
    }


def _place_after(description: Description, campaign: Campaign, question: Question) -> int | None:
    """Find the place of the answer that leads to a question."""
    if question.asked_after is None:
        return None
    start: int = description.layout.places(campaign).start
    return start + campaign.place(question.asked_after)


def _promises(promises: Iterable[Promise]) -> list[dict[str, float | None]]:
    ordered = sorted(promises, key=lambda promise: promise.agreement)
    return [{"agreement": each.agreement, "threshold": each.threshold} for each in ordered]


def _known(folder: Path) -> dict[str, list[float]]:
    """List the numbers that tell what is familiar; a bundle without them decides nothing."""
    known = read_known(folder)
    if known is None:
        nothing = np.empty(0, np.float32)
        known = KnownGalaxies(nothing, nothing, nothing)
    return {name: values.tolist() for name, values in known._asdict().items()}


def _read(*names: str) -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in names)


def _classic(module: str) -> str:
    """Turn the module of ONNX Runtime into a script: pages from a disk may not import modules."""
    body, exports, names = module.rpartition("export{")
    wanted = re.findall(r"([\w$]+) as (env|InferenceSession|Tensor)\b", names)
    if not exports or len(wanted) != 3:
        raise GalaxiesError(f"{_RUNTIME}: is not the version in package-lock.json; npm ci")
    ort = ",".join(f"{name}:{local}" for local, name in wanted)
    # The address of the script is only used to find files that are given here.
    return f"{body.replace('import.meta.url', _NOWHERE)}self.ort={{{ort}}};"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _digest(text: str) -> str:
    return f"sha256-{_base64(hashlib.sha256(text.encode()).digest())}"


def main() -> None:
    """Make the page that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=PRETRAINED / "real")
    options = parser.parse_args()
    build_page(bundle_folder(options.model), options.output)


if __name__ == "__main__":
    main()
