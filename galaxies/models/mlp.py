"""The network with one hidden layer, the baseline."""

from galaxies.base.arrays import Pixels
from galaxies.base.tensorflow_import import importing_tensorflow
from galaxies.models.networks import GalaxyBatches, Network, fit_network, repeatable
from galaxies.settings import MlpSettings
from galaxies.training.fitting import Fit
from galaxies.training.parts import Part

with importing_tensorflow():
    import keras
    from keras import layers


class HiddenLayer(Network):
    """One hidden layer on averaged pixels."""

    title = "one hidden layer"


def build_mlp(side: int, settings: MlpSettings) -> keras.Model:
    """Build a network with one hidden layer on averaged pixels.

    Parameters
    ----------
    side : int
        Side of the images; the first layer averages them to `settings.size`.
    settings : MlpSettings
        Size of the network.

    Returns
    -------
    keras.Model

    Examples
    --------
    >>> from galaxies.settings import load_settings
    >>> build_mlp(64, load_settings().mlp).count_params()
    393473
    """
    return keras.Sequential(
        [
            keras.Input((side, side, 3), dtype="uint8", name="image"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.AveragePooling2D(side // settings.size, name="average"),
            layers.Flatten(name="flatten"),
            layers.Dense(settings.hidden, activation="relu", name="hidden"),
            layers.Dropout(settings.dropout, name="dropout"),
            layers.Dense(1, activation="sigmoid", dtype="float32", name="p_spiral"),
        ],
        name="mlp",
    )


def fit(images: Pixels, train: Part, validation: Part, settings: MlpSettings) -> Fit[HiddenLayer]:
    """Build the network, and train it.

    Parameters
    ----------
    images : ndarray of shape (M, side, side, 3), uint8
        Packed images.
    train, validation : Part
        Galaxies for training, and for choosing the epoch.
    settings : MlpSettings
        Size and training of the network.

    Returns
    -------
    Fit of HiddenLayer
        The network with the weights of the epoch with the lowest loss on the validation galaxies.

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or NaN.
    """
    repeatable(settings.seed)
    network = build_mlp(images.shape[1], settings)
    training = fit_network(
        network,
        keras.optimizers.SGD(settings.learning_rate, momentum=settings.momentum),
        GalaxyBatches(
            images, train.rows, train.labels, settings.batch, settings.seed, train.weights
        ),
        GalaxyBatches(
            images, validation.rows, validation.labels, settings.batch, weights=validation.weights
        ),
        settings.epochs,
    )
    return Fit(HiddenLayer(network), *training)
