"""The committed model against the formula, in both of its forms: `python -m pytest models/celsiusify`."""

import pathlib

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import train

HERE = pathlib.Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.iterdir() if path.name.isdecimal())


def in_tensorflow(folder):
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return lambda fahrenheit: signature(fahrenheit=tf.constant(fahrenheit))["celsius"].numpy()


def in_onnx(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda fahrenheit: session.run(["celsius"], {"fahrenheit": fahrenheit})[0]


RUNTIMES = pytest.mark.parametrize("load", [in_tensorflow, in_onnx])
FOLDERS = pytest.mark.parametrize("version", VERSIONS)


@FOLDERS
@RUNTIMES
def test_it_keeps_to_the_formula(load, version):
    assert train.worst_error(load(HERE / version)) < train.TOLERANCE


@FOLDERS
@RUNTIMES
@pytest.mark.parametrize("rows", [0, 1, 7, 1024])
def test_it_takes_any_number_of_rows(load, version, rows):
    fahrenheit = np.linspace(-40, 451, rows, dtype=np.float32).reshape(rows, 1)
    celsius = load(HERE / version)(fahrenheit)
    assert celsius.shape == (rows, 1) and celsius.dtype == np.float32
    np.testing.assert_allclose(celsius, train.celsius(fahrenheit), atol=train.TOLERANCE)


@FOLDERS
@RUNTIMES
def test_what_is_no_number_stays_none(load, version):
    celsius = load(HERE / version)(np.array([[np.nan], [np.inf], [-np.inf]], np.float32))
    np.testing.assert_array_equal(celsius, np.array([[np.nan], [np.inf], [-np.inf]], np.float32))


def test_training_again_finds_the_same_neuron():
    slope, intercept, losses = train.train(seed=451)
    assert slope == pytest.approx(5 / 9, abs=1e-9) and intercept == pytest.approx(-160 / 9, abs=1e-6)
    assert losses[-1] < 1e-12 < losses[0]


def test_training_that_missed_would_be_seen():
    assert train.worst_error(lambda fahrenheit: fahrenheit * np.float32(0.5556) - np.float32(17.78)) >= train.TOLERANCE
