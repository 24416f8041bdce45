"""The ``omnicall`` command line; ``python -m server`` is the same."""

from __future__ import annotations

import os
import sys

# Before torch is imported anywhere: threads that spin at barriers starve the gateway.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import typer

from server.cli.bench import bench
from server.cli.call import call
from server.cli.certs import certs
from server.cli.doctor import doctor
from server.cli.eval import evaluate
from server.cli.feedback import feedback
from server.cli.serve import serve
from server.cli.settings import settings
from server.errors import OmnicallError

app = typer.Typer(
    name="omnicall",
    help="Real-time voice and video calls with an omni-modal model on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, call, doctor, certs, settings):
    app.command()(command)
app.add_typer(bench, name="bench")
app.add_typer(evaluate, name="eval")
app.add_typer(feedback, name="feedback")


def main() -> None:
    """Run the command line; errors made on purpose are one line, not a traceback."""
    try:
        app()
    except OmnicallError as error:
        sys.stderr.write(f"omnicall: {error.message}\n")
        sys.exit(2)
