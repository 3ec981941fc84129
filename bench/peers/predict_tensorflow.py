"""What a team writes that has a SavedModel and FastAPI: one route, one call of TensorFlow for each request."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

folder = pathlib.Path(__file__).parents[2] / "models/celsiusify/1"
model = tf.saved_model.load(str(folder))  # what it loads lives only as long as it does
predict = model.signatures["serving_default"]
app = FastAPI()


class Instances(BaseModel):
    instances: list[list[float]]


# Not async: it computes, and FastAPI then calls it in a thread.
@app.post("/v1/models/celsiusify:predict")
def celsius(body: Instances) -> dict[str, list[list[float]]]:
    fahrenheit = tf.constant(body.instances, tf.float32, shape=(len(body.instances), 1))
    return {"predictions": predict(fahrenheit=fahrenheit)["celsius"].numpy().tolist()}


@app.get("/v1/models/celsiusify")
def status() -> dict[str, str]:
    return {"state": "AVAILABLE"}
