"""The two recipes of the CNN side by side: the same galaxies, the same split, one run.

Both train on the pipeline's split of a survey with the settings of `params.yaml`, are calibrated on
its validation galaxies, and are scored on its test galaxies: the reference's recipe as it was,
without the orientation average, and the residual one with it; in between, the residual recipe
without the average and from random weights, to see what each part is worth. "bare" is the share of
the rate of a training step on one fixed batch that the whole training reaches: what the input costs.

    python -m benchmarks.reference data/gz1
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.sim_to_real import read_survey
from galaxies.calibration import fit_calibration
from galaxies.network import predict_network, train_cnn
from galaxies.orientations import score_rows
from galaxies.outputs import write_json
from galaxies.scores import score
from galaxies.settings import load_settings
