"""The outside world: settings, the embedded services, the vector and object stores, metrics."""
