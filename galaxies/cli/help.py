"""How the commands are grouped and explained."""

from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context, Parameter

CLASSIFY: Final = "Classify galaxies"
LOOK: Final = "See what the network sees"
ADAPT: Final = "Adapt a bundle to your galaxies, and check it"
VOLUNTEERS: Final = "Ask volunteers"
TRAIN: Final = "Prepare a survey to train on"
"""What users want, as headings of the commands."""


class Commands(TyperGroup):
    """Commands whose help shows no value where an option is a mere switch."""

    def get_params(self, ctx: "Context") -> "list[Parameter]":
        """Return the options of the group."""
        return _without_values(super().get_params(ctx))

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Return a command."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_values(command.get_params(ctx))
        return command


def _without_values(parameters: "list[Parameter]") -> "list[Parameter]":
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
