"""``vitrine topology``."""

import click

from streams import asyncapi, drawing


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "asyncapi"]), default="text", show_default=True)
def command(form: str) -> None:
    """Print the flow as text, Mermaid or AsyncAPI.

    \b
    Example: vitrine topology --format mermaid
    """
    draw = {"text": drawing.as_text, "mermaid": drawing.as_mermaid, "asyncapi": asyncapi.as_json}
    click.echo(draw[form]().rstrip())
