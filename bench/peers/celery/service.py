"""The peer's API: FastAPI takes the matrices as JSON, queues a Celery task, and is polled for its state."""

from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

from tasks import app as celery
from tasks import note, product

app = FastAPI()


class Product(BaseModel):
    a: list[list[float]]
    b: list[list[float]]


# Plain functions: FastAPI runs them on its thread pool, as Celery's blocking calls ask for.
@app.post("/products", status_code=202)
def submit(body: Product) -> dict[str, str]:
    return {"id": product.delay(body.a, body.b).id}


class Matrices(BaseModel):
    A: list[list[float]]
    B: list[list[float]]


@app.post("/matrix_multiplication/", status_code=202)
def multiply(body: Matrices) -> dict[str, str]:
    return {"id": product.delay(body.A, body.B).id}


class Job(BaseModel):
    type: str
    input: dict


@app.post("/jobs", status_code=202)
def job(body: Job) -> dict[str, str]:
    return {"id": note.delay(body.input).id}


@app.get("/products/{id}")
def status(id: str) -> dict[str, str]:
    return {"status": AsyncResult(id, app=celery).state}


@app.get("/products/{id}/result")
def result(id: str) -> list[list[float]]:
    return AsyncResult(id, app=celery).get(timeout=10)
