"""The models: speech, language, vision and fusion behind the seams of `encoders/engines.py`, and their training."""
