"""Random and hostile input for everything that reads what strangers send: envelopes, JSON, media."""
