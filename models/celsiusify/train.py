"""Trains one neuron that converts degrees Fahrenheit to Celsius, and exports it for both runtimes.

    python train.py [--out FOLDER] [--seed 451]

FOLDER/<version>/ gets `saved_model.pb` with `variables/` (TensorFlow Serving) and `model.onnx` (`dray models serve`).
Its signature `serving_default` takes `fahrenheit`, float32 [batch, 1], and gives `celsius`, float32 [batch, 1].
The exit code is 1 where the model misses the formula by 0.001 degrees or more anywhere from -500 to 1500.
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its order of additions differs between machines

import numpy as np
import tensorflow as tf

VERSION = "1"
LOWEST, HIGHEST = -500.0, 1500.0
TOLERANCE = 1e-3
SAMPLES = 4096
EPOCHS = 400
# ONNX 13 is what every runtime of the last years reads.
OPSET = 13


def celsius(fahrenheit):
    """The formula, in float64."""
    return (np.asarray(fahrenheit, np.float64) - 32) * 5 / 9


class Converter(tf.Module):
    """One neuron, in float32 as it is served."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight = tf.Variable([[weight]], dtype=tf.float32, name="weight")
        self.bias = tf.Variable([bias], dtype=tf.float32, name="bias")

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="fahrenheit")])
    def serve(self, fahrenheit):
        return {"celsius": tf.matmul(fahrenheit, self.weight) + self.bias}


def train(seed):
    """Weight and bias by gradient descent on samples, and the loss of each epoch.

    Inputs are standardised for the training and the neuron is folded back afterwards: with degrees as they are the
    loss is a narrow valley, which gradient descent walks along for ages. In float64, because what is asked for is
    close to the last digits of float32.
    """
    random = np.random.default_rng(seed)
    inputs = random.uniform(LOWEST, HIGHEST, SAMPLES)
    targets = celsius(inputs)
    mean, deviation = inputs.mean(), inputs.std()
    x = tf.constant((inputs - mean) / deviation, tf.float64)
    y = tf.constant(targets, tf.float64)
    weight = tf.Variable(random.normal(), dtype=tf.float64)
    bias = tf.Variable(0.0, dtype=tf.float64)
    losses = []
    for _ in range(EPOCHS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((weight * x + bias - y) ** 2)
        for variable, gradient in zip((weight, bias), tape.gradient(loss, (weight, bias))):
            variable.assign_sub(0.1 * gradient)
        losses.append(float(loss))
    slope = float(weight) / deviation
    return slope, float(bias) - slope * mean, losses


def worst_error(convert):
    """Of `convert`, float32 [n, 1] to float32 [n, 1], against the formula, in degrees, over the whole range."""
    fahrenheit = np.arange(LOWEST, HIGHEST + 1 / 16, 1 / 16, dtype=np.float32)[:, np.newaxis]
    return float(np.max(np.abs(convert(fahrenheit).astype(np.float64) - celsius(fahrenheit))))


def export(model, folder):
    """Writes the SavedModel and, beside it, the same as ONNX."""
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    # The fingerprint is random in part, and nothing needs it.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    import tf2onnx

    tf2onnx.convert.from_function(
        model.serve,
        input_signature=[tf.TensorSpec([None, 1], tf.float32, name="fahrenheit")],
        opset=OPSET,
        output_path=str(folder / "model.onnx"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=451)
    options = parser.parse_args()
    slope, intercept, losses = train(options.seed)
    print(f"celsius = {slope:.9f} * fahrenheit + {intercept:.7f} after {EPOCHS} epochs, loss {losses[0]:.3g} -> {losses[-1]:.3g}")
    model = Converter(slope, intercept)
    error = worst_error(lambda fahrenheit: model.serve(tf.constant(fahrenheit))["celsius"].numpy())
    print(f"largest error from {LOWEST:g} to {HIGHEST:g}: {error:.2e} degrees")
    if error >= TOLERANCE:
        print(f"that is not below {TOLERANCE:g}: nothing was written", file=sys.stderr)
        return 1
    folder = options.out / VERSION
    export(model, folder)
    print(f"written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
