"""The command line as a child of a test."""

HEEDING_CTRL_C = """
import signal
from streams.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command line in a process that minds SIGINT: a job that a shell started in the background ignores it."""
