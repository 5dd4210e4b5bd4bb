"""The outside world: settings, the embedded services, the vector and object stores, metrics."""

import os

# From 1.29 on onnxruntime, by which speech is told from silence, tells Microsoft of each process and session, and keeps
# a number for the host in its cache. Only what the environment says before it is loaded stops that, so it is said here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
