"""How well a bundle does on a survey that it was not trained on.

Each survey is left out in turn: all others are merged as for the pretrained network (Kaggle's
galaxies weighed like the unselected ones), the network is trained on them, starting from the bundle
`simulated`, and tested on every galaxy of the survey that was left out. It answers for the survey's
campaign or, if it has not learned that one, for another with the same questions. The results also
say whether the survey looks familiar to the bundle, and whether its promises would have been kept.

    python -m benchmarks.leave_one_out --data ../shared/data

With `--bundles FOLDER` the trained bundles are kept, one for each survey left out; `promises` and
`evidence` use them. Without `--data`, the folder of surveys is $GALAXY_DATA.
"""

import argparse
import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.fingerprints import from_text
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import p_spiral, read_outputs
from galaxies.bundle.description import Description
from galaxies.dataset.layout import FIRST_VOTES, IMAGES, read_campaign
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import campaign_of, first_votes, read_survey_votes
from galaxies.judgement.appearance import appearance
from galaxies.judgement.class_shares import estimate_spiral_share, odds_factor
from galaxies.judgement.familiarity import LEVEL
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.judgement.vote_scores import Answered, score_answers
from galaxies.models.cnn import Cnn, fit
from galaxies.questions.campaign import Campaign
from galaxies.questions.layout import layout_of
from galaxies.questions.registry import CAMPAIGNS
from galaxies.settings import Settings, load_settings
from galaxies.surveys.merge import merge_surveys
from galaxies.training.parts import Part, Votes
from galaxies.training.training import Preparation, TrainingGalaxies, train

SURVEYS = ("challenge_sample", "challenge", "gz2", "gz1", "gz1b", "kaggle", "mergers")
UNSELECTED = "challenge_sample"
"""The survey by which Kaggle's galaxies are weighed."""

LEFT_OUT = ("gz1", "gz1b", "gz2", "kaggle")
"""Those that have both classes, and enough galaxies."""

RECIPE: dict[str, object] = {"epochs": 12, "learning_rate": 0.002}
"""Settings of `cnn.residual` for the pretrained network."""

BINS = 15


class Survey(NamedTuple):
    """A packed survey."""

    images: Pixels
    table: pd.DataFrame
    """A row for each image: `galaxy_id`, `sha1`, `fingerprint`, and all votes."""

    @property
    def votes(self) -> Votes:
        """All votes."""
        layout = layout_of(self.table.columns, CAMPAIGNS.values())
        shares = self.table[list(layout.columns)].to_numpy(np.float32)
        return Votes(layout, shares, self.table["volunteers"].to_numpy(np.float32))

    @property
    def first(self) -> pd.DataFrame:
        """The votes that define the classes, as `galaxies.dataset.votes.first_votes`."""
        campaign = campaign_of(self.table)
        first = pd.DataFrame(self.votes.first(campaign), columns=list(FIRST_VOTES))
        first.insert(0, "galaxy_id", self.table["galaxy_id"].to_numpy())
        return first_votes(self.table, first)


def read_survey(folder: Path, packed: Path, settings: Settings) -> Survey:
    """Pack a survey into a temporary folder."""
    array = packed / f"{folder.name}.npy"
    pack = settings.pack
    images = pack_images(
        folder / IMAGES,
        array,
        size=pack.size,
        crop=pack.crop,
        decoding=pack.decoding,
        max_unreadable=pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    ).table
    table = images.merge(read_survey_votes(folder, settings.volunteers), on="galaxy_id")
    return Survey(open_array(array)[table["row"].to_numpy()], table)


def take(survey: Survey, galaxies: npt.NDArray[Any]) -> Survey:
    """Select some galaxies of a survey, by a mask or their places."""
    return Survey(survey.images[galaxies], survey.table.loc[galaxies].reset_index(drop=True))


def merged(folders: list[Path], scratch: Path, settings: Settings) -> Survey:
    """Merge surveys as for the pretrained network."""
    like = next((folder for folder in folders if folder.name == UNSELECTED), None)
    merge_surveys(folders, scratch / "merged", skip_known=True, like=like, overwrite=True)
    return read_survey(scratch / "merged", scratch, settings)


def without(survey: Survey, judged: Survey, seed: int) -> TrainingGalaxies:
    """Leave out the galaxies of the test, by pixels and IDs; a fifth of the rest is validation."""
    test = judged.table
    kept = ~survey.table["galaxy_id"].isin(test["galaxy_id"])
    kept &= ~survey.table["sha1"].isin(test["sha1"])
    rest = take(survey, kept.to_numpy())
    votes, first, campaign = rest.votes, rest.first, campaign_of(rest.table)
    known = first["p_smooth"].notna().to_numpy()  # not of a class that chose them
    labels = np.where(known, votes.labels(campaign), -1)
    galaxies = first.assign(survey=rest.table["survey"], weight=rest.table["weight"])
    prints = from_text(rest.table["fingerprint"])
    everything = Part(galaxies, np.arange(len(labels)), labels, prints, votes)
    order = np.random.default_rng(seed).permutation(len(labels))
    validation = np.isin(everything.rows, order[: len(order) // 5])
    parts = (everything.where(~validation), everything.where(validation))
    return TrainingGalaxies(rest.images, *parts, "others", campaign, "")


def judged_as(description: Description, campaign: Campaign) -> Description:
    """Describe a bundle for a campaign, or for one with the same questions."""
    if campaign.name in description.judgements:
        return description.by(campaign.name)
    alike = (CAMPAIGNS[name] for name in description.judgements)
    return description.by(next(other.name for other in alike if other.has_tree_of(campaign)))


def judge(
    network: Cnn, description: Description, survey: Survey, campaign: Campaign
) -> dict[str, Any]:
    """Score a network on a survey that it has not seen, for the survey's own question."""
    votes = survey.votes
    labels = votes.labels(campaign)
    classified = labels >= 0
    labels = labels[classified]
    layout, asked = description.layout, description.answers_of
    outputs = read_outputs(network.predict(survey.images[classified]), layout)
    raw = p_spiral(outputs, description.class_places)
    p = description.calibration(raw)
    judgement = description.judgement
    assert judgement.outputs is not None
    share = judgement.outputs.spiral_share
    moved = odds_factor(share, estimate_spiral_share(p, share))
    adjusted = description.calibration.with_odds(moved)(raw)
    scores: dict[str, Any] = {
        "campaign": description.campaign,
        "galaxies": len(labels),
        "spirals": float(labels.mean()),
        "roc_auc": float(roc_auc_score(labels, p)),
        "accuracy": float(((p > 0.5) == labels).mean()),
        "ece": expected_calibration_error(labels, p.astype(np.float64), BINS),
        "accuracy_by_shares": float(((adjusted > 0.5) == labels).mean()),
        "ece_by_shares": expected_calibration_error(labels, adjusted.astype(np.float64), BINS),
    }
    answers = Answered(
        asked,
        votes.shares[classified][:, votes.layout.places(campaign)].astype(np.float64),
        votes.volunteers[classified].astype(np.float64),
        outputs[:, layout.places(asked)].astype(np.float64),
        outputs[:, layout.concentration_places(asked)].astype(np.float64),
    )
    scores |= {key: value for key, value in score_answers(answers).items() if "rmse" in key}
    for promise in description.triage:
        name = f"{100 * promise.agreement:g}"
        if promise.threshold is not None:
            decided = np.maximum(p, 1 - p) >= promise.threshold
            scores[f"decided_{name}"] = float(decided.mean())
            agreed = ((p > 0.5) == labels)[decided]
            scores[f"agreed_{name}"] = float(agreed.mean()) if decided.any() else None
    return scores


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--only", choices=LEFT_OUT, nargs="*", default=LEFT_OUT)
    parser.add_argument("--bundles", type=Path, help="folder that keeps what was trained")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/leave_one_out.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    settings = load_settings()
    update = RECIPE if options.epochs is None else RECIPE | {"epochs": options.epochs}
    residual = settings.cnn.residual.model_copy(update=update)
    cnn = settings.cnn.model_copy(update={"residual": residual})
    results: dict[str, Any] = {}
    if options.output.is_file():
        results |= json.loads(options.output.read_text(encoding="utf-8"))
    preparation = Preparation(settings.pack.size, settings.pack.crop, settings.pack.decoding, 1)
    folders = {name: options.data / name for name in SURVEYS if (options.data / name).is_dir()}
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for name in options.only if name in folders):
            judged = read_survey(folders[name], Path(folder), settings)
            others = merged(
                [folders[other] for other in folders if other != name], Path(folder), settings
            )
            galaxies = without(others, judged, settings.split.seed)
            trained = train(
                "cnn", partial(fit, settings=cnn), galaxies, preparation, settings.triage
            )
            if options.bundles:
                options.bundles.mkdir(parents=True, exist_ok=True)
                kept = options.bundles / name
                trained.save(kept, kept.with_suffix(".json"), kept.with_suffix(".history.json"))
            campaign = read_campaign(folders[name])
            description = judged_as(trained.description, campaign)
            unfamiliar = int((trained.known.p_values(appearance(judged.images)) <= LEVEL).sum())
            results[name] = {
                "epochs": residual.epochs,
                "learned_from": trained.description.galaxies,
                "unfamiliar": unfamiliar / len(judged.table),
                "familiar": trained.known.survey_is_familiar(unfamiliar, len(judged.table)),
                **judge(trained.fit.model, description, judged, campaign),
            }
            print(pd.Series(results[name], name=name).to_string(), flush=True)
            write_json(options.output, results)


if __name__ == "__main__":
    main()
