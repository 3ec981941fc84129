"""What loadtest/run.py can load, in the order of the report."""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Target:
    title: str
    user: str = ""
    """Locust's class. Empty: the command makes the calls itself, in its own process; {seconds} and {csv} are filled in."""
    command: tuple[str, ...] = ()
    """Of the server; {port} and {data} are filled in. Empty: it runs elsewhere, at `address`."""
    ready: str = "/"
    address: str = ""
    """The variable with the address of a server that runs elsewhere."""
    folder: str = "."
    environment: tuple[tuple[str, str], ...] = ()
    needs: tuple[tuple[pathlib.Path, str], ...] = ()
    """Files without which it cannot run, each with the command that makes it."""
    packages: tuple[str, ...] = ()
    """Beside Dray or Python, those whose versions the report tells."""
    busy: bool = False
    """While products of matrices keep every executor busy."""


DRAY = ("node", str(ROOT / "dist/main.js"))
SERVE = (*DRAY, "serve", "--port", "{port}", "--data", "{data}", "--log-level", "warn")
# Products of submitted matrices would fill the disk if all of them were kept.
SUBMITS = (*SERVE, "--keep-jobs", "1000")
UVICORN = ("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "--no-access-log")
BENCH_PYTHON = str(ROOT / "bench/.venv/bin/python")
MODEL_PYTHON = str(ROOT / "models/.venv/bin/python")

BUILT = ((ROOT / "dist/main.js", "npm run build"),)
RUNTIME = (*BUILT, (ROOT / "node_modules/onnxruntime-node/package.json", "npm ci"))
FASTAPI = ((ROOT / "bench/.venv/bin/uvicorn", "node bench/peers/setup.mjs"),)
TENSORFLOW = ((pathlib.Path(MODEL_PYTHON), "node scripts/setup.mjs --tensorflow"),)
UVICORN_THERE = ((ROOT / "models/.venv/bin/uvicorn", "node scripts/setup.mjs --tensorflow"),)

TARGETS = {
    "convert-dray": Target("Conversion, Dray", "ConvertUser", SERVE, "/readyz", needs=BUILT),
    "convert-dray-busy": Target("Conversion, Dray, executors busy", "ConvertUser", SERVE, "/readyz", needs=BUILT, busy=True),
    "convert-fastapi": Target(
        "Conversion, FastAPI original",
        "ConvertUser",
        (BENCH_PYTHON, *UVICORN, "convert_fastapi:app"),
        "/convert/?fahrenheit=32",
        folder="bench/peers",
        needs=FASTAPI,
        packages=("fastapi", "uvicorn"),
    ),
    "predict-dray": Target(
        "Model over REST, Dray",
        "PredictUser",
        (*DRAY, "models", "serve", "--models", str(ROOT / "models"), "--port", "{port}"),
        "/v1/models/celsiusify",
        needs=RUNTIME,
        packages=("onnxruntime-node",),
    ),
    "predict-tensorflow": Target(
        "Model over REST, FastAPI with TensorFlow",
        "PredictUser",
        (MODEL_PYTHON, *UVICORN, "predict_tensorflow:app"),
        "/v1/models/celsiusify",
        folder="bench/peers",
        needs=(*TENSORFLOW, *UVICORN_THERE),
        packages=("fastapi", "uvicorn", "tensorflow-cpu"),
    ),
    "predict-tf-serving": Target(
        "Model over REST, TensorFlow Serving",
        "PredictUser",
        ready="/v1/models/celsiusify",
        address="TF_SERVING",
    ),
    "tensorflow-in-process": Target(
        "Model in process, TensorFlow in Python",
        command=(MODEL_PYTHON, str(ROOT / "loadtest/in_process.py"), "--seconds", "{seconds}", "--csv", "{csv}"),
        needs=TENSORFLOW,
        packages=("tensorflow-cpu",),
    ),
    "submit-dray": Target("Matrix submit, Dray", "MatrixAUser", SUBMITS, "/readyz", needs=BUILT),
    "submit-dray-simulated": Target(
        "Matrix submit, Dray, work simulated",
        "MatrixAUser",
        SUBMITS,
        "/readyz",
        environment=(("SIMULATE_WORKLOAD_DURATION_IN_SEC", "1"),),
        needs=BUILT,
    ),
}
