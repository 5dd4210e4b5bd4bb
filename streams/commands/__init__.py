"""One file for each command of ``vitrine``; `streams/cli.py` lists them and loads only the one that was asked for."""
