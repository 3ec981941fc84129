"""Celsiusify as its clients know it: FastAPI reads the number and writes the answer."""

from typing import Annotated

from fastapi import FastAPI, Query

app = FastAPI()


@app.get("/convert/")
async def convert(fahrenheit: Annotated[float, Query(allow_inf_nan=False)]) -> dict[str, str]:
    celsius = (fahrenheit - 32) * 5 / 9
    return {"celsius": f"{celsius:.6f}", "app_identifier": "aB3dE6gH-aB3dE6gH-aB3dE6gH-aB3dE6gH"}
